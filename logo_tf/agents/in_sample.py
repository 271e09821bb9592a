"""What algorithms that value logged actions alone have in common."""

from __future__ import annotations

import abc

from tf_agents.networks import network

from logo_tf.agents.local_values import local_values
from logo_tf.agents.offline_agent import AgentSetup, target_of
from logo_tf.agents.value_agent import ValueAgent, build_linear_mixer


class InSampleAgent(ValueAgent, metaclass=abc.ABCMeta):
    """Agents' values of their logged actions, a linear mixer, and a policy cloned by weights.

    Discrete and continuous actions differ in ``LocalValues`` alone.

    Hyper-parameters: ``width``, ``depth``, ``memory``, ``hyper_width``, and those of
    ``ValueAgent``.
    """

    def __init__(self, setup: AgentSetup) -> None:
        """Args: setup: what to build from, of either action kind."""
        super().__init__(setup)
        self._local = local_values(setup.spec)
        self._utilities = self._local.build(setup)
        self._mixer = build_linear_mixer(setup)
        self._target_utilities = target_of(self._utilities)
        self._target_mixer = target_of(self._mixer)

    @property
    def networks(self) -> dict[str, network.Network]:
        """The policy, the agents' values and the mixer."""
        return {"actor": self._actor, "utilities": self._utilities, "mixer": self._mixer}

    @property
    def trained(self) -> tuple[network.Network, ...]:
        """All of them."""
        return tuple(self.networks.values())

    @property
    def followed(self) -> tuple[tuple[network.Network, network.Network], ...]:
        """The values of actions, and the mixer."""
        return (
            (self._utilities, self._target_utilities),
            (self._mixer, self._target_mixer),
        )

"""A served team policy, asked as a team on a device is."""

from __future__ import annotations

from typing import Any

import numpy as np

from logo_tf.config import require
from logo_tf.errors import LogoError
from logo_tf.export.signatures import SIGNATURE
from logo_tf.serving.client import Client
from logo_tf.serving.served import Served
from logo_tf.specs import ScenarioSpec


class PolicyClient:
    """All agents of a served policy, and what they remember of the episode.

    It stands where a ``logo_tf.edge.Team`` does: ``reset`` as an episode begins, ``act`` at
    every step. A request that fails leaves the memory as it was, so the step may be asked again.

    Attributes:
      spec: the scenario that it acts in.
      discrete: whether agents choose one of A (else they answer vectors).
      memory_dim: M, what each agent remembers; 0 is nothing.
      memory: (N, M) float32, of the episode so far.
    """

    def __init__(
        self, client: Client, name: str, version: int | None = None, label: str | None = None
    ) -> None:
        """Ask what it is; arguments and errors as ``Served``."""
        self._served = Served(client, name, "policy", version, label)
        self.spec: ScenarioSpec = self._served.spec
        self.discrete = self.spec.discrete
        self.memory_dim = self._served.about.memory_dim
        self.reset()

    def reset(self) -> None:
        """Forget: an episode begins."""
        self.memory = np.zeros((self.spec.num_agents, self.memory_dim), np.float32)

    def act(self, observations: Any, legal: Any = None) -> np.ndarray:
        """Decide for every agent.

        Args:
          observations: N rows in the agents' order, each of its agent's O_i numbers; longer
            rows, such as those of an (N, O) array, are padding from there on.
          legal: discrete: N rows of at least A_i numbers, above 0.5 where legal; None is all.

        Returns:
          (N,) int32, or (N, A) float32, zero where an agent has fewer than A.

        Raises:
          LogoError: rows that do not fit the agents, a number that is not finite, or an agent
            to which nothing is legal. Nothing is sent.
          ServingError: as ``Client.predict``.
        """
        actions, self.memory = self.step(observations, legal, self.memory)
        return actions

    def step(self, observations: Any, legal: Any, memory: Any) -> tuple[np.ndarray, np.ndarray]:
        """Decide as ``act`` does, going on from ``memory`` (N, M), and return what follows it."""
        spec = self.spec
        given = {"observations": self._rows("observations", observations, spec.observation_dims)}
        outputs = {"actions": "BN" if self.discrete else "BNA"}
        if self.discrete:
            given["legal_actions"] = self._legal(legal)
        if self.memory_dim:
            given["memory"] = memory
            outputs["next_memory"] = "BNM"
        inputs = self._served.given(
            {name: [value] for name, value in given.items()},
            {"observations": "BNO", "legal_actions": "BNL", "memory": "BNM"},
        )
        answer = self._served.ask(SIGNATURE, inputs, outputs, B=1)
        after = answer["next_memory"][0] if self.memory_dim else memory
        return answer["actions"][0], after

    def _legal(self, legal: Any) -> np.ndarray:
        spec = self.spec
        if legal is None:
            return spec.action_mask
        rows = self._rows("legal", legal, spec.action_dims)
        for agent, row in zip(spec.agents, rows, strict=True):
            require(bool((row > 0.5).any()), f"{self._served.name}: {agent}: no action is legal")
        return rows

    def _rows(self, what: str, rows: Any, widths: tuple[int, ...]) -> np.ndarray:
        """(N, widest) float32 of N rows, zero from each agent's width on."""
        agents = self.spec.agents
        require(
            len(rows) == len(agents),
            f"{self._served.name}: {what}: {len(rows)} rows, but the team has {len(agents)} agents",
        )
        found = np.zeros((len(agents), max(widths)), np.float32)
        for i, width in enumerate(widths):
            try:
                row = np.asarray(rows[i][:width], np.float32)
            except (TypeError, ValueError, IndexError):
                raise LogoError(
                    f"{self._served.name}: {agents[i]}: {what} are no row of numbers"
                ) from None
            require(
                row.shape == (width,),
                f"{self._served.name}: {agents[i]}: {what} has shape {row.shape}, "
                f"expected ({width},)",
            )
            found[i, :width] = row
        return found

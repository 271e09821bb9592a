"""A served world model: one step, or whole rollouts, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from logo_tf import seeds
from logo_tf.config import require
from logo_tf.export.imagined import IMAGINE, IMAGINE_POLICY, LONGEST
from logo_tf.export.remembering import OBSERVE, STEP
from logo_tf.export.signatures import SIGNATURE
from logo_tf.serving.client import Client
from logo_tf.serving.served import Served
from logo_tf.specs import ScenarioSpec

_GIVEN = {"observations": "BNO", "state": "BS", "memory": "BNM", "legal_actions": "BNL"}
_MEMORY = {"next_memory": "BNM"}
_NEXT = {
    "next_observations": "BNO",
    "next_observations_std": "BNO",
    "next_state": "BS",
    "next_state_std": "BS",
    "reward": "B",
    "reward_std": "B",
    "termination": "B",
    "uncertainty": "B",
}


class Steps(NamedTuple):
    """What a served world model predicts, in raw units; B is (B, H) where it is of rollouts.

    next_observations, next_observations_std: (B, N, O) mean and spread, zero for padding and
    the dead; next_state, next_state_std: (B, S); reward, reward_std: (B,);
    termination: (B,) probability that the scenario ends with this step;
    uncertainty: (B,) without a unit;
    legal_actions: (B, N, L) probabilities, L = 0 where actions are vectors;
    state_error_bound: (B,) what the error of ``next_state`` stays below, in standard
    deviations, with the coverage that the export states; infinite where that was not measured.
    """

    next_observations: np.ndarray
    next_observations_std: np.ndarray
    next_state: np.ndarray
    next_state_std: np.ndarray
    reward: np.ndarray
    reward_std: np.ndarray
    termination: np.ndarray
    uncertainty: np.ndarray
    legal_actions: np.ndarray
    state_error_bound: np.ndarray


class ImaginedRollout(NamedTuple):
    """H steps of B branches.

    steps: fields lead with (B, H); actions: (B, H, N) int32 or (B, H, N, A) float32, as they
    were taken; running: (B, H) float32, 1 up to and with the step that is predicted to end the
    scenario; later steps mean nothing.
    """

    steps: Steps
    actions: np.ndarray
    running: np.ndarray


class WorldModelClient:
    """A served world model. What does not fit its scenario is refused before it is sent.

    An agent whose observation is all zero counts as dead in scenarios that have a no-op.
    Requests of many rows are made in portions, as servers that batch take no more than so many
    rows at once.

    Attributes:
      spec: the scenario that it simulates.
      memory_dim: M, what it remembers of each agent; 0 is nothing.
      routes: among how many members the rows of a call are dealt. A server that joins rows of
        several requests may deal them otherwise, unless every request has a multiple of it.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        version: int | None = None,
        label: str | None = None,
        most_rows: int = 256,
    ) -> None:
        """Ask what it is; further arguments and errors as ``Served``.

        Args:
          client: of its server.
          name: of the model.
          version: a certain one; the latest by default.
          label: or that of a label.
          most_rows: of a request, but for ``imagine_policy``, which is never divided.
        """
        self._served = Served(client, name, "world_model", version, label)
        self.spec: ScenarioSpec = self._served.spec
        self.memory_dim = self._served.about.memory_dim
        self.routes = self._served.about.routes
        # Whole deals, so that each row meets the member that it would meet in one call.
        self._portion = most_rows - most_rows % self.routes
        require(
            self._portion >= 1,
            f"{name}: most_rows must be at least {self.routes}, got {most_rows}",
        )

    def step(self, observations: Any, state: Any, actions: Any) -> Steps:
        """Predict one step; of a model with a memory the first one of an episode.

        Args:
          observations: (B, N, O) raw units, zero where padded.
          state: (B, S).
          actions: (B, N) whole numbers or (B, N, A).

        Raises:
          LogoError: a shape is not the model's, a number is not finite, or an agent has no such
            action. Nothing is sent.
          ServingError: as ``Client.predict``.
        """
        given = self._given(observations=observations, state=state, actions=actions)
        return self._steps(self._divided(SIGNATURE, given, self._outputs("B")))

    def step_on(
        self, observations: Any, state: Any, actions: Any, memory: Any
    ) -> tuple[Steps, np.ndarray]:
        """Predict as ``step`` does, going on from ``memory`` (B, N, M), and return what follows it.

        The memory is zeros as an episode begins.
        """
        given = self._given(observations=observations, state=state, actions=actions, memory=memory)
        if not self.memory_dim:
            memory = given.pop("memory")
            return self._steps(self._divided(SIGNATURE, given, self._outputs("B"))), memory
        answer = self._divided(STEP, given, self._outputs("B") | _MEMORY)
        return self._steps(answer), answer["next_memory"]

    def observe(self, observations: Any, state: Any, actions: Any, memory: Any) -> np.ndarray:
        """Take in rows that really happened; arguments and errors as ``step_on``'s.

        Returns:
          (B, N, M): what is remembered before the next row.
        """
        given = self._given(observations=observations, state=state, actions=actions, memory=memory)
        if not self.memory_dim:
            return given["memory"]
        return self._divided(OBSERVE, given, _MEMORY)["next_memory"]

    def imagine(self, observations: Any, state: Any, actions: Any) -> ImaginedRollout:
        """Imagine H steps under given joint actions.

        Args:
          observations: (B, N, O), where the branches begin.
          state: (B, S).
          actions: (B, H, N) whole numbers or (B, H, N, A); H is 1 to 1000.

        Raises:
          LogoError, ServingError: as ``step``.
        """
        given = self._given("BH", observations=observations, state=state, actions=actions)
        self._require_horizon(given["actions"].shape[1])
        return self._rollout(self._divided(IMAGINE, given, self._outputs("BH")))

    def imagine_policy(
        self,
        observations: Any,
        state: Any,
        horizon: int,
        exploration: float = 0.0,
        seed: int = 0,
        legal_actions: Any = None,
    ) -> ImaginedRollout:
        """Imagine H steps under the policy that the model was exported with.

        Args:
          observations: (B, N, O), where the branches begin.
          state: (B, S).
          horizon: H, 1 to 1000.
          exploration: 0 is the policy's best; above, vectors get Gaussian noise of so many half
            widths of their bounds, and choices are drawn among the legal ones with that chance.
          seed: decides what is drawn.
          legal_actions: (B, N, A) discrete: above 0.5 where legal at first; None is all.

        Raises:
          LogoError: as ``step``, or it was exported without a policy.
          ServingError: as ``Client.predict``.
        """
        name = self._served.name
        require(
            IMAGINE_POLICY in self._served.about.signatures,
            f"{name}: was exported without a policy to imagine with; export it with --policy RUN",
        )
        self._require_horizon(horizon)
        require(
            0.0 <= exploration < float("inf"),
            f"{name}: exploration must be a number of at least 0, got {exploration}",
        )
        given = self._given(observations=observations, state=state)
        if self.spec.discrete:
            exists = self.spec.action_mask
            if legal_actions is None:
                legal_actions = np.broadcast_to(exists, (len(given["state"]), *exists.shape))
            given = self._given("B", **given, legal_actions=legal_actions)
        asked = {
            **given,
            "horizon": np.array(horizon, np.int32),
            "exploration": np.array(exploration, np.float32),
            "seed": np.array(seeds.pair(seed), np.int32),
        }
        sizes = {"B": len(given["state"]), "H": horizon}
        return self._rollout(self._served.ask(IMAGINE_POLICY, asked, self._outputs("BH"), **sizes))

    def _given(self, steps: str = "B", **given: Any) -> dict[str, np.ndarray]:
        """What was given, checked; ``steps``: the axes before those of a joint action."""
        joint = "N" if self.spec.discrete else "NA"
        found = self._served.given(given, _GIVEN | {"actions": steps + joint})
        require(len(found["state"]) >= 1, f"{self._served.name}: needs a row at least")
        if self.spec.discrete and "actions" in found:
            found["actions"] = self._choices(found["actions"])
        return found

    def _choices(self, actions: np.ndarray) -> np.ndarray:
        """(..., N) as int32."""
        whole = actions.astype(np.int32)
        for i, (agent, count) in enumerate(
            zip(self.spec.agents, self.spec.action_dims, strict=True)
        ):
            mine = whole[..., i]
            require(
                bool(((mine == actions[..., i]) & (mine >= 0) & (mine < count)).all()),
                f"{self._served.name}: actions of {agent} must be whole numbers from 0 to "
                f"{count - 1}",
            )
        return whole

    def _require_horizon(self, horizon: int) -> None:
        require(
            isinstance(horizon, int | np.integer) and 1 <= horizon <= LONGEST,
            f"{self._served.name}: the horizon must be 1 to {LONGEST}, got {horizon}",
        )

    def _outputs(self, steps: str) -> dict[str, str]:
        """The axes of what is answered: of steps ``B``, or of rollouts ``BH``."""
        axes = {name: steps + each[1:] for name, each in _NEXT.items()}
        if self.spec.discrete:
            axes["legal_actions"] = f"{steps}NL"
        if steps == "BH":
            axes |= {"actions": "BHN" if self.spec.discrete else "BHNA", "running": "BH"}
        return axes

    def _divided(
        self, signature: str, given: Mapping[str, np.ndarray], axes: Mapping[str, str]
    ) -> dict[str, np.ndarray]:
        """Ask in portions of rows, one after the other."""
        parts = []
        for first in range(0, len(given["state"]), self._portion):
            part = {name: rows[first : first + self._portion] for name, rows in given.items()}
            parts.append(self._served.ask(signature, part, axes, B=len(part["state"])))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _steps(self, answer: Mapping[str, np.ndarray]) -> Steps:
        leading = answer["reward"].shape
        absent = {
            "legal_actions": np.zeros((*leading, self.spec.num_agents, 0), np.float32),
            "state_error_bound": np.full(leading, np.inf, np.float32),
        }
        found = {**absent, **answer}
        return Steps(**{name: found[name] for name in Steps._fields})

    def _rollout(self, answer: Mapping[str, np.ndarray]) -> ImaginedRollout:
        return ImaginedRollout(self._steps(answer), answer["actions"], answer["running"])

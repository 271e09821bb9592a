"""Collects rounds of experience for PPO from several scenario copies in step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from logo_tf.scenarios.play import step_all
from logo_tf.scenarios.protocol import Frame, Scenario

# Step types as TF-Agents numbers them.
FIRST, MID, LAST = 0, 1, 2

Parameters = dict[str, np.ndarray]
Sample = Callable[[Parameters, np.random.Generator], np.ndarray]


class Seen(NamedTuple):
    """What R rows see, with any further axes between R and the last.

    rows: (R, O+N) float32 observations with the agent's one-hot; legal: (R, L) bool;
    states: (R, S) float32, the same for all agents of a copy, which values may look at.
    """

    rows: np.ndarray
    legal: np.ndarray
    states: np.ndarray


Predict = Callable[[Seen], tuple[Parameters, np.ndarray]]


class Rollout(NamedTuple):
    """One round: R = K*N rows over T steps and one more, whose value ends the round.

    seen: of (R, T+1) rows; alive: (R, T+1) bool; actions: (R, T+1, A), or (R, T+1) int32;
    parameters: of the distributions they were drawn from, each (R, T+1, A); values:
    (R, T+1); rewards: (R, T+1), scaled; discounts: (R, T+1), 0 where the scenario ended;
    step_type, next_step_type: (R, T+1) int32; returns: the unscaled returns of the
    episodes that ended. Entry T of actions, rewards and discounts is filler. float32
    where nothing else is said.
    """

    seen: Seen
    alive: np.ndarray
    actions: np.ndarray
    parameters: Parameters
    values: np.ndarray
    rewards: np.ndarray
    discounts: np.ndarray
    step_type: np.ndarray
    next_step_type: np.ndarray
    returns: tuple[float, ...]


class RolloutCollector:
    """Keeps K scenario copies going from round to round."""

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        predict: Predict,
        sample: Sample,
        discount: float,
        rng: np.random.Generator,
    ) -> None:
        """Begin an episode in every copy.

        Args:
          scenarios: K copies of one scenario.
          predict: what R rows see to the parameters of the actions' distributions, each
            (R, A), and values (R,).
          sample: draws actions, (R, A) or (R,), from such parameters.
          discount: per step, for scaling rewards and for the values at time limits.
          rng: resets and explores.
        """
        self._scenarios = list(scenarios)
        self._spec = scenarios[0].spec
        self._predict, self._sample = predict, sample
        self._discount = discount
        self._rng = rng
        count = len(self._scenarios)
        self._frames = [self._reset(scenario) for scenario in self._scenarios]
        self._first = np.ones(count, bool)
        self._returns = np.zeros(count)
        self._ages = np.zeros(count, int)
        # The first episodes are cut at different ages, so that a round holds all phases
        # of an episode and not the same one K times.
        limit = self._spec.episode_limit
        self._limits = 1 + (np.arange(count) * limit) // count
        self._scale = _ReturnScale(count, discount)
        self._identity = np.broadcast_to(
            np.eye(self._spec.num_agents, dtype=np.float32),
            (count, self._spec.num_agents, self._spec.num_agents),
        )

    def collect(self, horizon: int) -> Rollout:
        """Take ``horizon`` steps in every copy and return them as one round."""
        steps: list[dict[str, Any]] = []
        returns: list[float] = []
        for _ in range(horizon):
            steps.append(self._step(returns))
        seen, parameters, values = self._look()
        filler = np.zeros(len(values), np.float32)
        types = self._per_row(np.where(self._first, FIRST, MID).astype(np.int32))
        steps.append(
            {
                "seen": seen,
                "alive": self._alive(),
                "actions": np.zeros_like(steps[-1]["actions"]),
                "parameters": parameters,
                "values": values,
                "rewards": filler,
                "discounts": filler,
                "step_type": types,
                "next_step_type": types,
            }
        )
        return Rollout(**_stacked(steps), returns=tuple(returns))

    def _step(self, returns: list[float]) -> dict[str, Any]:
        spec, count = self._spec, len(self._scenarios)
        seen, parameters, values = self._look()
        alive = self._alive()
        actions = self._sample(parameters, self._rng)
        frames = step_all(self._scenarios, actions.reshape(count, *spec.action_shape))
        step_type = np.where(self._first, FIRST, MID).astype(np.int32)
        raw = np.array([frame.reward for frame in frames])
        self._returns += raw
        self._ages += 1
        terminated = np.array([frame.terminated for frame in frames])
        truncated = np.array([frame.truncated for frame in frames]) | (self._ages >= self._limits)
        truncated &= ~terminated
        done = terminated | truncated
        rewards = self._scale(raw, done)
        self._frames = frames
        if truncated.any():
            # A time limit is not an ending: what would have followed is worth the value
            # of the state that was reached. PPO itself stops summing at every boundary.
            following = self._look()[2].reshape(count, spec.num_agents)
            rewards = rewards[:, None] + self._discount * truncated[:, None] * following
            rewards = rewards.reshape(-1)
        else:
            rewards = self._per_row(rewards)
        for index in np.flatnonzero(done):
            if self._limits[index] >= spec.episode_limit or terminated[index]:
                returns.append(float(self._returns[index]))
            self._returns[index] = self._ages[index] = 0
            self._limits[index] = spec.episode_limit
            self._frames[index] = self._reset(self._scenarios[index])
        self._first = done
        return {
            "seen": seen,
            "alive": alive,
            "actions": actions,
            "parameters": parameters,
            "values": values,
            "rewards": rewards.astype(np.float32),
            "discounts": self._per_row((~terminated).astype(np.float32)),
            "step_type": self._per_row(step_type),
            "next_step_type": self._per_row(np.where(done, LAST, MID).astype(np.int32)),
        }

    def _look(self) -> tuple[Seen, Parameters, np.ndarray]:
        """What the R = K*N agents see now, and what the policy makes of it."""
        observations = np.stack([frame.observations for frame in self._frames])
        rows = np.concatenate([observations, self._identity], axis=-1)
        seen = Seen(
            rows=rows.reshape(-1, rows.shape[-1]),
            legal=np.concatenate([frame.legal_actions for frame in self._frames]),
            states=self._per_row(np.stack([frame.state for frame in self._frames])),
        )
        return seen, *self._predict(seen)

    def _alive(self) -> np.ndarray:
        """(R,) bool."""
        return np.concatenate([frame.agent_mask for frame in self._frames])

    def _per_row(self, per_copy: np.ndarray) -> np.ndarray:
        return np.repeat(per_copy, self._spec.num_agents, axis=0)

    def _reset(self, scenario: Scenario) -> Frame:
        return scenario.reset(int(self._rng.integers(2**31)))


def _stacked(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stack what every step holds along a new axis 1, T."""
    stacked: dict[str, Any] = tf.nest.map_structure(
        lambda *values: np.stack(values, axis=1), *steps
    )
    return stacked


class _ReturnScale:
    """Divides rewards by the running spread of discounted returns (Engstrom et al. 2020).

    Values then stay near 1 whatever the scenario pays, which one learning rate suits.
    """

    def __init__(self, count: int, discount: float) -> None:
        self._discount = discount
        self._sums = np.zeros(count)
        self._n, self._mean, self._m2 = 0, 0.0, 0.0

    def __call__(self, rewards: np.ndarray, done: np.ndarray) -> np.ndarray:
        self._sums = self._sums * self._discount + rewards
        for value in self._sums:  # Welford's update
            self._n += 1
            delta = value - self._mean
            self._mean += delta / self._n
            self._m2 += delta * (value - self._mean)
        self._sums[done] = 0.0
        spread = np.sqrt(self._m2 / self._n) if self._n > 1 else 1.0
        return np.clip(rewards / max(spread, 1e-3), -10.0, 10.0)

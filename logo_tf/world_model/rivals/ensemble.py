"""The ensemble of monolithic world models: what offline model-based RL uses for uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from logo_tf import seeds
from logo_tf.data.standardisation import Standardisation
from logo_tf.data.transitions import Transitions
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.base import BaseWorldModel, Forecast, Start
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.losses import standard_deviation
from logo_tf.world_model.protocol import WorldModel
from logo_tf.world_model.rivals.monolithic import MonolithicWorldModel


class EnsembleWorldModel(BaseWorldModel):
    """K monolithic models, trained on bootstraps of the same batches, each at its own best.

    When training ends they are put in the order of their held-out errors; the first E are
    the elites. Row i of a batch is predicted by elite i mod E, so that a branch stays
    with one member (PETS' TS-infinity, arXiv 1805.12114), or by the mean of the elites.
    """

    def __init__(
        self,
        config: WorldModelConfig,
        spec: ScenarioSpec,
        standardisation: Standardisation,
        seed: int,
    ) -> None:
        """Args: seed: fixes the initial weights and the bootstraps."""
        super().__init__("ensemble", config, spec, standardisation)
        self._members = [
            MonolithicWorldModel(config, spec, standardisation, seeds.derive(seed, "member", k))
            for k in range(config.ensemble.members)
        ]
        self._bootstraps = [
            seeds.derive(seed, "bootstrap", k) for k in range(config.ensemble.members)
        ]
        routed = config.ensemble.propagation == "routed"
        self.routes = config.ensemble.elites if routed else 1

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """All weights, member by member."""
        return tuple(weight for member in self._members for weight in member.trainable_variables)

    def members(self) -> Sequence[WorldModel]:
        """The K monolithic models; the elites first, once training has ended."""
        return tuple(self._members)

    def select(self, scores: np.ndarray) -> None:
        """Put the members in the order of their held-out errors (K,), the best first."""
        weights = [[w.numpy() for w in member.trainable_variables] for member in self._members]
        for member, k in zip(self._members, np.argsort(scores, kind="stable"), strict=True):
            for variable, value in zip(member.trainable_variables, weights[k], strict=True):
                variable.assign(value)

    def forecast(self, start: Start) -> Forecast:
        """Predict one step in standardised units; all members speak, for the uncertainty."""
        each = [member.forecast(start) for member in self._members]
        stacked = tf.nest.map_structure(lambda *values: tf.stack(values), *each)
        elites = each[: self.config.ensemble.elites]
        if self.config.ensemble.propagation == "mean":
            chosen = _mixed(tf.nest.map_structure(lambda *values: tf.stack(values), *elites))
        else:
            chosen = tf.nest.map_structure(_routed, *elites)
        return chosen._replace(uncertainty=self._penalty(stacked), memory=start.memory)

    def losses(self, batch: Transitions, mask: tf.Tensor, unroll: int) -> dict[str, tf.Tensor]:
        """The members' losses on their bootstraps: sums of ``loss``, means of the parts."""
        each = []
        for member, seed in zip(self._members, self._bootstraps, strict=True):
            weights = mask
            if self.config.ensemble.bootstrap == "poisson":
                weights = mask * bootstrap_weights(batch.state, seed)
            each.append(member.losses(batch, weights, unroll))
        mean = {name: tf.add_n([one[name] for one in each]) / len(each) for name in each[0]}
        return {**mean, "loss": tf.add_n([one["loss"] for one in each])}

    def _penalty(self, stacked: Forecast) -> tf.Tensor:
        """How unsure the members are of s', (B,), in standard deviations a dimension."""
        kind, mask = self.config.ensemble.penalty, self.scaling.state_mask
        if kind == "aleatoric":
            return tf.reduce_max(stacked.uncertainty, axis=0)
        states = stacked.state * mask
        if kind == "deviation":
            squared = tf.math.reduce_variance(states, axis=0)
        else:
            gaps = states[:, None] - states[None]  # (K, K, B, S)
            squared = tf.reduce_max(tf.reduce_sum(tf.square(gaps), axis=-1), axis=(0, 1))[:, None]
        return tf.sqrt(tf.reduce_sum(squared, axis=-1) / self.scaling.state_count)


def _mixed(elites: Forecast) -> Forecast:
    """The mean of E forecasts (E, B, ...), and the variance of their mixture."""
    mean = tf.nest.map_structure(lambda values: tf.reduce_mean(values, axis=0), elites)
    variances = {}
    for name, spread in (
        ("observations", "observation_log_variance"),
        ("state", "state_log_variance"),
        ("reward", "reward_log_variance"),
    ):
        own = tf.square(standard_deviation(getattr(elites, spread)))
        apart = tf.math.reduce_variance(getattr(elites, name), axis=0)
        variances[spread] = tf.math.log(tf.reduce_mean(own, axis=0) + apart)
    return mean._replace(**variances)


def _routed(*values: tf.Tensor) -> tf.Tensor:
    """Row i of value i mod E, of E values (B, ...)."""
    rows = tf.range(tf.shape(values[0])[0]) % len(values)
    rows = tf.reshape(rows, (-1, *[1] * (len(values[0].shape) - 1)))
    chosen = values[0]
    for k, value in enumerate(values[1:], start=1):
        chosen = tf.where(rows == k, value, chosen)
    return chosen


def bootstrap_weights(state: tf.Tensor, seed: int) -> tf.Tensor:
    """Poisson(1) weights of rows, the same for the same row whenever it is met.

    A bootstrap draws rows with replacement, so that a row counts about Poisson(1) times.
    The draw is a hash of the row's state and the seed: it persists over the training, over
    a resumption and over the order of the data, and nothing has to be stored.

    Args:
      state: (..., S) float32, raw.
      seed: of one member.

    Returns:
      (...) float32: 0, 1, 2, 3 or 4.
    """
    rng = np.random.default_rng(seed)
    odd = rng.integers(0, 2**30, size=state.shape[-1], dtype=np.int64) * 2 + 1
    bits = tf.cast(tf.bitcast(state, tf.int32), tf.int64)
    mixed = tf.reduce_sum(bits * odd, axis=-1) + int(rng.integers(2**30))
    for shift, factor in ((33, 0x7F4A7C15), (29, 0x1CE4E5B9)):  # murmur's finaliser, shortened
        mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, np.int64(shift)))
        mixed *= factor
    high = tf.bitwise.right_shift(mixed, np.int64(36))
    uniform = tf.cast(tf.bitwise.bitwise_and(high, 2**24 - 1), tf.float32) / 2**24
    thresholds = np.cumsum(np.exp(-1.0) / np.array([1.0, 1.0, 2.0, 6.0])).astype(np.float32)
    return tf.add_n([tf.cast(uniform >= limit, tf.float32) for limit in thresholds])

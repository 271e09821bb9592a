"""D_m: the store of imagined transitions, and weighted draws from it."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from logo_tf import seeds
from logo_tf.data.transitions import Transitions, transitions_spec
from logo_tf.errors import LogoError
from logo_tf.imagination.rollout import Rollout
from logo_tf.imagination.sampling import Sampler, effective_sample_size, relative
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import Accumulation
from logo_tf.world_model.judging.accumulation import accumulate


class SyntheticStore(tf.Module):
    """A ring of imagined windows in variables, with their cumulated sampling weights.

    A window is ``horizon`` imagined rows of one branch, after ``context`` real ones that
    led up to it; by default a single imagined transition. Windows that a branch computed
    wholly after its predicted end take a place but have weight 0. The uncertainty of a row is
    accumulated along its branch before the sampler sees it, and is kept as such. Rewards
    are those of the sampler over all valid rows, and the log of a window's weight is the
    mean of those of its valid rows, worked out anew at each ``add``. Everything is in
    variables, so ``tf.train.Checkpoint(store=store)`` restores it exactly.

    A draw reads the store as it is at that moment and depends on nothing but (store,
    seed, number). Streams that prefetch therefore hold draws from before the newest
    ``add``: a learner that must resume exactly draws with ``batch`` inside its own
    graph, or makes its iterator anew after each ``add``.
    """

    def __init__(
        self,
        spec: ScenarioSpec,
        capacity: int,
        sampler: Sampler,
        horizon: int = 1,
        context: int = 0,
        accumulation: Accumulation = "step",
    ) -> None:
        """Make an empty store.

        Args:
          spec: the scenario.
          capacity: windows kept; the newest overwrite the oldest.
          sampler: weighs the rows.
          horizon: H, imagined rows of a window. At 1 every step of a branch is one; else
            a branch must be as long.
          context: C, real rows before them.
          accumulation: how u along a branch becomes what the sampler sees.

        Raises:
          LogoError: capacity below 1.
        """
        super().__init__(name="synthetic_store")
        if capacity < 1:
            raise LogoError(f"synthetic store: capacity must be at least 1, got {capacity}")
        self.capacity, self._horizon, self._context = capacity, horizon, context
        self._sampler, self._accumulation = sampler, accumulation
        self._graph = tf.function(self._put, autograph=False, reduce_retracing=True)
        length = context + horizon
        # On the CPU, where tf.data reads it.
        with tf.device("/CPU:0"):
            self._fields = Transitions(
                *(
                    _variable(tf.zeros((capacity, length, *one.shape), one.dtype))
                    for one in transitions_spec(spec)
                )
            )
            self._inside = _variable(tf.zeros((capacity, length)))
            self._predicted_rewards = _variable(tf.zeros((capacity, horizon)))
            self._uncertainty = _variable(tf.zeros((capacity, horizon)))
            # Double precision: single loses the light windows of a long running sum.
            self._cumulated = _variable(tf.zeros(capacity, tf.float64))
            self._cursor = _variable(tf.constant(0, tf.int64))

    @property
    def size(self) -> tf.Tensor:
        """() int32: how many windows hold a valid imagined row."""
        return tf.math.count_nonzero(tf.reduce_any(self._valid, axis=1), dtype=tf.int32)

    @property
    def weights(self) -> tf.Tensor:
        """(capacity,) float64: the chance of each window to be drawn; 0 for invalid ones."""
        shares = tf.concat([self._cumulated[:1], tf.experimental.numpy.diff(self._cumulated)], 0)
        return tf.math.divide_no_nan(shares, self._cumulated[-1])

    @property
    def uncertainty(self) -> tf.Tensor:
        """(M,) float32: u of the valid rows, Eq. 5 accumulated along their branches."""
        return tf.boolean_mask(self._uncertainty, self._valid)

    @property
    def effective_sample_size(self) -> tf.Tensor:
        """(sum w)^2 / sum w^2 of the sampling weights."""
        return effective_sample_size(self.weights)

    @property
    def ess_fraction(self) -> tf.Tensor:
        """The effective sample size as a share of the valid windows, 0 to 1."""
        size = tf.cast(self.size, tf.float64)
        return tf.math.divide_no_nan(self.effective_sample_size, size)

    @property
    def relative_uncertainty(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean u / median(u) over the valid rows that are stored, and over those that are drawn.

        The second is an expectation over draws, and the smaller one where a sampler prefers
        what the model is sure of.
        """
        known = relative(self.uncertainty)
        sums, rows = (tf.cast(self._sums(x), tf.float64) for x in (known, tf.ones_like(known)))

        def mean(shares: tf.Tensor) -> tf.Tensor:
            return tf.math.divide_no_nan(tf.reduce_sum(shares * sums), tf.reduce_sum(shares * rows))

        return mean(tf.ones_like(sums)), mean(self.weights)

    @property
    def _valid(self) -> tf.Tensor:
        """(capacity, H) bool: the imagined rows that count."""
        return self._inside[:, self._context :] > 0

    def add(self, rollout: Rollout, before: tuple[Transitions, tf.Tensor] | None = None) -> None:
        """Put one round in, over the oldest windows, and weigh all anew; one graph call.

        Args:
          rollout: (H, B, ...) of ``make_imagine``.
          before: the C real rows before each branch, (B, C, ...), and which of them are
            of the episode, (B, C); None where C is 0.

        Raises:
          tf.errors.InvalidArgumentError: the round is larger than the store.
        """
        self._graph(rollout, before)

    def _put(self, rollout: Rollout, before: tuple[Transitions, tf.Tensor] | None) -> None:
        signal = accumulate(rollout.uncertainty, self._accumulation)
        round_ = tf.nest.map_structure(self._windows, rollout._replace(uncertainty=signal))
        rows, inside = round_.transitions, round_.valid
        if before is not None:
            rows, inside = tf.nest.map_structure(
                lambda real, imagined: tf.concat([real, imagined], axis=1), before, (rows, inside)
            )
        count = tf.shape(inside, tf.int64)[0]
        tf.debugging.assert_less_equal(
            count, tf.constant(self.capacity, tf.int64), "a round is larger than the store"
        )
        places = (self._cursor + tf.range(count)) % self.capacity
        for variable, values in (
            *zip(self._fields, rows, strict=True),
            (self._inside, inside),
            (self._predicted_rewards, round_.transitions.rewards),
            (self._uncertainty, round_.uncertainty),
        ):
            variable.scatter_update(tf.IndexedSlices(values, places))
        self._cursor.assign((self._cursor + count) % self.capacity)
        self._weigh()

    def _windows(self, values: tf.Tensor) -> tf.Tensor:
        """(H, B, ...) -> windows (B, H, ...), or (H*B, 1, ...) where each row is one."""
        if self._horizon == 1:
            return tf.reshape(values, tf.concat([[-1, 1], tf.shape(values)[2:]], axis=0))
        order = (1, 0, *range(2, values.shape.rank))
        return tf.ensure_shape(
            tf.transpose(values, order), (None, self._horizon, *values.shape[2:])
        )

    def batch(
        self, batch_size: int, seed: int, number: tf.Tensor, only: np.ndarray | None = None
    ) -> tuple[Transitions, tf.Tensor]:
        """Draw one batch with replacement; usable inside any graph.

        Args:
          batch_size: B.
          seed: fixes the sequence of batches.
          number: () int64, which batch of the sequence.
          only: (b,) which windows of the batch to read; None means all.

        Returns:
          ``Transitions`` (B, C + H, ...) and which of their rows count, (B, C + H), the
          structure of ``data.pipeline.windows``.
        """
        total = self._cumulated[-1]
        tf.debugging.assert_positive(total, "the synthetic store is empty: add a rollout first")
        high, low = seeds.pair(seed, "synthetic")
        key = tf.stack([tf.constant(high << 31 | low, tf.int64), tf.cast(number, tf.int64)])
        share = tf.random.stateless_uniform((batch_size,), key, dtype=tf.float64)
        if only is not None:
            share = tf.gather(share, only)
        # Just below 1, so that rounding never points past the last window that has weight.
        point = share * total * (1.0 - 1e-15)
        drawn = tf.searchsorted(self._cumulated, point, side="right")
        rows = Transitions(*(tf.gather(variable, drawn) for variable in self._fields))
        return rows, tf.gather(self._inside, drawn)

    def dataset(
        self, batch_size: int, seed: int, start: int = 0, only: np.ndarray | None = None
    ) -> tf.data.Dataset:
        """Stream batches without end; each reads the store when it is asked for.

        Args:
          batch_size: B.
          seed: fixes the sequence of batches.
          start: how many batches to leave out at the beginning.
          only: (b,) which windows of each batch to read; None means all.
        """
        options = tf.data.Options()
        # Otherwise TensorFlow reads ahead, unasked, from before the newest ``add``.
        options.experimental_optimization.inject_prefetch = False
        with tf.device("/CPU:0"):
            numbers = tf.data.Dataset.counter(start)
            stream = numbers.map(lambda number: self.batch(batch_size, seed, number, only))
            return stream.with_options(options)

    def _sums(self, values: tf.Tensor) -> tf.Tensor:
        """(capacity,) sums over each window of the values (M,) of its valid rows."""
        valid = self._valid
        rows = tf.scatter_nd(tf.where(valid), values, tf.shape(valid, tf.int64))
        return tf.reduce_sum(rows, axis=1)

    def _weigh(self) -> None:
        valid = self._valid
        places = tf.where(valid)
        uncertainty = self.uncertainty
        predicted = tf.boolean_mask(self._predicted_rewards, valid)
        count = tf.reduce_sum(tf.cast(valid, tf.float32), axis=1)
        logs = tf.math.divide_no_nan(self._sums(self._sampler.log_weights(uncertainty)), count)
        logs = tf.where(count > 0, logs, -np.inf)
        weights = tf.exp(tf.cast(logs - tf.reduce_max(logs), tf.float64))
        self._cumulated.assign(tf.cumsum(weights))
        rewards = self._sampler.rewards(predicted, uncertainty)
        after_context = tf.constant([[0, self._context]], tf.int64)
        self._fields.rewards.scatter_nd_update(places + after_context, rewards)


def _variable(value: tf.Tensor) -> tf.Variable:
    return tf.Variable(value, trainable=False)

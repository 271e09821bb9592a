"""D_m: the store of imagined transitions, and weighted draws from it."""

from __future__ import annotations

import tensorflow as tf

from logo_tf import seeds
from logo_tf.data.transitions import Transitions, transitions_spec
from logo_tf.errors import LogoError
from logo_tf.imagination.rollout import Rollout
from logo_tf.imagination.sampling import Sampler, effective_sample_size
from logo_tf.specs import ScenarioSpec


class SyntheticStore(tf.Module):
    """A ring of imagined transitions in variables, with their cumulated sampling weights.

    Rows that a branch computed after its predicted end take a place but have weight 0.
    Weights and rewards are those of the sampler over all valid rows, worked out anew at
    each ``add``. Everything is in variables, so ``tf.train.Checkpoint(store=store)``
    restores it exactly.

    A draw reads the store as it is at that moment and depends on nothing but (store,
    seed, number). Streams that prefetch therefore hold draws from before the newest
    ``add``: a learner that must resume exactly draws with ``batch`` inside its own
    graph, or makes its iterator anew after each ``add``.
    """

    def __init__(self, spec: ScenarioSpec, capacity: int, sampler: Sampler) -> None:
        """Make an empty store.

        Args:
          spec: the scenario.
          capacity: rows kept; the newest overwrite the oldest.
          sampler: weighs the rows.

        Raises:
          LogoError: capacity below 1.
        """
        super().__init__(name="synthetic_store")
        if capacity < 1:
            raise LogoError(f"synthetic store: capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self._sampler = sampler
        self._structure = transitions_spec(spec)
        self._graph = tf.function(self._put, autograph=False, reduce_retracing=True)
        # On the CPU, where tf.data reads it.
        with tf.device("/CPU:0"):
            self._fields = [
                tf.Variable(tf.zeros((capacity, *one.shape), one.dtype), trainable=False)
                for one in self._structure
            ]
            self._predicted_rewards = _variable(tf.zeros(capacity))
            self._uncertainty = _variable(tf.zeros(capacity))
            self._valid = _variable(tf.zeros(capacity, tf.bool))
            # Double precision: single loses the light rows of a long running sum.
            self._cumulated = _variable(tf.zeros(capacity, tf.float64))
            self._cursor = _variable(tf.constant(0, tf.int64))

    @property
    def size(self) -> tf.Tensor:
        """() int32: how many rows are valid."""
        return tf.math.count_nonzero(self._valid, dtype=tf.int32)

    @property
    def weights(self) -> tf.Tensor:
        """(capacity,) float64: the chance of each row to be drawn; 0 for invalid rows."""
        shares = tf.concat([self._cumulated[:1], tf.experimental.numpy.diff(self._cumulated)], 0)
        return tf.math.divide_no_nan(shares, self._cumulated[-1])

    @property
    def uncertainty(self) -> tf.Tensor:
        """(M,) float32: Eq. 5 of the valid rows."""
        return tf.boolean_mask(self._uncertainty, self._valid)

    @property
    def effective_sample_size(self) -> tf.Tensor:
        """(sum w)^2 / sum w^2 of the sampling weights."""
        return effective_sample_size(self.weights)

    @property
    def ess_fraction(self) -> tf.Tensor:
        """The effective sample size as a share of the valid rows, 0 to 1."""
        size = tf.cast(self.size, tf.float64)
        return tf.math.divide_no_nan(self.effective_sample_size, size)

    def add(self, rollout: Rollout) -> None:
        """Put one round in, over the oldest rows, and weigh all rows anew; one graph call.

        Args:
          rollout: (H, B, ...) of ``make_imagine``; H*B at most the capacity.

        Raises:
          tf.errors.InvalidArgumentError: the round is larger than the store.
        """
        self._graph(rollout)

    def _put(self, rollout: Rollout) -> None:
        flat = tf.nest.map_structure(_join, rollout)
        count = tf.size(flat.valid, out_type=tf.int64)
        tf.debugging.assert_less_equal(
            count, tf.constant(self.capacity, tf.int64), "a round is larger than the store"
        )
        places = (self._cursor + tf.range(count)) % self.capacity
        for variable, values in zip(self._fields, flat.transitions, strict=True):
            variable.scatter_update(tf.IndexedSlices(values, places))
        for variable, values in (
            (self._predicted_rewards, flat.transitions.rewards),
            (self._uncertainty, flat.uncertainty),
            (self._valid, flat.valid > 0),
        ):
            variable.scatter_update(tf.IndexedSlices(values, places))
        self._cursor.assign((self._cursor + count) % self.capacity)
        self._weigh()

    def batch(self, batch_size: int, seed: int, number: tf.Tensor) -> Transitions:
        """Draw one batch with replacement; usable inside any graph.

        Args:
          batch_size: B.
          seed: fixes the sequence of batches.
          number: () int64, which batch of the sequence.

        Returns:
          ``Transitions`` (B, ...), the structure of ``data.pipeline.transitions``.
        """
        total = self._cumulated[-1]
        tf.debugging.assert_positive(total, "the synthetic store is empty: add a rollout first")
        high, low = seeds.pair(seed, "synthetic")
        key = tf.stack([tf.constant(high << 31 | low, tf.int64), tf.cast(number, tf.int64)])
        share = tf.random.stateless_uniform((batch_size,), key, dtype=tf.float64)
        # Just below 1, so that rounding never points past the last row that has weight.
        point = share * total * (1.0 - 1e-15)
        rows = tf.searchsorted(self._cumulated, point, side="right")
        return Transitions(*(tf.gather(variable, rows) for variable in self._fields))

    def dataset(self, batch_size: int, seed: int, start: int = 0) -> tf.data.Dataset:
        """Stream batches without end; each reads the store when it is asked for.

        Args:
          batch_size: B.
          seed: fixes the sequence of batches.
          start: how many batches to leave out at the beginning.
        """
        options = tf.data.Options()
        # Otherwise TensorFlow reads ahead, unasked, from before the newest ``add``.
        options.experimental_optimization.inject_prefetch = False
        with tf.device("/CPU:0"):
            numbers = tf.data.Dataset.counter(start)
            stream = numbers.map(lambda number: self.batch(batch_size, seed, number))
            return stream.with_options(options)

    def _weigh(self) -> None:
        places = tf.where(self._valid)[:, 0]
        uncertainty = tf.gather(self._uncertainty, places)
        predicted = tf.gather(self._predicted_rewards, places)
        logits = self._sampler.log_weights(uncertainty)
        weights = tf.exp(tf.cast(logits - tf.reduce_max(logits), tf.float64))
        spread = tf.scatter_nd(places[:, None], weights, [self.capacity])
        self._cumulated.assign(tf.cumsum(spread))
        rewards = self._fields[Transitions._fields.index("rewards")]
        rewards.scatter_update(
            tf.IndexedSlices(self._sampler.rewards(predicted, uncertainty), places)
        )


def _variable(value: tf.Tensor) -> tf.Variable:
    return tf.Variable(value, trainable=False)


def _join(values: tf.Tensor) -> tf.Tensor:
    """(H, B, ...) -> (H*B, ...)."""
    return tf.reshape(values, tf.concat([[-1], tf.shape(values)[2:]], axis=0))

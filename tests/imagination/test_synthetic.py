"""The store of imagined rows: ring, weights, draws, checkpoints."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.data.transitions import transitions_spec
from logo_tf.errors import LogoError
from logo_tf.imagination.config import ImaginationConfig
from logo_tf.imagination.rollout import Rollout
from logo_tf.imagination.sampling import make_sampler
from logo_tf.imagination.synthetic import SyntheticStore
from logo_tf.world_model.judging.accumulation import ACCUMULATIONS


def _store(spec, capacity=8, **settings):
    config = ImaginationConfig(**settings)
    return SyntheticStore(spec, capacity, make_sampler(config), accumulation=config.accumulation)


def _rollout(spec, rewards, valid, uncertainty):
    """One branch whose rows are told apart by their rewards."""
    h = len(rewards)
    rows = tf.nest.map_structure(
        lambda one: tf.zeros((h, 1, *one.shape), one.dtype), transitions_spec(spec)
    )
    column = lambda values: tf.constant(values, tf.float32)[:, None]  # noqa: E731
    return Rollout(rows._replace(rewards=column(rewards)), column(valid), column(uncertainty))


def _drawn(store, count):
    """The rewards of single rows."""
    rows, inside = store.batch(count, 0, tf.constant(0))
    assert (inside.numpy() == 1).all()
    return rows.rewards.numpy()[:, 0]


@pytest.fixture
def filled(discrete_spec):
    """Rows 0 to 3, of which row 2 is invalid, with u / median(u) of 1/3, 1, (1) and 4/3."""
    store = _store(discrete_spec, truncation=2.0)
    store.add(_rollout(discrete_spec, [0, 1, 2, 3], [1, 1, 0, 1], [1.0, 3.0, 3.0, 4.0]))
    return store


def test_weights_by_hand(filled):
    expected = np.exp([5 / 3, 1, -np.inf, 2 / 3, *[-np.inf] * 4])
    expected /= expected.sum()
    np.testing.assert_allclose(filled.weights, expected, rtol=1e-6)
    assert filled.size.numpy() == 3
    size = 1 / np.square(expected).sum()
    assert filled.effective_sample_size.numpy() == pytest.approx(size)
    assert filled.ess_fraction.numpy() == pytest.approx(size / 3)
    np.testing.assert_array_equal(filled.uncertainty, [1, 3, 4])


def test_relative_uncertainty_by_hand(filled):
    weights = np.exp([5 / 3, 1, 2 / 3])
    u = np.array([1 / 3, 1, 4 / 3])  # in medians
    stored, drawn = filled.relative_uncertainty
    assert stored.numpy() == pytest.approx(u.mean())
    assert drawn.numpy() == pytest.approx((weights * u).sum() / weights.sum())
    assert filled.weights.numpy().sum() == pytest.approx(1)


def test_high_temperatures_draw_uniformly(discrete_spec):
    store = _store(discrete_spec, capacity=3, truncation=5.0, temperature=1e6)
    store.add(_rollout(discrete_spec, [0, 1, 2], [1, 1, 1], [1.0, 3.0, 9.0]))
    np.testing.assert_allclose(store.weights, np.full(3, 1 / 3), rtol=1e-5)
    assert store.effective_sample_size.numpy() == pytest.approx(3)


def test_rows_weigh_by_the_sum_along_their_branch(discrete_spec):
    """Rows of u 1, 2, (9), 1 and 3, the third beyond its branch's end, or sums 1, 3, 1 and 4."""
    store = _store(discrete_spec, accumulation="sum")
    store.add(_rollout(discrete_spec, [0, 1, 2], [1, 1, 0], [1.0, 2.0, np.nan]))
    store.add(_rollout(discrete_spec, [3, 4], [1, 1], [1.0, 3.0]))
    np.testing.assert_array_equal(store.uncertainty, [1, 3, 1, 4])
    # Their median is 2, so P_u is 3/2, 1/2, 3/2 and 0.
    expected = np.exp([3 / 2, 1 / 2, -np.inf, 3 / 2, 0, *[-np.inf] * 3])
    np.testing.assert_allclose(store.weights, expected / expected.sum(), rtol=1e-6)


def test_penalties_grow_along_a_branch(discrete_spec):
    settings = {"sampler": "penalty", "penalty": 1.0, "accumulation": "sum"}
    store = _store(discrete_spec, capacity=3, **settings)
    store.add(_rollout(discrete_spec, [1, 3, 50], [1, 1, 0], [1.0, 2.0, np.nan]))
    # Sums 1 and 3, median 2, standard deviation of the rewards 1.
    assert set(_drawn(store, 50)) == {0.5, 1.5}


@pytest.mark.parametrize("accumulation", ACCUMULATIONS)
def test_what_follows_an_end_changes_nothing(discrete_spec, accumulation):
    sampler = make_sampler(ImaginationConfig())
    stores = []
    for beyond in (1.0, np.nan):
        store = SyntheticStore(discrete_spec, 2, sampler, horizon=3, accumulation=accumulation)
        for rewards, valid, u in (
            ([1, 2, 3], [1, 1, 1], [1.0, 2.0, 4.0]),
            ([4, 5, 6], [1, 1, 0], [3.0, 2.0, beyond]),
        ):
            store.add(_rollout(discrete_spec, rewards, valid, u))
        stores.append(store)
    one, other = stores
    assert one.weights.numpy().sum() == pytest.approx(1)
    for look in (
        lambda store: store.weights,
        lambda store: store.uncertainty,
        lambda store: store.relative_uncertainty,
        lambda store: store.batch(20, 0, tf.constant(0))[0].rewards,
    ):
        np.testing.assert_array_equal(look(one), look(other))


def test_draws_follow_the_weights(filled):
    count = 20000
    rewards = _drawn(filled, count)
    drawn = np.bincount(rewards.astype(int), minlength=8)
    expected = filled.weights.numpy() * count
    assert drawn[expected == 0].sum() == 0
    live = expected > 0
    # chi-square of 2 degrees of freedom; 13.8 has probability .001
    assert np.sum(np.square(drawn - expected)[live] / expected[live]) < 13.8


def test_the_ring_overwrites_the_oldest(discrete_spec):
    store = _store(discrete_spec, capacity=5, sampler="uniform")
    store.add(_rollout(discrete_spec, [0, 1, 2], [1, 1, 1], [1.0] * 3))
    store.add(_rollout(discrete_spec, [3, 4, 5], [1, 1, 1], [1.0] * 3))
    assert store.size.numpy() == 5
    drawn = _drawn(store, 200)
    assert set(drawn.astype(int)) == {1, 2, 3, 4, 5}


def test_penalised_rewards_follow_the_newest_median(discrete_spec):
    store = _store(discrete_spec, sampler="penalty", penalty=1.0)
    store.add(_rollout(discrete_spec, [0, 2], [1, 1], [1.0, 1.0]))
    assert set(_drawn(store, 50)) == {-1.0, 1.0}
    store.add(_rollout(discrete_spec, [0, 2, 0, 2], [1, 1, 1, 1], [2.0, 2.0, 2.0, 2.0]))
    # median 2 now: the first rows lose half, the others 1
    assert set(_drawn(store, 200)) == {-0.5, 1.5, -1.0, 1.0}


def test_batches_are_functions_of_seed_and_number(filled):
    stream = [rows.rewards.numpy() for rows, _ in filled.dataset(16, seed=1).take(4)]
    later = [rows.rewards.numpy() for rows, _ in filled.dataset(16, seed=1, start=2).take(2)]
    np.testing.assert_array_equal(stream[2:], later)
    other = next(iter(filled.dataset(16, seed=2)))[0].rewards.numpy()
    assert not np.array_equal(stream[0], other)
    assert not np.array_equal(stream[0], stream[1])
    np.testing.assert_array_equal(filled.batch(16, 1, tf.constant(3))[0].rewards, stream[3])


def test_a_stream_reads_the_newest_rows(discrete_spec):
    store = _store(discrete_spec, capacity=2, sampler="uniform")
    store.add(_rollout(discrete_spec, [0, 0], [1, 1], [1.0] * 2))
    stream = iter(store.dataset(8, seed=0))
    assert (next(stream)[0].rewards.numpy() == 0).all()
    store.add(_rollout(discrete_spec, [7, 7], [1, 1], [1.0] * 2))
    assert (next(stream)[0].rewards.numpy() == 7).all()


def test_batches_have_the_structure_of_real_ones(continuous_spec):
    rows, inside = _store(continuous_spec).dataset(3, 0).element_spec
    assert inside.shape == (3, 1)
    for got, one in zip(rows, transitions_spec(continuous_spec), strict=True):
        assert got.shape == (3, 1, *one.shape)
        assert got.dtype == one.dtype


def test_checkpoints_restore_it_exactly(filled, discrete_spec, tmp_path):
    path = tf.train.Checkpoint(store=filled).write(str(tmp_path / "store"))
    fresh = _store(discrete_spec)
    tf.train.Checkpoint(store=fresh).read(path).assert_consumed()
    np.testing.assert_array_equal(fresh.weights, filled.weights)
    np.testing.assert_array_equal(_drawn(fresh, 9), _drawn(filled, 9))


def test_nothing_to_draw(discrete_spec):
    with pytest.raises(tf.errors.InvalidArgumentError, match="add a rollout first"):
        _store(discrete_spec).batch(4, 0, tf.constant(0))
    with pytest.raises(LogoError, match="capacity must be at least 1"):
        _store(discrete_spec, capacity=0)


def test_a_round_must_fit(discrete_spec):
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than the store"):
        _store(discrete_spec, capacity=2).add(
            _rollout(discrete_spec, [0, 1, 2], [1, 1, 1], [1.0] * 3)
        )


def test_a_window_is_real_rows_and_then_a_branch(discrete_spec):
    """Two branches of 2 steps after 1 real row; the second ends after its first step."""
    sampler = make_sampler(ImaginationConfig(truncation=2.0))
    store = SyntheticStore(discrete_spec, 4, sampler, horizon=2, context=1)
    one, other = (
        _rollout(discrete_spec, [1, 2], [1, 1], [1.0, 4.0]),
        _rollout(discrete_spec, [3, 4], [1, 0], [2.0, 9.0]),
    )
    rollout = tf.nest.map_structure(lambda a, b: tf.concat([a, b], axis=1), one, other)
    before = tf.nest.map_structure(
        lambda x: tf.zeros((2, 1, *x.shape), x.dtype), transitions_spec(discrete_spec)
    )
    before = before._replace(rewards=tf.constant([[-1.0], [-2.0]]))
    store.add(rollout, (before, tf.constant([[0.0], [1.0]])))
    assert store.size.numpy() == 2
    # Valid u are 1, 4 and 2, their median 2: P_u is 3/2 and 0, and 1 for the other branch.
    expected = np.array([np.exp(3 / 4), np.exp(1), 0, 0]) / (np.exp(3 / 4) + np.exp(1))
    np.testing.assert_allclose(store.weights, expected, rtol=1e-6)
    rows, inside = store.batch(100, 0, tf.constant(0))
    drawn = {
        (tuple(r), tuple(i))
        for r, i in zip(rows.rewards.numpy().tolist(), inside.numpy().tolist(), strict=True)
    }
    assert drawn == {((-1, 1, 2), (0, 1, 1)), ((-2, 3, 4), (1, 1, 0))}


def test_a_window_weighs_by_the_mean_of_its_accumulated_rows(discrete_spec):
    """The branches of the test above: sums 1 and 5, and 2, of which the median is 2."""
    sampler = make_sampler(ImaginationConfig(truncation=2.0))
    store = SyntheticStore(discrete_spec, 2, sampler, horizon=2, accumulation="sum")
    store.add(_rollout(discrete_spec, [1, 2], [1, 1], [1.0, 4.0]))
    store.add(_rollout(discrete_spec, [3, 4], [1, 0], [2.0, 9.0]))
    # P_u is 3/2 and 0 (truncated), and 1 for the other branch.
    weights = np.exp([3 / 4, 1])
    np.testing.assert_allclose(store.weights, weights / weights.sum(), rtol=1e-6)
    stored, drawn = store.relative_uncertainty
    assert stored.numpy() == pytest.approx((1 / 2 + 5 / 2 + 1) / 3)
    rows = weights * [2, 1]
    assert drawn.numpy() == pytest.approx((weights @ [3, 1]) / rows.sum())

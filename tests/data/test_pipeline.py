"""Batches: right rows, right masks, and a pure function of the seed and the step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.data import pipeline
from logo_tf.data.store import Dataset
from logo_tf.data.transitions import Transitions, transitions_spec
from logo_tf.errors import LogoError

KINDS = ("continuous", "discrete")


def take(stream: tf.data.Dataset, count: int) -> list[Any]:
    return list(islice(stream.as_numpy_iterator(), count))


def assert_equal(ours: Iterable[Any], theirs: Iterable[Any]) -> None:
    tf.nest.map_structure(np.testing.assert_array_equal, list(ours), list(theirs))


def expected(dataset: Dataset, row: int) -> dict[str, np.ndarray]:
    """One transition, looked up by hand."""
    episode = int(np.searchsorted(dataset.first_rows, row, side="right") - 1)
    t = row - int(dataset.first_rows[episode])
    one = dataset.episode(episode)
    last = t == one.length - 1
    return {
        "observations": one.observations[t],
        "state": one.state[t],
        "actions": one.actions[t],
        "rewards": one.rewards[t],
        "next_observations": one.observations[t + 1],
        "next_state": one.state[t + 1],
        "terminals": np.float32(one.terminated and last),
        "legal_actions": one.legal_actions[t],
        "next_legal_actions": one.legal_actions[t + 1],
        "agent_mask": one.agent_mask[t].astype(np.float32),
        "next_agent_mask": one.agent_mask[t + 1].astype(np.float32),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_sequential_is_one_pass_in_order(tiny_dataset: Callable[..., Dataset], kind: str) -> None:
    dataset = tiny_dataset(kind, episodes=4, length=5)
    chosen = np.array([3, 1])
    batches = take(pipeline.sequential(dataset, chosen, 4), 99)
    assert [len(batch.rewards) for batch in batches] == [4, 4, 2]
    whole = Transitions(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))
    for index, row in enumerate(dataset.transition_rows(chosen)):
        for name, value in expected(dataset, int(row)).items():
            np.testing.assert_array_equal(getattr(whole, name)[index], value, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_fit_the_spec(tiny_dataset: Callable[..., Dataset], kind: str) -> None:
    dataset = tiny_dataset(kind)
    spec = transitions_spec(dataset.spec)
    found = pipeline.transitions(dataset, None, 6, seed=0).element_spec
    found_windows, mask = pipeline.windows(dataset, None, 3, 6, seed=0).element_spec
    for name in Transitions._fields:
        want = getattr(spec, name)
        assert getattr(found, name).dtype == want.dtype
        assert getattr(found, name).shape == (6, *want.shape)
        assert getattr(found_windows, name).shape == (6, 3, *want.shape)
    assert mask.shape == (6, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_transitions_are_real_and_of_the_chosen_episodes(
    tiny_dataset: Callable[..., Dataset], kind: str
) -> None:
    dataset = tiny_dataset(kind, episodes=5)
    chosen = np.array([1, 4])
    rows = dataset.transition_rows(chosen)
    state = dataset.field("state")
    for batch in take(pipeline.transitions(dataset, chosen, 32, seed=3), 3):
        for index in range(32):
            (row,) = rows[np.all(state[rows] == batch.state[index], axis=1)]
            for name, value in expected(dataset, int(row)).items():
                np.testing.assert_array_equal(getattr(batch, name)[index], value, err_msg=name)


def test_transitions_are_uniform(tiny_dataset: Callable[..., Dataset]) -> None:
    dataset = tiny_dataset("continuous", episodes=3, length=4)
    batches = take(pipeline.transitions(dataset, None, 100, seed=0), 40)
    _, counts = np.unique(
        np.concatenate([batch.state[:, 0] for batch in batches]), return_counts=True
    )
    assert len(counts) == 12
    # 4000 draws over 12: mean 333, standard deviation 17.5; five of them.
    assert np.abs(counts - 4000 / 12).max() < 90


@pytest.mark.parametrize("name", ["transitions", "windows"])
def test_start_resumes_exactly(tiny_dataset: Callable[..., Dataset], name: str) -> None:
    dataset = tiny_dataset("discrete", episodes=5)

    def stream(start: int) -> tf.data.Dataset:
        if name == "windows":
            return pipeline.windows(dataset, None, 4, 3, seed=5, start=start)
        return pipeline.transitions(dataset, None, 3, seed=5, start=start)

    whole = take(stream(0), 66)
    for start in (1, 32, 63):  # rows are drawn for 32 batches at once
        assert_equal(whole[start:], take(stream(start), 66 - start))


def test_seeds_and_streams_differ(tiny_dataset: Callable[..., Dataset]) -> None:
    dataset = tiny_dataset("continuous")
    first = take(pipeline.transitions(dataset, None, 16, seed=0), 2)
    other = take(pipeline.transitions(dataset, None, 16, seed=1), 1)
    window = take(pipeline.windows(dataset, None, 1, 16, seed=0), 1)
    assert not np.array_equal(first[0].state, first[1].state)
    assert not np.array_equal(first[0].state, other[0].state)
    assert not np.array_equal(first[0].state, window[0][0].state[:, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_windows_stay_in_their_episode(tiny_dataset: Callable[..., Dataset], kind: str) -> None:
    dataset = tiny_dataset(kind, episodes=3, length=5)
    rows = dataset.transition_rows()
    ends = np.repeat(dataset.first_rows + dataset.lengths, dataset.lengths)
    state = dataset.field("state")[rows]
    seen = set()
    for batch, mask in take(pipeline.windows(dataset, None, 4, 16, seed=1), 4):
        for index in range(16):
            (place,) = np.flatnonzero(np.all(state == batch.state[index, 0], axis=1))
            valid = min(4, int(ends[place] - rows[place]))
            seen.add(valid)
            assert mask[index].tolist() == [1.0] * valid + [0.0] * (4 - valid)
            for t in range(valid):
                for name, value in expected(dataset, int(rows[place]) + t).items():
                    np.testing.assert_array_equal(getattr(batch, name)[index, t], value)
            for name in Transitions._fields:
                padding = getattr(batch, name)[index, valid:]
                assert np.all(padding) if padding.dtype == bool else not np.any(padding), name
    assert seen == {1, 2, 3, 4}


def test_terminals_only_where_the_scenario_ended(tiny_dataset: Callable[..., Dataset]) -> None:
    dataset = tiny_dataset("continuous", episodes=10)
    assert 0 < dataset.terminated.sum() < 10
    (batch,) = take(pipeline.sequential(dataset, None, 80), 1)
    assert batch.terminals.reshape(10, 8)[:, -1].tolist() == dataset.terminated.tolist()
    assert batch.terminals.sum() == dataset.terminated.sum()


def test_refusals(tiny_dataset: Callable[..., Dataset]) -> None:
    dataset = tiny_dataset("continuous")
    with pytest.raises(LogoError, match="batch size"):
        pipeline.transitions(dataset, None, 0, seed=0)
    with pytest.raises(LogoError, match="batch size"):
        pipeline.sequential(dataset, None, 0)
    with pytest.raises(LogoError, match="start"):
        pipeline.transitions(dataset, None, 1, seed=0, start=-1)
    with pytest.raises(LogoError, match="window length"):
        pipeline.windows(dataset, None, 0, 1, seed=0)
    with pytest.raises(LogoError, match="no episode was chosen"):
        pipeline.transitions(dataset, np.array([], int), 1, seed=0)


@pytest.mark.parametrize("kind", KINDS)
def test_context_rows_come_before_the_same_windows(
    tiny_dataset: Callable[..., Dataset], kind: str
) -> None:
    dataset = tiny_dataset(kind, episodes=4, length=5)
    plain, plain_mask = take(pipeline.windows(dataset, None, 2, 32, seed=1), 1)[0]
    shown, mask = take(pipeline.windows(dataset, None, 2, 32, seed=1, context=3), 1)[0]
    assert shown.state.shape[:2] == mask.shape == (32, 5)
    assert_equal([Transitions(*(x[:, 3:] for x in shown))], [plain])
    np.testing.assert_array_equal(mask[:, 3:], plain_mask)
    for row in range(32):
        before = int(mask[row, :3].sum())
        np.testing.assert_array_equal(mask[row, :3], [0] * (3 - before) + [1] * before)
        # what a context row leads to is the row after it
        np.testing.assert_array_equal(
            shown.next_state[row, 3 - before : 3], shown.state[row, 4 - before : 4]
        )
        assert (shown.state[row, : 3 - before] == 0).all()

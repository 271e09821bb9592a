"""Windows that know where they come from."""

import gc
import weakref

import numpy as np
import pytest

from logo_tf.data import pipeline
from logo_tf.world_model.judging.foresight import draw_windows, foresee
from logo_tf.world_model.open_loop import open_loop_graph


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_windows_are_the_pipelines(datasets, kind):
    """All 160 starts with their context: the same rows as the training's stream shows."""
    dataset = datasets[kind]
    windows = draw_windows(dataset, None, 3, 999, seed=0, context=2)
    assert windows.mask.shape == (160, 5)
    # The stream draws with replacement, so look each of its windows up by its beginning.
    batch, mask = next(iter(pipeline.windows(dataset, None, 3, 40, seed=1, context=2)))
    beginnings = {row.tobytes(): i for i, row in enumerate(windows.batch.state[:, 2])}
    assert len(beginnings) == 160
    places = [beginnings[row.tobytes()] for row in batch.state.numpy()[:, 2]]
    np.testing.assert_array_equal(windows.mask[places], mask)
    for name, ours, theirs in zip(batch._fields, windows.batch, batch, strict=True):
        inside = windows.mask[places].astype(bool)
        np.testing.assert_array_equal(ours[places][inside], theirs.numpy()[inside], err_msg=name)
        assert ours.dtype == theirs.numpy().dtype, name
    outside = windows.mask == 0
    assert outside.any()
    assert not windows.batch.state[outside].any()
    assert windows.batch.legal_actions[outside].all()


def test_windows_name_their_episodes(datasets):
    dataset = datasets["discrete"]
    windows = draw_windows(dataset, np.array([3, 7]), 2, 10, seed=0)
    assert set(windows.episodes) == {3, 7}
    for state, episode in zip(windows.batch.state[:, 0], windows.episodes, strict=True):
        assert (dataset.episode(episode).state == state).all(-1).any()
    again = draw_windows(dataset, np.array([3, 7]), 2, 10, seed=0)
    np.testing.assert_array_equal(windows.batch.state, again.batch.state)


def test_foresight_lies_beside_what_happened(datasets, tiny_model):
    windows = draw_windows(datasets["discrete"], None, 4, 12, seed=0)
    seen = foresee(tiny_model("discrete"), windows)
    assert seen.predicted.state.shape == seen.true.next_state.shape == (4, 12, 6)
    np.testing.assert_array_equal(seen.true.state[:, 5], windows.batch.state[5])
    np.testing.assert_array_equal(seen.mask[:, 5], windows.mask[5])


def test_every_model_is_judged_on_the_same_windows(datasets):
    """Whatever context it is shown, and however many windows another one takes."""
    dataset = datasets["continuous"]
    plain = draw_windows(dataset, None, 3, 40, seed=0)
    shown = draw_windows(dataset, None, 3, 40, seed=0, context=2)
    fewer = draw_windows(dataset, None, 3, 10, seed=0)
    np.testing.assert_array_equal(plain.batch.state, shown.batch.state[:, 2:])
    np.testing.assert_array_equal(plain.batch.state[:10], fewer.batch.state)


def test_a_model_is_traced_once_for_windows_of_any_shape(datasets, tiny_model):
    model = tiny_model("discrete")
    long = foresee(model, draw_windows(datasets["discrete"], None, 4, 12, seed=0))
    short = foresee(model, draw_windows(datasets["discrete"], None, 2, 5, seed=0))
    assert open_loop_graph(model).experimental_get_tracing_count() == 1
    np.testing.assert_allclose(
        short.predicted.state[:, :5], long.predicted.state[:2, :5], rtol=1e-5, atol=1e-5
    )


def test_a_traced_model_is_given_back(datasets, tiny_model):
    model = tiny_model("continuous")
    foresee(model, draw_windows(datasets["continuous"], None, 1, 3, seed=0))
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None

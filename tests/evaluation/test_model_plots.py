"""Pictures of world models: real PNG and GIF files, from hand-made numbers."""

import numpy as np
import pytest
from PIL import Image

from logo_tf.errors import LogoError
from logo_tf.evaluation import model_plots, trajectory_plots
from logo_tf.evaluation.trajectories import (
    ForeseenStates,
    choose_dimensions,
    choose_windows,
    rank_dimensions,
    relative_errors,
    trajectory,
)

RNG = np.random.default_rng(0)
CURVE = {
    "step": [1, 2, 3],
    "state_rmse": [0.1, 0.2, 0.3],
    "state_nrmse": [0.5, 0.4, None],
    "obs_rmse": [0.1, 0.2, None],
    "obs_nrmse": [0.5, 0.4, None],
}
RELIABILITY = {
    "nominal": [0.5, 0.9],
    "state": [0.4, 0.8],
    "observations": [0.6, None],
    "conformal": {"nominal": [0.5, 0.9], "1": [0.5, 0.9], "3": [0.4, None]},
}
COVERAGE = {
    "nominal": 0.9,
    "episodes": 4,
    "step": [1, 2],
    "coverage": [0.9, 0.8],
    "low": [0.8, 0.5],
    "high": [1.0, 0.9],
}


def states(steps=4, windows=5, dims=3):
    """Windows of ``steps``, the first two of which end after two steps."""
    true = RNG.normal(size=(steps, windows, dims))
    mask = np.ones((steps, windows), bool)
    mask[2:, :2] = False
    return ForeseenStates(
        start=np.zeros((windows, dims)),
        predicted=true + 0.1,
        spread=np.full_like(true, 0.2),
        true=true,
        mask=mask,
        uncertainty=RNG.uniform(0.1, 1.0, (steps, windows)),
        error=RNG.uniform(0.1, 1.0, (steps, windows)),
        bound=np.full((steps, windows), np.nan),
        std=np.full(dims, 2.0),
        dims=np.array([0, 2, 5]),
    )


def changes(dims):
    true = RNG.normal(size=(40, dims))
    true[:, 0] = 0.0  # never changes
    return true + 0.1, true


def stretch():
    return trajectory(states(), 3, np.array([2, 0]))


U = (RNG.uniform(0.1, 1, 50), RNG.uniform(0.1, 1, 50))
DRAWN = {
    "curves": lambda f: model_plots.draw_curves(f, {"a": CURVE, "b": CURVE}),
    "few dimensions": lambda f: model_plots.draw_dimensions(f, *changes(3), range(3), 1),
    "many dimensions": lambda f: model_plots.draw_dimensions(f, *changes(26), range(26), 5),
    "agents": lambda f: model_plots.draw_agents(f, {"1": [0.1, None], "5": [0.2, 0.3]}, "ab"),
    "team": lambda f: model_plots.draw_agents(f, {"1": [0.1] * 27}, [f"a{i}" for i in range(27)]),
    "uncertainty": lambda f: model_plots.draw_uncertainty(f, {1: U, 5: U}),
    "no uncertainty": lambda f: model_plots.draw_uncertainty(f, {1: (0 * U[0], U[1])}),
    "calibration": lambda f: model_plots.draw_calibration(f, RELIABILITY, COVERAGE),
    "no calibration": lambda f: model_plots.draw_calibration(
        f, {**RELIABILITY, "conformal": None}, None
    ),
    "strip": lambda f: trajectory_plots.draw_strip(f, [stretch(), stretch()], ["p", "q"]),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_a_png_that_fits_a_screen_and_shows_something(name, tmp_path):
    file = tmp_path / "new" / "picture.png"
    assert DRAWN[name](file) == file
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        assert 600 <= picture.width <= 2200
        assert 300 <= picture.height <= 2200
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 24)
    assert len(colours) > 20


def test_an_animation_moves_and_ends_on_the_whole_picture(tmp_path):
    shown = stretch()
    with Image.open(trajectory_plots.animate(tmp_path / "a.gif", shown, ["p", "q"])) as film:
        assert film.format == "GIF"
        assert film.n_frames == 2 * len(shown.true) - 1
        inked = []
        for number in (0, film.n_frames - 1):
            film.seek(number)
            inked.append(int(np.sum(np.asarray(film.convert("L")) < 120)))
    assert inked[0] < inked[1]


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogoError, match="choose another folder"):
        DRAWN["agents"](tmp_path / "file" / "folder" / "x.png")


def test_relative_errors_by_hand():
    true = np.array([[1.0, 0.0, 2.0], [-1.0, 0.0, 0.0]])
    predicted = np.array([[0.5, 1.0, 2.0], [-0.5, 0.0, 0.0]])
    found = relative_errors(predicted, true)
    np.testing.assert_allclose(found[[0, 2]], [0.5, 0.0])
    assert np.isnan(found[1])
    assert rank_dimensions(found).tolist() == [0, 2, 1]


def test_changes_are_standardised_and_leave_out_windows_that_ended():
    found = states()
    predicted, true = found.changes(3)
    assert predicted.shape == (3, 3)
    np.testing.assert_allclose(true, found.true[2, 2:] / 2.0)
    np.testing.assert_allclose(predicted - true, 0.05)
    assert found.ranked(3)[0].tolist() == found.uncertainty[2, 2:].tolist()


def test_windows_and_dimensions_are_those_that_last_and_move():
    found = states()
    assert choose_windows(found, 4, 2).tolist() == [2, 3]
    assert choose_windows(found, 2, 2).tolist() == [0, 1]
    moving = found._replace(true=found.true * np.array([1.0, 1e-3, 5.0]))
    assert 1 not in choose_dimensions(moving, np.array([2, 3]), 1, 2)


def test_a_trajectory_begins_at_the_truth_and_ends_with_its_episode():
    found = trajectory(states(), 1, np.array([2, 0]))
    assert found.true.shape == found.imagined.shape == found.spread.shape == (3, 2)
    assert found.true[0].tolist() == found.imagined[0].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(found.imagined[1:] - found.true[1:], 0.1)
    assert found.error.shape == (3,)
    assert found.error[0] == 0

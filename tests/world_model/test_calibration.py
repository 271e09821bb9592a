"""Bounds of the state error: by hand, in NumPy and in a graph, and as often right as stated."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.data.standardisation import standardisation
from logo_tf.data.transitions import Transitions
from logo_tf.errors import LogoError
from logo_tf.world_model import calibration as module
from logo_tf.world_model.calibration import LEVELS, Calibration, StepBound, calibrate, coverage_of
from logo_tf.world_model.judging.errors import state_error, state_scale
from logo_tf.world_model.judging.foresight import Foresight, draw_windows, foresee

LINE = StepBound(signals=(1.0, 2.0, 4.0), errors=(0.5, 1.0, 3.0), factors=(1.0, 2.0), rows=99)
CONSTANT = StepBound(signals=(0.0,), errors=(1.0,), factors=(0.3, 0.7), rows=99)


@pytest.fixture
def bounds():
    return Calibration(0.9, "max", (0.5, 0.9), (1.0, 0.0), (LINE, CONSTANT), episodes=7)


def test_the_bound_by_hand(bounds):
    # below the first knot, at knots, between them, and twice the last one
    u = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0])
    np.testing.assert_allclose(bounds.bound(u), [1.0, 1.0, 1.5, 2.0, 4.0, 6.0, 12.0])
    np.testing.assert_allclose(bounds.bound(u, coverage=0.5), [0.5, 0.5, 0.75, 1, 2, 3, 6])
    np.testing.assert_allclose(bounds.bound(u, step=2), np.full(7, 0.7), rtol=1e-6)
    assert bounds.bound(3.0) == pytest.approx(4.0)
    # along branches the largest u so far counts, and there are two steps
    np.testing.assert_allclose(
        bounds.bounds(np.array([[2.0, 3.0], [1.0, 9.0], [1.0, 1.0]])), [[2, 4], [0.7, 0.7]]
    )


def test_a_graph_says_the_same_in_plain_ops(bounds):
    u = np.random.default_rng(0).exponential(2.0, size=(50, 3)).astype(np.float32)
    for step in (1, 2):
        graph = tf.function(lambda x, k=step: bounds.bound(x, k), autograph=False)
        concrete = graph.get_concrete_function(tf.TensorSpec((None, 3)))
        np.testing.assert_allclose(concrete(tf.constant(u)), bounds.bound(u, step), rtol=1e-6)
        kinds = {op.type for op in concrete.graph.get_operations()}
        assert kinds <= {
            *("AddV2", "ClipByValue", "Const", "Identity", "Maximum", "Minimum", "Mul"),
            *("Placeholder", "RealDiv", "StridedSlice", "Sub", "Sum", "GreaterEqual"),
        }


def test_the_bound_never_falls(bounds):
    assert (np.diff(bounds.bound(np.linspace(0, 20, 999))) >= 0).all()


def test_json_round_trip_is_exact(bounds):
    text = json.dumps(bounds.to_dict())
    assert Calibration.from_dict(json.loads(text)) == bounds


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coverage": 0.8}, "coverage 0.8 is not among its levels"),
        ({"accumulation": "mean"}, "accumulation: 'mean' is not valid"),
        ({"steps": []}, "it needs a step"),
        ({"scale": "x"}, "scale: expected tuple"),
        ({"extra": 1}, "unknown key 'extra'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(bounds, change, message):
    with pytest.raises(LogoError, match=message):
        Calibration.from_dict(bounds.to_dict() | change)
    with pytest.raises(LogoError, match="lacks accumulation, levels"):
        Calibration.from_dict({"coverage": 0.9})


@pytest.mark.parametrize(
    "change",
    [{"signals": (1.0, 1.0, 4.0)}, {"errors": (1.0, 0.5, 3.0)}, {"errors": (0.0, 0.5, 3.0)},
     {"signals": (), "errors": ()}, {"signals": (1.0,)}],
)  # fmt: skip
def test_knots_that_fall_are_refused(change):
    with pytest.raises(LogoError, match="knots must rise"):
        dataclasses.replace(LINE, **change)


def test_there_are_only_the_bounds_there_are(bounds):
    with pytest.raises(LogoError, match="for steps 1 to 2, not 3"):
        bounds.bound(1.0, step=3)
    with pytest.raises(LogoError, match=r"for coverages \[0.5, 0.9\], not 0.99"):
        bounds.bound(1.0, coverage=0.99)


def _foresight(rng: np.random.Generator, episodes: int, rows: int) -> Foresight:
    """Rows of one step whose error is u times noise: state 0 is predicted as 0."""
    count = episodes * rows
    u = rng.uniform(0.5, 2.0, size=(1, count)).astype(np.float32)
    error = u * rng.exponential(size=(1, count)).astype(np.float32)
    nothing = dict.fromkeys(Transitions._fields)
    true = Transitions(**(nothing | {"next_state": error[..., None]}))
    predicted = _Predicted(np.zeros((1, count, 1), np.float32), u)
    return Foresight(predicted, true, np.ones((1, count)), np.repeat(np.arange(episodes), rows))


@dataclasses.dataclass
class _Predicted:
    state: np.ndarray
    uncertainty: np.ndarray


class _Asked:
    context = 0


@pytest.fixture
def foreseen(monkeypatch, datasets):
    """``foreseen(seen, **settings)``: calibrate on what is said to have been foreseen."""

    def run(seen: Foresight, **settings: object) -> Calibration:
        monkeypatch.setattr(module, "draw_windows", lambda *a: None)
        monkeypatch.setattr(module, "foresee", lambda *a: seen)
        monkeypatch.setattr(module, "state_scale", lambda *a: np.ones(1, np.float32))
        return calibrate(
            _Asked(), datasets["continuous"], None, **({"seed": 0, "horizon": 1} | settings)
        )

    return run


def test_coverage_is_at_least_as_stated_over_many_draws(foreseen):
    """Exchangeable rows: 200 calibrations, each tried on 500 fresh rows."""
    rng = np.random.default_rng(0)
    held = {0.5: [], 0.9: []}
    for draw in range(200):
        found = foreseen(_foresight(rng, 8, 25), seed=draw)
        fresh = _foresight(rng, 1, 500)
        error = state_error(fresh, np.ones(1))
        for level, shares in held.items():
            bound = found.bounds(fresh.predicted.uncertainty, level)
            shares.append(np.mean(error <= bound))
    # of n = 100 rows: between c and c + 1 / 101
    assert 0.5 - 0.01 <= np.mean(held[0.5]) <= 0.51 + 0.01
    assert 0.9 - 0.006 <= np.mean(held[0.9]) <= 0.91 + 0.006


def test_the_bound_follows_an_uncertainty_that_knows(foreseen):
    found = foreseen(_foresight(np.random.default_rng(0), 40, 200))
    # the .9 quantile of an exponential is log(10) = 2.3
    np.testing.assert_allclose(found.bound([0.7, 1.8]), [0.7 * 2.3, 1.8 * 2.3], rtol=0.15)
    assert len(found.steps[0].signals) == 24
    assert found.horizon == 1
    assert found.episodes == 40


def test_few_episodes_give_a_constant_bound(foreseen):
    """Of 3 x 33 errors, the ceil(.9 * 100) = 90th."""
    seen = _foresight(np.random.default_rng(0), 3, 33)
    found = foreseen(seen)
    errors = np.sort(seen.true.next_state.ravel())
    np.testing.assert_allclose(found.bound([0.0, 99.0]), errors[[89, 89]], rtol=1e-6)
    assert found.levels == LEVELS
    assert foreseen(seen, coverage=0.75).levels == (0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95)


def test_too_few_rows_are_refused(foreseen):
    with pytest.raises(LogoError, match="too few held-out rows to state a coverage of 0.9, which "):
        foreseen(_foresight(np.random.default_rng(0), 1, 9))
    with pytest.raises(LogoError, match="which takes 19; hold out more"):
        foreseen(_foresight(np.random.default_rng(0), 1, 18), coverage=0.95)
    assert foreseen(_foresight(np.random.default_rng(0), 1, 19), coverage=0.95).coverage == 0.95
    with pytest.raises(LogoError, match="coverage must be above 0 and below 1, got 1"):
        foreseen(_foresight(np.random.default_rng(0), 1, 99), coverage=1)


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_a_model_is_calibrated_as_far_as_rows_reach(datasets, tiny_model, kind):
    """20 episodes of 8 steps: 10 of them measure, so step 8 is the last with 10 rows."""
    model, dataset = tiny_model(kind), datasets[kind]
    found = calibrate(model, dataset, None, seed=4)
    assert found == calibrate(model, dataset, None, seed=4)
    assert found.horizon == 8
    assert [step.rows for step in found.steps] == [80, 70, 60, 50, 40, 30, 20, 10]
    scale = state_scale(standardisation(dataset), dataset.spec)
    np.testing.assert_allclose(found.scale, scale)

    said = coverage_of(model, found, dataset, None, seed=5)
    assert said["nominal"] == 0.9
    assert said["episodes"] == 20
    assert said["step"] == list(range(1, 9))
    assert said["rows"] == [160, 140, 120, 100, 80, 60, 40, 20]
    # all that it was measured on: at least the stated share of one half
    assert all(share >= 0.8 for share in said["coverage"])
    seen = foresee(model, draw_windows(dataset, None, 1, 999, seed=5))
    bound = found.bound(seen.predicted.uncertainty[0])
    error = state_error(seen, scale)[0]
    assert said["bound"][0] == pytest.approx(bound.mean(), rel=1e-5)
    assert said["error"][0] == pytest.approx(error.mean(), rel=1e-5)
    assert said["coverage"][0] == pytest.approx(np.mean(error <= bound))
    spread = zip(said["low"], said["coverage"], said["high"], strict=True)
    assert all(0 <= low <= share <= high <= 1 for low, share, high in spread)
    json.dumps(said)

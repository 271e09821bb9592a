"""MaMuJoCo as a scenario: spec, padding, seeds, bounds and every error."""

import sys

import numpy as np
import pytest

from logo_tf.errors import LogoError
from logo_tf.scenarios.mamujoco import MaMuJoCo
from logo_tf.scenarios.registry import make_scenario, scenario_names, scenario_spec


@pytest.fixture
def cheetah():
    scenario = make_scenario("mamujoco/HalfCheetah-2x3")
    yield scenario
    scenario.close()


def test_half_cheetah_spec():
    spec = scenario_spec("mamujoco/HalfCheetah-2x3")
    assert (spec.num_agents, spec.observation_dim, spec.state_dim) == (2, 12, 17)
    assert spec.action_shape == (2, 3)
    assert spec.legal_dim == 0
    assert spec.action_low == ((-1.0,) * 3,) * 2
    assert spec.action_high == ((1.0,) * 3,) * 2
    assert spec.episode_limit == 1000
    assert "HalfCheetah-v5" in spec.environment
    assert "mujoco" in spec.environment


@pytest.mark.parametrize("name", [n for n in scenario_names() if n.startswith("mamujoco/")])
def test_frames_wear_the_specs_shapes(name):
    scenario = make_scenario(name)
    spec = scenario.spec
    actions = np.zeros(spec.action_shape, np.float32)
    for frame in (scenario.reset(0), scenario.step(actions)):
        assert frame.observations.shape == (spec.num_agents, spec.observation_dim)
        assert frame.observations.dtype == np.float32
        assert frame.state.shape == (spec.state_dim,)
        assert frame.state.dtype == np.float32
        assert frame.legal_actions.shape == (spec.num_agents, 0)
        assert frame.agent_mask.shape == (spec.num_agents,)
        assert frame.agent_mask.all()
        assert np.all(frame.observations[spec.observation_mask == 0] == 0)
    scenario.close()


def test_unequal_observations_are_padded_with_zeros():
    scenario = make_scenario("mamujoco/HalfCheetah-6x1")
    spec = scenario.spec
    assert spec.observation_dims == (9, 9, 8, 9, 9, 8)
    frame = scenario.reset(1)
    assert frame.observations[2, 8] == 0.0
    assert np.all(frame.observations[2, :8] != 0.0)
    # Every agent ends with the five numbers of the torso, and so does the state.
    np.testing.assert_array_equal(frame.observations[2, 3:8], frame.observations[0, 4:9])
    scenario.close()


def test_the_team_reward_is_the_robots_reward(cheetah, tmp_path, monkeypatch):
    import gymnasium

    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log file where it is loaded
    robot = gymnasium.make("HalfCheetah-v5")
    robot.reset(seed=3)
    cheetah.reset(3)
    rng = np.random.default_rng(0)
    for _ in range(5):
        actions = rng.uniform(-1, 1, (2, 3)).astype(np.float32)
        frame = cheetah.step(actions)
        state, reward, *_ = robot.step(actions.reshape(-1))
        assert frame.reward == pytest.approx(reward)
        np.testing.assert_allclose(frame.state, state, rtol=1e-6)
    robot.close()


def test_same_seed_same_episode(cheetah):
    actions = np.full((2, 3), 0.3, np.float32)

    def run(seed):
        return [cheetah.reset(seed).state, *(cheetah.step(actions).state for _ in range(5))]

    first, other, again = run(1), run(2), run(1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], other[0])


def test_actions_are_clipped(cheetah):
    cheetah.reset(0)
    beyond = cheetah.step(np.full((2, 3), 7.0, np.float32))
    cheetah.reset(0)
    at_bound = cheetah.step(np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(beyond.state, at_bound.state)
    assert beyond.reward == at_bound.reward


def test_time_limit_truncates_and_needs_a_reset(cheetah):
    frame = cheetah.reset(0)
    for _ in range(cheetah.spec.episode_limit):
        assert not frame.truncated
        frame = cheetah.step(np.zeros((2, 3), np.float32))
    assert frame.truncated
    assert not frame.terminated
    with pytest.raises(LogoError, match="call reset first"):
        cheetah.step(np.zeros((2, 3), np.float32))


def test_falling_terminates():
    scenario = make_scenario("mamujoco/Hopper-3x1")
    frame = scenario.reset(0)
    while not frame.terminated:
        frame = scenario.step(np.ones((3, 1), np.float32))
    assert not frame.truncated
    scenario.close()


def test_step_before_reset(cheetah):
    with pytest.raises(LogoError, match="step without a running episode"):
        cheetah.step(np.zeros((2, 3), np.float32))


def test_wrong_action_shape(cheetah):
    cheetah.reset(0)
    with pytest.raises(LogoError, match=r"shape \(6,\), expected \(N, A\) = \(2, 3\)"):
        cheetah.step(np.zeros(6, np.float32))


def test_nan_action(cheetah):
    cheetah.reset(0)
    with pytest.raises(LogoError, match="not finite"):
        cheetah.step(np.full((2, 3), np.nan, np.float32))


def test_a_simulation_that_diverges_is_reported(cheetah, monkeypatch):
    cheetah.reset(0)
    monkeypatch.setattr(cheetah._env, "state", lambda: np.full(17, np.nan))
    with pytest.raises(LogoError, match="left the finite numbers"):
        cheetah.step(np.zeros((2, 3), np.float32))


def test_render_works_beside_tensorflow(cheetah, tmp_path, monkeypatch):
    import tensorflow  # noqa: F401  (its LLVM and Mesa's crash when they share a process)

    monkeypatch.chdir(tmp_path)
    cheetah.reset(0)
    try:
        first, again = cheetah.render(), cheetah.render()
    except LogoError as error:
        pytest.skip(str(error))
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.shape[2] == 3
    np.testing.assert_array_equal(first, again)
    for _ in range(20):
        cheetah.step(np.ones((2, 3), np.float32))
    assert not np.array_equal(first, cheetah.render())
    assert not list(tmp_path.iterdir())


def test_render_before_reset(cheetah):
    with pytest.raises(LogoError, match="before the first reset"):
        cheetah.render()


def test_render_failure_is_one_line(cheetah, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "crayons")
    cheetah.reset(0)
    with pytest.raises(LogoError, match="cannot render HalfCheetah-v5.*crayons") as caught:
        cheetah.render()
    assert "\n" not in str(caught.value)


def test_a_renderer_that_dies_is_an_error_every_time(cheetah, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    cheetah.reset(0)
    for _ in range(2):
        with pytest.raises(LogoError, match=r"the renderer died \(exit code 1\)"):
            cheetah.render()


def test_nothing_is_printed_or_logged(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_scenario("mamujoco/HalfCheetah-2x3").close()
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["HalfCheetah-2x3", "mamujoco/HalfCheetah", "smax/3m-x"])
def test_malformed_name(name):
    with pytest.raises(LogoError, match="not of the form"):
        MaMuJoCo(name)


@pytest.mark.parametrize("name", ["mamujoco/HalfCheetah-9x9", "mamujoco/Giraffe-2x3"])
def test_unknown_robot_or_partition(name):
    with pytest.raises(LogoError, match="cannot build"):
        MaMuJoCo(name)


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium_robotics", None)
    with pytest.raises(LogoError, match="pip install"):
        MaMuJoCo("mamujoco/HalfCheetah-2x3")

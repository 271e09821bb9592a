"""Playing episodes: order, determinism whatever K is, and what is written down."""

import itertools

import numpy as np
import pytest

from logo_tf.errors import LogoError
from logo_tf.scenarios.play import play
from logo_tf.scenarios.protocol import Frame
from logo_tf.scenarios.random_policy import RandomPolicy
from logo_tf.scenarios.registry import make_scenario, scenario_spec
from logo_tf.scenarios.row_generator import RowGenerator
from logo_tf.specs import ScenarioSpec

FIELDS = ("observations", "state", "actions", "rewards", "legal_actions", "agent_mask")

COUNTING_SPEC = ScenarioSpec(
    name="fake/counting",
    environment="none",
    agents=("a", "b"),
    observation_dims=(2, 1),
    state_dim=2,
    action_kind="discrete",
    action_dims=(3, 3),
    episode_limit=9,
)


class Counting:
    """State = [seed mod 7, step]; ends after 1 + seed mod 7 steps; action 1 is illegal."""

    spec = COUNTING_SPEC

    def __init__(self):
        self.closed = False

    def reset(self, seed=None):
        self._start, self._step = seed % 7, 0
        return self._frame(0.0)

    def step(self, actions):
        assert actions.shape == (2,)
        assert actions.dtype == np.int32
        assert 1 not in actions
        self._step += 1
        return self._frame(float(actions.sum()))

    def render(self):
        return np.zeros((2, 2, 3), np.uint8)

    def close(self):
        self.closed = True

    def _frame(self, reward):
        return Frame(
            observations=np.array([[self._start, self._step], [self._step, 0]], np.float32),
            state=np.array([self._start, self._step], np.float32),
            legal_actions=np.array([[True, False, True]] * 2),
            agent_mask=np.ones(2, bool),
            reward=reward,
            terminated=self._step > self._start,
            truncated=False,
        )


def play_counting(copies, episodes=12, seed=5):
    scenarios = [Counting() for _ in range(copies)]
    return list(play(scenarios, RandomPolicy(COUNTING_SPEC), episodes, seed))


def assert_same(first, second):
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))
    assert first.terminated == second.terminated


@pytest.mark.parametrize("copies", [2, 5, 20])
def test_episodes_do_not_depend_on_the_number_of_copies(copies):
    for one, other in zip(play_counting(1), play_counting(copies), strict=True):
        assert_same(one, other)


def test_episodes_do_not_depend_on_how_many_are_asked_for():
    for one, other in zip(play_counting(3, 4), play_counting(3, 9)[:4], strict=True):
        assert_same(one, other)


def test_seeds_differ_and_repeat():
    assert_same(play_counting(2)[0], play_counting(2)[0])
    lengths = [[e.length for e in play_counting(2, seed=seed)] for seed in (5, 6)]
    assert lengths[0] != lengths[1]


def test_an_episode_holds_what_happened():
    for episode in play_counting(4):
        episode.check(COUNTING_SPEC)
        assert episode.terminated
        assert episode.length == episode.state[0, 0] + 1
        np.testing.assert_array_equal(episode.state[:, 1], np.arange(episode.length + 1))
        np.testing.assert_array_equal(episode.rewards, episode.actions.sum(axis=1))


def test_scenarios_are_left_open_and_can_be_used_again():
    scenarios = [Counting(), Counting()]
    policy = RandomPolicy(COUNTING_SPEC)
    first = list(play(scenarios, policy, 3, 0))
    again = list(play(scenarios, policy, 3, 0))
    assert not any(scenario.closed for scenario in scenarios)
    for one, other in zip(first, again, strict=True):
        assert_same(one, other)


def test_real_robots_do_not_depend_on_the_number_of_copies():
    name = "mamujoco/Hopper-3x1"
    spec = scenario_spec(name)
    runs = []
    for copies in (1, 3):
        scenarios = [make_scenario(name) for _ in range(copies)]
        runs.append(list(play(scenarios, RandomPolicy(spec), 4, 2)))
    for one, other in zip(*runs, strict=True):
        one.check(spec)
        assert_same(one, other)


def test_actions_beyond_the_bounds_are_logged_as_they_were_applied():
    class Shouting:
        def act(self, observations, legal_actions, rng):
            return np.full((len(observations), 3, 1), 9.0)

    scenario = make_scenario("mamujoco/Hopper-3x1")
    (episode,) = play([scenario], Shouting(), 1, 0)
    assert np.all(episode.actions == 1.0)
    assert episode.actions.dtype == np.float32


def test_no_episode():
    assert play_counting(2, 0) == []


def test_the_policy_is_asked_once_for_all_copies():
    batches = []

    class Counted(RandomPolicy):
        def act(self, observations, legal_actions, rng):
            batches.append(len(observations))
            return super().act(observations, legal_actions, rng)

    episodes = list(play([Counting() for _ in range(4)], Counted(COUNTING_SPEC), 8, 0))
    assert batches[0] == 4
    assert sum(batches) == sum(episode.length for episode in episodes)


@pytest.mark.parametrize("copies", [1, 3])
def test_what_a_policy_remembers_stays_with_its_episode(copies):
    """It counts its own steps: so must what it is shown, whoever plays beside it."""

    class Remembers(RandomPolicy):
        memory_dim = 1

        def act_on(self, observations, legal_actions, memory, rng):
            np.testing.assert_array_equal(memory[:, 0, 0], observations[:, 0, 1])
            return self.act(observations, legal_actions, rng), memory + 1

    scenarios = [Counting() for _ in range(copies)]
    played = list(play(scenarios, Remembers(COUNTING_SPEC), 6, 5))
    for one, other in zip(played, play_counting(2, 6), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("copies", [1, 3])
def test_central_control_is_shown_the_state_and_remembers(copies):
    """It counts its own steps, as the state does, and draws as the random policy does."""

    class Controls:
        memory_dim = 1

        def plan_on(self, frames, memory, rng):
            np.testing.assert_array_equal(memory[:, 0, 0], frames.state[:, 1])
            assert frames.agent_mask.shape == (len(memory), 2)
            chosen = RandomPolicy(COUNTING_SPEC).act(frames.observations, frames.legal_actions, rng)
            return chosen, memory + 1

    played = list(play([Counting() for _ in range(copies)], Controls(), 6, 5))
    for one, other in zip(played, play_counting(2, 6), strict=True):
        assert_same(one, other)


def test_errors_come_before_the_first_episode():
    policy = RandomPolicy(COUNTING_SPEC)
    with pytest.raises(LogoError, match="at least one scenario"):
        play([], policy, 1, 0)
    with pytest.raises(LogoError, match="at least 0, got -1"):
        play([Counting()], policy, -1, 0)
    with pytest.raises(LogoError, match="does not fit another copy"):
        play([Counting(), make_scenario("mamujoco/Swimmer-2x1")], policy, 1, 0)


def test_wrong_action_shape_names_the_policy():
    class Wrong:
        def act(self, observations, legal_actions, rng):
            return np.zeros((len(observations), 3), np.int32)

    with pytest.raises(LogoError, match=r"the policy's actions has shape \(1, 3\)"):
        list(play([Counting()], Wrong(), 1, 0))


def test_row_generator_gives_each_row_its_own_stream():
    def rows(*seeds):
        return RowGenerator([np.random.default_rng(seed) for seed in seeds])

    draws = {
        "random": lambda rng, n: rng.random((n, 3)),
        "standard_normal": lambda rng, n: rng.standard_normal((n, 3), np.float32),
        "uniform": lambda rng, n: rng.uniform(-2.0, np.ones(3), (n, 3)),
        "normal": lambda rng, n: rng.normal(np.zeros((n, 3)), 2.0),
        "integers": lambda rng, n: rng.integers(9, size=(n, 3)),
    }
    for name, draw in draws.items():
        together = draw(rows(1, 2, 3), 3)
        assert together.shape == (3, 3), name
        alone = [draw(rows(seed), 1)[0] for seed in (1, 2, 3)]
        np.testing.assert_array_equal(together, alone)
        assert len({tuple(row) for row in together}) == 3, name
    assert np.shape(rows(1, 2).random()) == ()
    assert 0 <= rows(1, 2).integers(5) < 5


def test_random_policy_is_uniform_over_the_legal_actions():
    legal = np.zeros((3000, 2, 3), bool)
    legal[:, 0, [0, 2]] = True
    legal[:, 1, 1] = True
    observations = np.zeros((3000, 2, 2), np.float32)
    actions = RandomPolicy(COUNTING_SPEC).act(observations, legal, np.random.default_rng(0))
    assert actions.dtype == np.int32
    assert np.all(actions[:, 1] == 1)
    shares = np.bincount(actions[:, 0], minlength=3) / 3000
    np.testing.assert_allclose(shares, [0.5, 0.0, 0.5], atol=0.03)


def test_random_policy_without_a_legal_action():
    legal = np.zeros((1, 2, 3), bool)
    with pytest.raises(LogoError, match="no legal action"):
        RandomPolicy(COUNTING_SPEC).act(np.zeros((1, 2, 2)), legal, np.random.default_rng(0))


def test_random_policy_fills_the_bounds():
    spec = scenario_spec("mamujoco/HalfCheetah-2x3")
    observations = np.zeros((500, 2, 12), np.float32)
    actions = RandomPolicy(spec).act(
        observations, np.ones((500, 2, 0), bool), np.random.default_rng(0)
    )
    assert actions.shape == (500, 2, 3)
    assert actions.dtype == np.float32
    for agent, joint in itertools.product(range(2), range(3)):
        column = actions[:, agent, joint]
        assert -1.0 <= column.min() < -0.95
        assert 0.95 < column.max() <= 1.0

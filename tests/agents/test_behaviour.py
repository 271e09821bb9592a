"""PPO for behaviour policies: what goes in, what a snapshot is, what is shipped."""

import json

import numpy as np
import pytest

from logo_tf.agents import behaviour_snapshots
from logo_tf.agents.behaviour import PolicyWeights, PPOSettings, train_behaviour
from logo_tf.agents.behaviour_export import ChoicePolicy, MeanPolicy, export_behaviour
from logo_tf.agents.behaviour_heads import action_head, shared_bounds
from logo_tf.agents.behaviour_rollout import FIRST, LAST, MID, RolloutCollector, Seen
from logo_tf.agents.behaviour_snapshots import Record, Snapshot
from logo_tf.errors import LogoError
from logo_tf.scenarios.behaviour import behaviour_policies
from logo_tf.scenarios.protocol import Frame
from logo_tf.scenarios.registry import make_scenario, scenario_spec
from logo_tf.specs import ScenarioSpec

TINY = ScenarioSpec(
    name="fake/tiny",
    environment="none",
    agents=("a", "b"),
    observation_dims=(1, 1),
    state_dim=1,
    action_kind="continuous",
    action_dims=(1, 1),
    action_low=((-2.0,), (-2.0,)),
    action_high=((4.0,), (4.0,)),
    episode_limit=4,
)


class Ticking:
    """Observes its age and pays 1 a step; cut after 4 steps, or over after ``life``."""

    spec = TINY

    def __init__(self, life=99):
        self._life = life

    def reset(self, seed=None):
        self._age = 0
        return self._frame(0.0)

    def step(self, actions):
        assert actions.shape == (2, 1)
        self._age += 1
        return self._frame(1.0)

    def render(self):
        return np.zeros((1, 1, 3), np.uint8)

    def close(self):
        pass

    def _frame(self, reward):
        return Frame(
            np.full((2, 1), self._age, np.float32),
            np.array([self._age], np.float32),
            np.ones((2, 0), bool),
            np.ones(2, bool),
            reward,
            self._age >= self._life,
            self._age >= 4,
        )


def known_policy(seen):
    """Mean 0.5, std 0, value = 10 times the first number of the row."""
    mean = np.full((len(seen.rows), 1), 0.5, np.float32)
    return {"loc": mean, "scale_diag": np.zeros_like(mean)}, 10 * seen.rows[:, 0]


def collector(copies):
    return RolloutCollector(
        copies, known_policy, action_head(TINY).sample, 0.9, np.random.default_rng(0)
    )


def test_rows_are_observations_and_who_it_is():
    rollout = collector([Ticking()]).collect(3)
    assert rollout.seen.rows.shape == (2, 4, 3)
    np.testing.assert_array_equal(rollout.seen.rows[0, 0], [0, 1, 0])
    np.testing.assert_array_equal(rollout.seen.rows[1, 0], [0, 0, 1])
    np.testing.assert_array_equal(rollout.seen.states[1, :, 0], rollout.seen.rows[0, :, 0])
    assert rollout.alive.all()
    np.testing.assert_array_equal(rollout.actions[:, :3], 0.5)


def test_first_episodes_are_cut_at_different_ages_and_time_limits_are_worth_their_value():
    rollout = collector([Ticking(), Ticking()]).collect(6)
    # Limits of the first episodes: 1 and 3 steps; then 4. Rows 0 and 2 are agent a's.
    np.testing.assert_array_equal(rollout.next_step_type[0, :6], [LAST, MID, MID, MID, LAST, MID])
    np.testing.assert_array_equal(rollout.step_type[0], [FIRST, FIRST, MID, MID, MID, FIRST, MID])
    np.testing.assert_array_equal(rollout.next_step_type[2, :6], [MID, MID, LAST, MID, MID, MID])
    np.testing.assert_array_equal(rollout.seen.rows[0, :, 0], [0, 0, 1, 2, 3, 0, 1])
    assert np.all(rollout.discounts[:, :6] == 1.0)
    # At the cut after age 1 a row earns 0.9 * value 10 on top of its scaled reward.
    assert rollout.rewards[0, 0] == pytest.approx(rollout.rewards[2, 0] + 9.0)
    assert rollout.rewards[0, 4] == pytest.approx(rollout.rewards[2, 4] + 36.0)
    # Only whole episodes are counted, at what the scenario paid.
    assert rollout.returns == (4.0,)


def test_endings_are_worth_nothing_more():
    rollout = collector([Ticking(life=2)]).collect(4)
    # The first episode is cut after one step, the second ends after two.
    np.testing.assert_array_equal(rollout.discounts[0, :4], [1, 1, 0, 1])
    np.testing.assert_array_equal(rollout.next_step_type[0, :4], [LAST, MID, LAST, MID])
    # The state it ended in is valued 20, which must not count.
    assert rollout.rewards[0, 2] < 5.0
    assert rollout.returns == (2.0,)


def weights(mean_action=0.0, width=3, dims=1):
    """A policy of one layer whose mean is tanh(``mean_action``) of the reach, whatever it sees."""
    return PolicyWeights(
        kernels=(np.zeros((width, dims), np.float32),),
        biases=(np.full(dims, mean_action, np.float32),),
        mean=np.zeros(width, np.float32),
        variance=np.ones(width, np.float32),
        exploration_std=np.full(dims, 0.1, np.float32),
    )


def test_shared_bounds_are_the_widest():
    spec = ScenarioSpec(
        name="fake/unequal",
        environment="none",
        agents=("a", "b"),
        observation_dims=(1, 1),
        state_dim=1,
        action_kind="continuous",
        action_dims=(1, 2),
        action_low=((-1.0, 0.0), (-1.0, -3.0)),
        action_high=((1.0, 0.0), (1.0, 3.0)),
        episode_limit=4,
    )
    low, high = shared_bounds(spec)
    np.testing.assert_array_equal(low, [-1, -3])
    np.testing.assert_array_equal(high, [1, 3])
    # The agent without a second joint keeps a zero there.
    actions = MeanPolicy(spec, weights(9.0, dims=2)).serve(np.zeros((1, 2, 1), np.float32))
    np.testing.assert_allclose(actions["actions"][0], [[1, 0], [1, 3]], atol=1e-6)


def test_mean_policy_squashes_into_the_bounds_by_hand():
    # Bounds -2 to 4: middle 1, reach 3; tanh(0.5) = 0.46212.
    actions = MeanPolicy(TINY, weights(0.5)).serve(np.zeros((2, 2, 1), np.float32))["actions"]
    np.testing.assert_allclose(actions, np.full((2, 2, 1), 1 + 3 * 0.46212), rtol=1e-5)


def test_mean_policy_normalises_and_clips_what_it_sees():
    policy = PolicyWeights(
        kernels=(np.array([[0.1], [0.0], [0.0]], np.float32),),
        biases=(np.zeros(1, np.float32),),
        mean=np.array([2, 0, 0], np.float32),
        variance=np.array([4 - 1e-3, 1, 1], np.float32),
        exploration_std=np.zeros(1, np.float32),
    )
    seen = np.array([[[4.0], [400.0]]], np.float32)  # 1 and, clipped, 5 standard deviations
    actions = MeanPolicy(TINY, policy).serve(seen)["actions"].numpy()
    np.testing.assert_allclose(actions[0, :, 0], 1 + 3 * np.tanh([0.1, 0.5]), rtol=1e-5)


def test_export_replaces_and_leaves_nothing_aside(tmp_path):
    for _ in range(2):
        export_behaviour(TINY, weights(), tmp_path / "7")
    assert [path.name for path in tmp_path.iterdir()] == ["7"]


def snapshots(*returns):
    return [Snapshot(10 * i, weights(), Record((value,))) for i, value in enumerate(returns)]


def test_spread_picks_evenly_and_nothing_after_the_best():
    picked = behaviour_snapshots.spread(snapshots(0, 10, 40, 55, 20, 50, 90, 100, 20), 3)
    assert [snapshot.mean_return for snapshot in picked] == [0, 55, 100]  # 55 comes before 50


def test_spread_of_too_few_repeats_none():
    picked = behaviour_snapshots.spread(snapshots(0, 100), 8)
    assert [snapshot.steps for snapshot in picked] == [0, 10]


def test_measure_plays_the_policy_with_its_noise():
    measured = behaviour_snapshots.measure(
        [Ticking()], Snapshot(5, weights(), Record((0.0,))), 3, 0
    )
    assert measured.record == Record((4.0, 4.0, 4.0))
    assert measured.steps == 5


def test_roles_are_the_best_and_the_nearest_to_a_share_of_the_way():
    # From -10 to 100, half of the way is 45: 55 is nearer than 30.
    assert behaviour_snapshots.roles(snapshots(-10, 30, 55, 100, 90), 0.5) == (2, 3)
    # A script that earns 180 is the best team: half of the way is 85, 90 the nearest.
    script = Record((180.0,))
    assert behaviour_snapshots.roles(snapshots(-10, 30, 55, 100, 90), 0.5, script) == (4, 3)


def test_ship_writes_the_index(tmp_path):
    folder = behaviour_snapshots.ship(
        TINY,
        snapshots(-10, 30, 55, 100),
        2,
        3,
        None,
        tmp_path,
        {"seed": 3, "learning_curve": [[1, 2.5]]},
    )
    text = (folder / "behaviour.json").read_text(encoding="utf-8")
    index = json.loads(text)
    assert "[1, 2.5]" in text
    assert index["seed"] == 3
    assert ScenarioSpec.from_dict(index["spec"]) == TINY
    assert index["qualities"] == {"medium-replay": [0, 10, 20], "medium": 20, "expert": 30}
    assert index["versions"]["20"]["return_mean"] == 55.0
    assert index["versions"]["20"]["exploration_std"] == [0.1]
    assert {path.name for path in folder.iterdir()} == {"behaviour.json", "0", "10", "20", "30"}


def test_ship_nothing(tmp_path):
    with pytest.raises(LogoError, match="no snapshot"):
        behaviour_snapshots.ship(TINY, [], 0, 0, None, tmp_path, {})


@pytest.mark.parametrize(("earned", "expert"), [(99.0, 30), (101.0, "script")])
def test_the_better_of_script_and_policy_is_the_expert(tmp_path, earned, expert):
    script = Record((earned, earned), won=0.5)
    folder = behaviour_snapshots.ship(TINY, snapshots(0, 30, 55, 100), 2, 3, script, tmp_path, {})
    index = json.loads((folder / "behaviour.json").read_text(encoding="utf-8"))
    assert index["qualities"] == {"medium-replay": [0, 10, 20], "medium": 20, "expert": expert}
    # What no quality plays is not shipped.
    assert set(index["versions"]) == {"0", "10", "20", str(expert)} - {"script"}
    assert {path.name for path in folder.iterdir()} == {*index["versions"], "behaviour.json"}
    assert index["script"]["return_mean"] == earned
    assert index["script"]["won_share"] == 0.5


def test_errors_come_before_training():
    with pytest.raises(LogoError, match="at least one scenario"):
        train_behaviour([], 1, 0)
    with pytest.raises(LogoError, match="no script that could give lessons"):
        train_behaviour([Ticking()] * 16, 1, 0, lessons=10)
    with pytest.raises(LogoError, match="one round gives 8 rows, fewer than a minibatch of 1024"):
        train_behaviour([Ticking()], 1, 0, PPOSettings(horizon=4))


@pytest.mark.slow
def test_ppo_learns_repeats_and_ships(tmp_path):
    name = "mamujoco/HalfCheetah-2x3"
    copies = [make_scenario(name) for _ in range(4)]
    settings = PPOSettings(horizon=64, epochs=4, minibatch=128, hidden=(16,))

    def train():
        return list(train_behaviour(copies, 1024, 1, settings))

    rounds = train()
    assert [progress.steps for progress in rounds] == [256, 512, 768, 1024]
    first, last = rounds[0].weights, rounds[-1].weights
    assert [kernel.shape for kernel in last.kernels] == [(14, 16), (16, 3)]
    assert not np.allclose(first.kernels[0], last.kernels[0])
    assert np.all(np.abs(first.exploration_std - settings.initial_std) < 0.1)
    for one, again in zip(rounds[-1].weights.kernels, train()[-1].weights.kernels, strict=True):
        np.testing.assert_array_equal(one, again)

    shipped = [
        Snapshot(p.steps, p.weights, Record((float(p.steps),))) for p in (rounds[0], rounds[-1])
    ]
    behaviour_snapshots.ship(scenario_spec(name), shipped, 0, 1, None, tmp_path, {})
    ((_, policy),) = behaviour_policies(name, "expert", tmp_path)
    actions = policy.act(
        np.zeros((3, 2, 12), np.float32), np.ones((3, 2, 0), bool), np.random.default_rng(0)
    )
    assert actions.shape == (3, 2, 3)


@pytest.mark.slow
def test_the_exported_mean_is_the_agents_mean():
    from logo_tf.agents.behaviour import PPOLearner

    spec = scenario_spec("mamujoco/HalfCheetah-2x3")
    learner = PPOLearner(spec, PPOSettings(), seed=0)
    rng = np.random.default_rng(0)
    seen = rng.normal(3.0, 5.0, (2, 500, 14)).astype(np.float32)
    learner._agent.update_observation_normalizer(seen)
    observations = rng.normal(3.0, 5.0, (4, 2, 12)).astype(np.float32)
    identity = np.broadcast_to(np.eye(2, dtype=np.float32), (4, 2, 2))
    rows = np.concatenate([observations, identity], -1).reshape(8, 14)
    parameters, _ = learner.predict(
        Seen(rows, np.ones((8, 0), bool), np.zeros((8, 17), np.float32))
    )
    mean, std = parameters["loc"], parameters["scale_diag"]
    exported = MeanPolicy(spec, learner.weights()).serve(observations)["actions"]
    np.testing.assert_allclose(exported, mean.reshape(4, 2, 3), atol=1e-5)
    np.testing.assert_allclose(learner.weights().exploration_std, std[0], atol=1e-4)


GAME = ScenarioSpec(
    name="fake/game",
    environment="none",
    agents=("a", "b"),
    observation_dims=(3, 3),
    state_dim=2,
    action_kind="discrete",
    action_dims=(3, 3),
    episode_limit=6,
    noop_action=0,
    win_reward=10.0,
)


class Game:
    """Pays 1 for each living agent that takes the action it is shown; b dies after 2 steps.

    Action 0 is the no-op; of 1 and 2 it shows which pays, and sometimes only that is legal.
    """

    spec = GAME

    def reset(self, seed=None):
        self._rng = np.random.default_rng(seed)
        self._age = 0
        return self._frame(0.0)

    def step(self, actions):
        assert actions.shape == (2,)
        assert np.take_along_axis(self._legal, actions[:, None], 1).all()
        reward = float(np.sum((actions == self._pays) & (self._pays > 0)))
        self._age += 1
        return self._frame(reward)

    def close(self):
        pass

    def _frame(self, reward):
        alive = np.array([True, self._age < 2])
        self._pays = np.where(alive, self._rng.integers(1, 3, 2), 0)
        self._legal = np.eye(3, dtype=bool)[self._pays]
        self._legal[alive & (self._rng.random(2) < 0.8)] = True
        observations = np.eye(3, dtype=np.float32)[self._pays] * alive[:, None]
        state = np.array([30.0, self._age], np.float32)
        return Frame(observations, state, self._legal, alive, reward, False, self._age >= 6)


class Knowing:
    """The teacher of ``Game``."""

    def act(self, observations, legal_actions, rng):
        return np.argmax(observations, axis=-1).astype(np.int32)


@pytest.mark.slow
@pytest.mark.parametrize("lessons", [0, 640])
def test_ppo_learns_to_choose_legally_with_and_without_lessons(tmp_path, lessons):
    copies = [Game() for _ in range(8)]  # each asserts that what it is asked to do is legal
    settings = PPOSettings(
        horizon=16,
        epochs=4,
        minibatch=64,
        hidden=(16,),
        learning_rate=1e-2,
        entropy=0.01,
        lesson_rate=1e-2,
    )
    rounds = list(train_behaviour(copies, 1280, 3, settings, Knowing(), lessons))
    assert [progress.steps for progress in rounds] == [128 * i for i in range(1, 11)]
    first, last = rounds[0].weights, rounds[-1].weights
    assert [kernel.shape for kernel in last.kernels] == [(5, 16), (16, 3)]
    assert last.mean is None
    assert last.exploration_std is None
    assert all(np.isfinite(array).all() for array in (*last.kernels, *last.biases))
    # 8 of 8 can be earned in an episode; at random it is about half of that.
    one, other = (
        behaviour_snapshots.measure(copies, Snapshot(0, w, Record((0.0,))), 50, 0)
        for w in (first, last)
    )
    assert other.mean_return > 7.0
    assert other.mean_return > one.mean_return
    assert other.record.won == 0.0
    behaviour_snapshots.ship(GAME, [one, other], 0, 1, None, tmp_path, {})
    index = json.loads((tmp_path / "game-behaviour" / "behaviour.json").read_text())
    assert "exploration_std" not in index["versions"]["0"]


def test_choice_policy_shares_probability_among_legal_actions_by_hand():
    bias = np.log(np.array([1.0, 2.0, 5.0], np.float32))
    policy = PolicyWeights((np.zeros((5, 3), np.float32),), (bias,))
    legal = np.array([[[1, 1, 1], [1, 1, 0]]], np.float32)
    served = ChoicePolicy(GAME, policy).serve(np.ones((1, 2, 3), np.float32), legal)
    wanted = [[[1 / 8, 2 / 8, 5 / 8], [1 / 3, 2 / 3, 0]]]
    np.testing.assert_allclose(served["probabilities"], wanted, rtol=1e-5)


def test_a_teacher_is_asked_what_each_agent_saw():
    from logo_tf.agents.behaviour import _answers

    copies = [Game() for _ in range(3)]
    head = action_head(GAME)

    def uniform(seen):
        logits = np.where(seen.legal, 0.0, -1e30).astype(np.float32)
        return {"logits": logits}, np.zeros(len(logits), np.float32)

    one = RolloutCollector(copies, uniform, head.sample, 0.9, np.random.default_rng(0))
    rollout = one.collect(5)
    answers = _answers(Knowing(), GAME, rollout, np.random.default_rng(0))
    np.testing.assert_array_equal(answers, np.argmax(rollout.seen.rows[..., :3], axis=-1))

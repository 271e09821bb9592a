"""Planning in worlds whose dynamics are known, and around policies and models of the package."""

import numpy as np
import pytest
import tensorflow as tf

from logo_tf import artifacts
from logo_tf.agents.config import PlannerConfig
from logo_tf.agents.offline_agent import RewardScale
from logo_tf.agents.planner import TeamPlanner, planner_of
from logo_tf.agents.policy import TrainedPolicy
from logo_tf.agents.search import Imagined, plan_scores
from logo_tf.agents.team_value import NO_VALUE, TeamValue
from logo_tf.data.standardisation import standardisation
from logo_tf.errors import LogoError
from logo_tf.imagination.rollout import GraphPolicy
from logo_tf.scenarios.play import play
from logo_tf.scenarios.protocol import Centralised, Frame
from logo_tf.scenarios.row_generator import RowGenerator
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import EnsembleConfig, LogoConfig, WorldModelConfig
from logo_tf.world_model.protocol import Prediction
from logo_tf.world_model.registry import build

# The state begins with the step number; agent b has a single number to choose, of 0 to 2.
VECTORS = ScenarioSpec(
    name="fake/vectors",
    environment="none",
    agents=("a", "b"),
    observation_dims=(1, 1),
    state_dim=2,
    action_kind="continuous",
    action_dims=(2, 1),
    action_low=((-1.0, -1.0), (0.0, 0.0)),
    action_high=((1.0, 1.0), (2.0, 0.0)),
    episode_limit=3,
)
TARGETS = np.float32(
    [[[0.5, -0.3], [1.6, 0.0]], [[-0.9, 0.1], [0.2, 0.0]], [[0.0, 0.7], [1.0, 0.0]]]
)
CHOICES = ScenarioSpec(
    name="fake/choices",
    environment="none",
    agents=("a", "b"),
    observation_dims=(1, 1),
    state_dim=2,
    action_kind="discrete",
    action_dims=(3, 3),
    episode_limit=3,
)


class World:
    """A world model by rules: (state, actions) -> what of a ``Prediction`` is not nothing."""

    memory_dim = 0

    def __init__(self, spec, rules, routes=1):
        self.spec, self.rules, self.routes = spec, rules, routes

    def step(self, state, observations, actions, agent_mask, memory=None):
        rows = tf.zeros_like(state[:, 0])
        every = tf.ones_like(observations[..., :1])
        nothing = Prediction(
            observations=observations,
            observations_std=tf.zeros_like(observations),
            state=state,
            state_std=tf.zeros_like(state),
            reward=rows,
            reward_std=rows,
            termination=rows,
            legal_actions=tf.repeat(every, self.spec.legal_dim, axis=-1),
            uncertainty=rows + 1.0,
            memory=memory,
        )
        return nothing._replace(**self.rules(state, actions))

    def observe(self, state, observations, actions, agent_mask, memory):
        return memory


def tick(state):
    return state + tf.constant([1.0, 0.0])


def tracking(state, actions):
    """Each step has one best joint action, the last one for good."""
    target = tf.gather(TARGETS, tf.minimum(tf.cast(state[:, 0], tf.int32), 2))
    return {"state": tick(state), "reward": -tf.reduce_sum((actions - target) ** 2, axis=(1, 2))}


def vault(state, actions):
    """Action 0 pays 1 each; both choosing 1 opens a vault, and in it both choosing 2 pays 10."""

    def both(choice):
        return tf.cast(tf.reduce_all(actions == choice, axis=1), tf.float32)

    opened = tf.maximum(state[:, 1], both(1))
    legal = tf.stack([tf.ones_like(opened), tf.ones_like(opened), opened], axis=-1)
    return {
        "state": tf.stack([state[:, 0] + 1.0, opened], axis=-1),
        "reward": tf.reduce_sum(tf.cast(actions == 0, tf.float32), axis=1) + 10.0 * both(2),
        "legal_actions": tf.repeat(legal[:, None], 2, axis=1),
    }


def always(spec, value=0.0):
    """A policy that does one thing."""
    shape = spec.action_shape

    def act(observations, legal, memory, seed):
        wanted = tf.fill((tf.shape(observations)[0], *shape), value)
        return tf.cast(wanted * (1.0 if spec.discrete else spec.action_mask), spec.action_dtype), (
            memory
        )

    return GraphPolicy(act)


def frames(spec, rows, state=0.0, legal=True):
    """B teams at the beginning."""
    n = spec.num_agents
    return Frame(
        observations=np.zeros((rows, n, spec.observation_dim), np.float32),
        state=np.zeros((rows, spec.state_dim), np.float32) + np.float32(state),
        legal_actions=np.zeros((rows, n, spec.legal_dim), bool) | legal,
        agent_mask=np.ones((rows, n), bool),
        reward=np.zeros(rows),
        terminated=np.zeros(rows, bool),
        truncated=np.zeros(rows, bool),
    )


def planner(world, policy=None, value=NO_VALUE, gamma=0.9, reward_std=1.0, **settings):
    wide = {"horizon": 3, "candidates": 64, "elites": 8, "initial_std": 0.5}
    config = PlannerConfig(**{**wide, **settings})
    return TeamPlanner(world, policy or always(world.spec), value, config, gamma, reward_std)


def plan(searching, now, seed=0):
    seeds = np.random.default_rng(seed).integers(0, 2**31 - 1, (len(now.state), 2))
    n = now.observations.shape[1]
    found, _ = searching.plan(now, np.zeros((len(now.state), n, searching.memory_dim)), seeds)
    return tf.nest.map_structure(lambda field: field.numpy(), found)


def test_scores_by_hand():
    imagined = Imagined(
        actions=None,
        rewards=tf.constant([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]),
        alive=tf.constant([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]),
        uncertainty=tf.constant([[1.0, 0.0, 2.0], [1.0, 0.0, 2.0]]),
        value=tf.constant([8.0, 8.0]),
    )
    # (1 - .5) + .5 * 2 + (.25 * 3 - .5 * 2) + .125 * 8, and the first two alone.
    np.testing.assert_allclose(plan_scores(imagined, 0.5, 0.5), [2.25, 1.5])


def test_the_policys_score_by_hand():
    def rules(state, actions):
        return {
            "state": tick(state),
            "reward": state[:, 0] + 1.0,
            "uncertainty": 2.0 * state[:, 0] + 1.0,  # 1, 3, 5 in every branch: the median is 3
            "termination": tf.cast(state[:, 1] + state[:, 0] > 2.5, tf.float32),
        }

    valued = TeamValue(lambda state, o, legal, memory: (10.0 * state[:, 0], memory))
    searching = planner(
        World(VECTORS, rules), value=valued, gamma=0.5, reward_std=2.0, beta=0.3, rounds=1
    )
    states = np.array([[0.0, 0.0], [0.0, 2.0]])
    found = plan(searching, frames(VECTORS, 2, states))
    lasting = 1 + 0.5 * 2 + 0.25 * 3 + 0.125 * 30 - 0.6 * (1 + 3 + 5) / 3
    # The second ends with its second step: the median over its two steps is 2.
    ending = 1 + 0.5 * 2 - 0.6 * (1 + 3) / 2
    np.testing.assert_allclose(found.policy_score, [lasting, ending], rtol=1e-5)
    np.testing.assert_allclose(found.score, found.policy_score)


def test_the_best_vectors_are_found():
    searching = planner(
        World(VECTORS, tracking), candidates=256, initial_std=1.0, rounds=7, beta=0.0
    )
    found = plan(searching, frames(VECTORS, 2))
    np.testing.assert_allclose(found.actions, [TARGETS] * 2, atol=0.1)
    assert (found.actions[..., 1, 1] == 0).all()  # padded
    assert (found.score > -0.02).all()


def test_the_best_choices_are_found():
    searching = planner(
        World(CHOICES, vault), candidates=256, rounds=2, initial_uniform=1.0, beta=0.0
    )
    closed = np.array([True, True, False])
    found = plan(searching, frames(CHOICES, 2, legal=closed))
    np.testing.assert_array_equal(found.actions, [[[1, 1], [2, 2], [2, 2]]] * 2)
    np.testing.assert_allclose(found.score, 0.9 * 10 + 0.81 * 10, rtol=1e-5)
    np.testing.assert_allclose(found.policy_score, 2 + 0.9 * 2 + 0.81 * 2, rtol=1e-5)


def test_a_plan_is_never_worse_than_the_policy_and_worth_what_it_says():
    searching = planner(World(VECTORS, tracking), always(VECTORS, 0.3), candidates=4, elites=2)
    bare = -np.sum((0.3 * VECTORS.action_mask - TARGETS) ** 2, axis=(1, 2)) @ [1, 0.9, 0.81]
    penalty = 3 * 0.25  # of a model that is equally unsure everywhere
    for seed in range(5):
        found = plan(searching, frames(VECTORS, 3), seed)
        assert (found.score >= found.policy_score).all()
        own = -np.sum((found.actions - TARGETS) ** 2, axis=(2, 3)) @ [1, 0.9, 0.81]
        np.testing.assert_allclose(found.policy_score, [bare - penalty] * 3, rtol=1e-4)
        np.testing.assert_allclose(found.score, own - penalty, rtol=1e-4)


def test_where_the_policy_is_best_it_is_followed():
    def rules(state, actions):
        return {"state": tick(state), "reward": -tf.reduce_sum(tf.abs(actions), axis=(1, 2))}

    found = plan(planner(World(VECTORS, rules)), frames(VECTORS, 2))
    np.testing.assert_array_equal(found.actions, np.zeros((2, 3, 2, 2)))


def test_what_lies_beyond_the_horizon_counts_by_its_value():
    """Wealth is saved by acting, which costs, and pays only where the value begins."""

    def rules(state, actions):
        saved = tf.reduce_sum(actions, axis=(1, 2))
        return {"state": state + tf.stack([tf.ones_like(saved), saved], -1), "reward": -0.1 * saved}

    def means(value):
        world = World(VECTORS, rules)
        found = plan(planner(world, value=value, rounds=8, beta=0.0), frames(VECTORS, 1))
        return found.actions[0, :, 0].mean()

    wealth = TeamValue(lambda state, o, legal, memory: (state[:, 1], memory))
    assert means(wealth) > 0.8
    assert means(NO_VALUE) < -0.8


def test_uncertainty_is_avoided_as_beta_says():
    def rules(state, actions):
        forward = actions[:, 0, 0]
        return {
            "state": tick(state),
            "reward": 0.1 * forward,
            "uncertainty": 0.01 * (1.0 + 5.0 * forward**2),
        }

    def first(beta, reward_std=1.0):
        searching = planner(World(VECTORS, rules), beta=beta, reward_std=reward_std, rounds=8)
        return plan(searching, frames(VECTORS, 1)).actions[0, 0, 0, 0]

    assert first(0.0) > 0.8
    assert abs(first(1.0)) < 0.2
    assert first(1.0, reward_std=1e-3) > 0.5  # beta is in units of the reward


def test_nothing_illegal_is_imagined_or_done():
    """The state is what is legal; what is illegal would pay."""
    spec = ScenarioSpec(
        name="fake/legal",
        environment="none",
        agents=("a", "b"),
        observation_dims=(1, 1),
        state_dim=8,
        action_kind="discrete",
        action_dims=(4, 3),
        episode_limit=9,
    )
    exists = spec.action_mask > 0

    def rules(state, actions):
        legal = tf.reshape(state, (-1, 2, 4))
        chosen = tf.gather(legal, actions, axis=-1, batch_dims=2)
        # By what was done, a's legal actions turn, and b's choose themselves.
        turned = tf.where(actions[:, :1] % 2 == 0, tf.roll(legal[:, 0], 1, axis=-1), legal[:, 0])
        other = tf.one_hot(actions[:, 0] % 3, 4)
        after = tf.stack([turned, other], axis=1)
        return {
            "state": tf.reshape(after, (-1, 8)),
            "reward": tf.reduce_sum(1.0 - chosen, axis=1),
            "legal_actions": after,
        }

    rng = np.random.default_rng(0)
    legal = (rng.random((40, 2, 4)) < 0.4) & exists
    legal[np.arange(40), :, rng.integers(0, 3, 40)] = True
    now = frames(spec, 40)._replace(
        legal_actions=legal, state=legal.reshape(40, 8).astype(np.float32)
    )

    def lowest(observations, legal_actions, memory, seed):
        return tf.argmax(tf.cast(legal_actions, tf.int32), -1, tf.int32), memory

    for smoothing in (0.0, 0.5):
        searching = planner(
            World(spec, rules),
            GraphPolicy(lowest),
            horizon=4,
            smoothing=smoothing,
            beta=0.0,
        )
        found = plan(searching, now)
        np.testing.assert_array_equal(found.score, np.zeros(40))
        done = np.take_along_axis(legal, found.actions[:, 0, :, None], axis=-1)
        assert done.all()


def test_a_teams_plan_does_not_depend_on_who_plans_beside_it():
    for world, legal in ((World(VECTORS, tracking), True), (World(CHOICES, vault), True)):
        searching = planner(world)
        now = frames(world.spec, 4, legal=legal)
        together = plan_on(searching, now, (5, 6, 7, 6))
        alone = [
            plan_on(searching, Frame(*(field[i : i + 1] for field in now)), (seed,))[0]
            for i, seed in enumerate((5, 6, 7, 6))
        ]
        np.testing.assert_allclose(together, alone, atol=1e-6)
        np.testing.assert_allclose(together[1], together[3], atol=1e-6)
        if not world.spec.discrete:
            assert not np.allclose(together[0], together[1])


def plan_on(searching, now, seeds):
    rng = RowGenerator([np.random.default_rng(seed) for seed in seeds])
    memory = np.zeros((len(seeds), now.observations.shape[1], searching.memory_dim), np.float32)
    return searching.plan_on(now, memory, rng)[0]


def test_members_are_asked_about_every_candidate():
    """Of two members one loves what the other hates more: on the mean it is bad."""

    def rules(state, actions):
        number = tf.range(tf.shape(state)[0]) % 2
        weight = tf.where(number == 0, 1.0, -2.0)
        return {"state": tick(state), "reward": weight * actions[:, 0, 0]}

    searching = planner(World(VECTORS, rules, routes=2), rounds=8, beta=0.0)
    found = plan(searching, frames(VECTORS, 3))
    assert (found.actions[:, :, 0, 0] < -0.8).all()
    worth = -0.5 * found.actions[:, :, 0, 0] @ [1, 0.9, 0.81]
    np.testing.assert_allclose(found.score, worth, rtol=1e-4)


class Tracking:
    """The scenario that ``tracking`` is the model of."""

    spec = VECTORS

    def reset(self, seed=None):
        self._step = 0
        return self._frame(0.0)

    def step(self, actions):
        reward = -float(np.sum((actions - TARGETS[self._step]) ** 2))
        self._step += 1
        return self._frame(reward)

    def close(self):
        pass

    def _frame(self, reward):
        one = frames(VECTORS, 1, [self._step, 0.0])
        return Frame(*(field[0] for field in one))._replace(
            reward=reward, terminated=self._step == 3
        )


class Zeros:
    def act(self, observations, legal_actions, rng):
        return np.zeros((len(observations), 2, 2), np.float32)


@pytest.mark.parametrize("copies", [1, 3])
def test_a_planner_plays(copies):
    searching = planner(World(VECTORS, tracking), initial_std=1.0, rounds=8)
    assert isinstance(searching, Centralised)
    played = list(play([Tracking() for _ in range(copies)], searching, 3, seed=4))
    (bare,) = play([Tracking()], Zeros(), 1, seed=4)
    assert bare.episode_return == pytest.approx(-np.sum(TARGETS**2))
    for episode in played:
        episode.check(VECTORS)
        assert episode.episode_return > 0.1 * bare.episode_return
    reference = list(play([Tracking()] * 1, searching, 3, seed=4))
    for one, other in zip(played, reference, strict=True):
        np.testing.assert_allclose(one.actions, other.actions, atol=1e-5)


def test_shapes_are_checked():
    searching = planner(World(VECTORS, tracking))
    now = frames(VECTORS, 2)
    with pytest.raises(LogoError, match=r"state has shape \(2, 9\)"):
        plan(searching, now._replace(state=np.zeros((2, 9))))
    with pytest.raises(LogoError, match=r"memory has shape \(2, 2, 5\)"):
        searching.plan_on(now, np.zeros((2, 2, 5)), np.random.default_rng(0))


@pytest.fixture(scope="module")
def around(tmp_path_factory, continuous_spec, discrete_spec, make_episodes, make_agent):
    """``around(action_kind, algorithm, **model settings)``: an untrained policy and model."""
    from logo_tf.data.store import write_dataset

    folder, known = tmp_path_factory.mktemp("planned"), {}
    for spec in (continuous_spec, discrete_spec):
        place = folder / spec.action_kind
        data = write_dataset(place, spec, make_episodes(spec, 8), config={}, provenance={})
        known[spec.action_kind] = spec, standardisation(data)

    def make(action_kind, algorithm, **settings):
        spec, units = known[action_kind]
        agent = make_agent(spec, algorithm)
        manifest = artifacts.Manifest(kind="policy", spec=spec.to_dict())
        policy = TrainedPolicy(manifest, agent._setup.config, agent, RewardScale())
        return policy, build(WorldModelConfig(width=8, depth=1, **settings), spec, units, 0)

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "algorithm", "settings"),
    [
        ("continuous", "bc", {}),
        ("continuous", "macql", {"kind": "ensemble", "ensemble": EnsembleConfig(3, 2)}),
        ("discrete", "bc", {"kind": "mamba"}),
        ("discrete", "macql", {"logo": LogoConfig(memory=4)}),
    ],
)
def test_plans_around_policies_in_models(kind, algorithm, settings, around, make_transitions):
    policy, model = around(kind, algorithm, **settings)
    spec, rows = policy.spec, make_transitions(policy.spec, 6)
    now = frames(spec, 6)._replace(
        observations=rows.observations.numpy(),
        state=rows.state.numpy(),
        legal_actions=rows.legal_actions.numpy(),
    )
    searching = planner_of(policy, model, PlannerConfig(horizon=2, candidates=5, elites=2))
    found = plan(searching, now)
    assert (found.score >= found.policy_score).all()
    assert np.isfinite(found.score).all()
    actions = found.actions[:, 0]
    if spec.discrete:
        assert np.take_along_axis(now.legal_actions, actions[..., None], axis=-1).all()
    else:
        assert (actions >= np.float32(spec.action_low) - 1e-6).all()
        assert (actions <= np.float32(spec.action_high) + 1e-6).all()
    alone = [
        plan_on(searching, Frame(*(field[i : i + 1] for field in now)), (i,))[0] for i in range(6)
    ]
    np.testing.assert_allclose(plan_on(searching, now, range(6)), alone, atol=1e-4)


@pytest.mark.slow
def test_what_really_happened_is_remembered(around, make_transitions):
    policy, model = around("discrete", "macql", logo=LogoConfig(memory=4))
    searching = planner_of(policy, model, PlannerConfig(horizon=2, candidates=5, elites=2))
    assert searching.memory_dim == 4 + 4 + 4
    memory = np.zeros((6, 3, 12), np.float32)
    ours, theirs = tf.zeros((6, 3, 4)), tf.zeros((6, 3, 4))
    for t in range(3):
        rows = make_transitions(policy.spec, 6, seed=t)
        now = frames(policy.spec, 6)._replace(
            observations=rows.observations.numpy(),
            state=rows.state.numpy(),
            legal_actions=rows.legal_actions.numpy(),
        )
        actions, memory = searching.plan_on(now, memory, np.random.default_rng(t))
        _, ours = policy.graph_policy.act(
            rows.observations, rows.legal_actions, ours, tf.zeros(2, tf.int32)
        )
        theirs = model.observe(rows.state, rows.observations, actions, rows.agent_mask, theirs)
        # The value's network is the policy's, and remembers as it does.
        expected = np.concatenate([ours, ours, theirs], axis=-1)
        np.testing.assert_allclose(memory, expected, atol=1e-5)
    assert not np.allclose(memory[..., -4:], 0)


def test_what_cannot_be_planned_with_is_refused(around):
    policy, model = around("continuous", "bc")
    _, other = around("discrete", "bc", kind="persistence")
    with pytest.raises(LogoError, match="the policy does not fit the world model"):
        planner_of(policy, other, PlannerConfig())
    policy.rewards = None
    with pytest.raises(LogoError, match="does not say how rewards were scaled"):
        planner_of(policy, model, PlannerConfig())

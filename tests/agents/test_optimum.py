"""Each algorithm reaches the known optimum of a small scenario from random data."""

import functools

import numpy as np
import pytest

from logo_tf.agents.config import PlannerConfig
from logo_tf.agents.learner import train_policy
from logo_tf.agents.planner import planner_of
from logo_tf.agents.policy import load_policy
from logo_tf.agents.registry import default_config
from logo_tf.config import override
from logo_tf.data.store import write_dataset
from logo_tf.scenarios.play import play
from logo_tf.scenarios.protocol import Frame
from logo_tf.scenarios.random_policy import RandomPolicy
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.artifact import load_world_model
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.trainer import train_world_model

pytestmark = pytest.mark.slow


class Recall:
    """Each agent is shown a cue, then nothing, then asked: 1 if all recall theirs, else 0.

    A random team earns it in 1 of 9 episodes, and the best one without a memory in 1 of 4.
    At the second step action 0 alone is legal.
    """

    spec = ScenarioSpec(
        name="fake/recall",
        environment="none",
        agents=("a", "b"),
        observation_dims=(3, 3),
        state_dim=5,
        action_kind="discrete",
        action_dims=(3, 3),
        episode_limit=3,
    )
    optimum, behaviour = 1.0, 1 / 9

    def reset(self, seed=None):
        self._cues, self._step = np.random.default_rng(seed).integers(0, 2, 2), 0
        return self._frame(0.0)

    def step(self, actions):
        legal = self._frame(0.0).legal_actions
        assert all(legal[i, a] for i, a in enumerate(actions))
        self._step += 1
        return self._frame(float(self._step == 3 and (actions == self._cues + 1).all()))

    def close(self):
        pass

    def _frame(self, reward):
        observations = np.zeros((2, 3), np.float32)
        observations[:, 2] = self._step
        if self._step == 0:
            observations[[0, 1], self._cues] = 1.0
        legal = np.ones((2, 3), bool)
        legal[:, 1:] = self._step != 1
        return Frame(
            observations=observations,
            state=np.array([*np.eye(2)[self._cues].ravel(), self._step], np.float32),
            legal_actions=legal,
            agent_mask=np.ones(2, bool),
            reward=reward,
            terminated=self._step == 3,
            truncated=False,
        )


class Aim:
    """Each agent sees a target of its own and should act half of it: 1 less the mean square miss.

    Over two steps the best team earns 2, and a random one 2 - 2 (1/3 + 1/12).
    """

    spec = ScenarioSpec(
        name="fake/aim",
        environment="none",
        agents=("a", "b"),
        observation_dims=(2, 2),
        state_dim=3,
        action_kind="continuous",
        action_dims=(1, 1),
        episode_limit=2,
        action_low=((-1.0,), (-1.0,)),
        action_high=((1.0,), (1.0,)),
    )
    optimum, behaviour = 2.0, 2 - 2 * (1 / 3 + 1 / 12)

    def reset(self, seed=None):
        self._rng, self._step = np.random.default_rng(seed), 0
        return self._frame(0.0)

    def step(self, actions):
        self._step += 1
        missed = np.square(np.asarray(actions)[:, 0] - self._targets / 2)
        return self._frame(float(1 - missed.mean()))

    def close(self):
        pass

    def _frame(self, reward):
        self._targets = self._rng.uniform(-1, 1, 2)
        return Frame(
            observations=np.array([[x, self._step] for x in self._targets], np.float32),
            state=np.array([*self._targets, self._step], np.float32),
            legal_actions=np.ones((2, 0), bool),
            agent_mask=np.ones(2, bool),
            reward=reward,
            terminated=self._step == 2,
            truncated=False,
        )


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """``logged(Recall)``: a thousand episodes of a random team."""

    @functools.cache
    def make(scenario):
        episodes = list(play([scenario()], RandomPolicy(scenario.spec), 1000, 0))
        earned = np.mean([episode.episode_return for episode in episodes])
        assert earned == pytest.approx(scenario.behaviour, abs=0.05)
        folder = tmp_path_factory.mktemp("logged") / "data"
        return write_dataset(folder, scenario.spec, episodes, config={}, provenance={})

    return make


def _mean_return(scenario, policy, episodes, seed):
    copies = [scenario() for _ in range(min(episodes, 50))]
    return np.mean([episode.episode_return for episode in play(copies, policy, episodes, seed)])


RECALL = (
    "memory=16",
    "width=16",
    "window=3",
    "burn_in=0",
    "batch_size=192",
    "critic_learning_rate=0.005",
    "tau=0.02",
    "steps=800",
)


@pytest.mark.parametrize(
    ("scenario", "algorithm", "settings"),
    [
        *((Recall, algorithm, RECALL) for algorithm in ("macql", "cfcql", "icq", "omiga")),
        (Aim, "macql", ("width=32", "cql_alpha=0.1", "steps=800")),
        (Aim, "matd3bc", ("width=32", "q_weight=20", "steps=800")),
        (Aim, "cfcql", ("width=32", "cql_alpha=0.1", "steps=800")),
        (Aim, "omar", ("width=32", "cql_alpha=0.1", "steps=800")),
        (Aim, "icq", ("width=32", "window=2", "steps=800")),
        (Aim, "omiga", ("width=32", "window=2", "omiga_alpha=0.2", "steps=800")),
    ],
)
def test_the_optimum_is_learned_from_random_data(scenario, algorithm, settings, logged, tmp_path):
    config = override(
        default_config(algorithm, scenario.spec.action_kind),
        [*settings, "log_every=300", "checkpoint_every=600"],
    )
    path = train_policy(logged(scenario), config, 0, tmp_path / "policy", loggers=[])
    assert _mean_return(scenario, load_policy(path), 200, 1) > scenario.optimum - 0.03


@pytest.mark.parametrize(
    ("scenario", "settings"),
    [(Recall, {"initial_uniform": 1.0}), (Aim, {"initial_std": 0.5})],
)
def test_a_planner_in_a_good_model_reaches_it_around_a_poor_policy(
    scenario, settings, logged, tmp_path
):
    """Cloned random behaviour has no cue of its own to go by, and no value."""
    data = logged(scenario)
    cloning = override(
        default_config("bc", scenario.spec.action_kind), ["width=8", "steps=100", "log_every=50"]
    )
    policy = load_policy(train_policy(data, cloning, 0, tmp_path / "policy", loggers=[]))
    learning = override(WorldModelConfig(), ["width=64", "steps=600", "unroll=1"])
    model = train_world_model(data, learning, 0, tmp_path / "model", loggers=[])
    config = PlannerConfig(horizon=1, rounds=4, **settings)
    planner = planner_of(policy, load_world_model(model), config)
    bare, planned = (_mean_return(scenario, one, 200, 1) for one in (policy, planner))
    assert bare < scenario.optimum - 0.1
    assert planned > scenario.optimum - 0.03

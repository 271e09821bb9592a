"""The shipped behaviour policies: they load, explore, and are as good as they say."""

import json

import numpy as np
import pytest

from logo_tf.errors import LogoError
from logo_tf.scenarios.behaviour import (
    QUALITIES,
    behaviour_folder,
    behaviour_policies,
    read_behaviour_index,
)
from logo_tf.scenarios.play import play
from logo_tf.scenarios.registry import make_scenario, scenario_spec
from logo_tf.scenarios.saved_policy import SampledPolicy, SavedModelPolicy
from logo_tf.scenarios.smax_script import ScriptedPolicy

CHEETAH = "mamujoco/HalfCheetah-2x3"


@pytest.fixture(scope="module")
def spec():
    return scenario_spec(CHEETAH)


@pytest.fixture(scope="module")
def expert():
    ((_, policy),) = behaviour_policies(CHEETAH, "expert")
    return policy


def mean_return(policy, episodes=4, seed=0):
    scenarios = [make_scenario(CHEETAH) for _ in range(episodes)]
    played = list(play(scenarios, policy, episodes, seed))
    for episode in played:
        episode.check(scenarios[0].spec)
    for scenario in scenarios:
        scenario.close()
    return np.mean([episode.episode_return for episode in played])


@pytest.mark.parametrize("quality", QUALITIES)
def test_shares_sum_to_one_and_every_policy_acts_within_the_bounds(quality, spec):
    rng = np.random.default_rng(0)
    observations = rng.standard_normal((5, 2, 12), np.float32) * 10
    policies = behaviour_policies(CHEETAH, quality)
    assert sum(share for share, _ in policies) == pytest.approx(1.0)
    for _, policy in policies:
        actions = policy.act(observations, np.ones((5, 2, 0), bool), rng)
        assert actions.shape == (5, 2, 3)
        assert actions.dtype == np.float32
        assert np.all(np.abs(actions) <= 1.0)


def test_the_index_describes_what_is_shipped(spec):
    index = read_behaviour_index(CHEETAH)
    assert index["scenario"] == CHEETAH
    assert index["spec"] == json.loads(json.dumps(spec.to_dict()))
    folder = behaviour_folder(CHEETAH)
    versions = set(index["versions"])
    assert versions == {path.name for path in folder.iterdir() if path.is_dir()}
    qualities = index["qualities"]
    assert {str(qualities["medium"]), str(qualities["expert"])} <= versions
    assert {str(version) for version in qualities["medium-replay"]} <= versions
    assert max(qualities["medium-replay"]) == qualities["medium"]
    for path in folder.rglob("*"):
        assert path.stat().st_size < 100_000


def test_returns_are_what_the_index_says():
    # Returns vary a lot (a cheetah that falls earns little), so means of 4 episodes are
    # held to 4 standard errors of what the index says.
    index = read_behaviour_index(CHEETAH)
    ((_, random),) = behaviour_policies(CHEETAH, "random")
    floor = mean_return(random)
    assert -450 < floor < -100
    for quality in ("medium", "expert"):
        ((_, policy),) = behaviour_policies(CHEETAH, quality)
        said = index["versions"][str(index["qualities"][quality])]
        found = mean_return(policy)
        assert abs(found - said["return_mean"]) < 4 * said["return_std"] / 2 + 100
        assert found > floor + 300


def test_noise_is_gaussian_with_the_shipped_std(spec):
    # The first snapshot: its means are small, so that clipping to the bounds is rare.
    index = read_behaviour_index(CHEETAH)
    version = index["qualities"]["medium-replay"][0]
    std = index["versions"][str(version)]["exploration_std"]
    _, policy = behaviour_policies(CHEETAH, "medium-replay")[0]
    greedy = SavedModelPolicy(spec, behaviour_folder(CHEETAH) / str(version), np.zeros(3))
    rng = np.random.default_rng(0)
    observations = rng.standard_normal((4000, 2, 12), np.float32)
    legal = np.ones((4000, 2, 0), bool)
    mean = greedy.act(observations, legal, rng)
    np.testing.assert_array_equal(mean, greedy.act(observations, legal, rng))
    noise = policy.act(observations, legal, rng) - mean
    for dimension in range(3):
        # Noise is cut where the mean is near a bound: 2.5 std away hardly any is.
        inside = np.abs(mean[..., dimension]) < 1 - 2.5 * std[dimension]
        assert inside.sum() > 500
        cut = noise[..., dimension][inside]
        assert cut.std() == pytest.approx(std[dimension], rel=0.1)
        assert abs(cut.mean()) < 0.05


def test_a_team_acts_the_same_alone_and_in_a_batch(expert):
    observations = np.random.default_rng(1).standard_normal((6, 2, 12), np.float32)
    legal = np.ones((6, 2, 0), bool)

    class Silent:
        def standard_normal(self, shape, dtype):
            return np.zeros(shape, dtype)

    together = expert.act(observations, legal, Silent())
    alone = [expert.act(observations[i : i + 1], legal[:1], Silent())[0] for i in range(6)]
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_agents_read_their_own_observation_only(expert, spec):
    index = read_behaviour_index(CHEETAH)
    folder = behaviour_folder(CHEETAH) / str(index["qualities"]["expert"])
    greedy = SavedModelPolicy(spec, folder, np.zeros((2, 3)))
    observations = np.zeros((2, 2, 12), np.float32)
    observations[1, 1] = 1.0
    first, second = greedy.act(observations, np.ones((2, 2, 0), bool), np.random.default_rng(0))
    np.testing.assert_array_equal(first[0], second[0])
    assert not np.array_equal(first[1], second[1])


def test_the_signature_is_servable(spec):
    import tensorflow as tf

    index = read_behaviour_index(CHEETAH)
    model = tf.saved_model.load(str(behaviour_folder(CHEETAH) / str(index["qualities"]["medium"])))
    signature = model.signatures["serving_default"]
    ((_, inputs),) = [signature.structured_input_signature]
    assert inputs["observations"].shape.as_list() == [None, 2, 12]
    assert signature.structured_outputs["actions"].shape.as_list() == [None, 2, 3]
    assert signature.structured_outputs["actions"].dtype == tf.float32


def test_unknown_quality_and_scenario():
    with pytest.raises(LogoError, match="did you mean 'medium'"):
        behaviour_policies(CHEETAH, "medum")
    with pytest.raises(LogoError, match="did you mean 'mamujoco/HalfCheetah-2x3'"):
        behaviour_policies("mamujoco/HalfCheetah-2x4", "expert")


def test_nothing_shipped(tmp_path):
    with pytest.raises(LogoError, match="no behaviour policies.*train_behaviour_policies"):
        behaviour_policies("mamujoco/Swimmer-2x1", "expert")
    with pytest.raises(LogoError, match="no behaviour policies"):
        behaviour_policies(CHEETAH, "expert", tmp_path)


def test_random_needs_nothing_shipped(tmp_path):
    assert len(behaviour_policies("mamujoco/Swimmer-2x1", "random", tmp_path)) == 1


def write_index(tmp_path, text):
    folder = behaviour_folder(CHEETAH, tmp_path)
    folder.mkdir()
    (folder / "behaviour.json").write_text(text, encoding="utf-8")


def test_broken_index(tmp_path):
    write_index(tmp_path, "{")
    with pytest.raises(LogoError, match="cannot be read"):
        behaviour_policies(CHEETAH, "expert", tmp_path)


def test_index_without_a_quality(tmp_path, spec):
    write_index(tmp_path, json.dumps({"spec": spec.to_dict(), "qualities": {"medium": 1}}))
    with pytest.raises(LogoError, match="lacks 'medium-replay'"):
        behaviour_policies(CHEETAH, "expert", tmp_path)


def test_missing_model(tmp_path, spec):
    index = read_behaviour_index(CHEETAH)
    write_index(tmp_path, json.dumps(index))
    with pytest.raises(LogoError, match="is not a behaviour policy's SavedModel"):
        behaviour_policies(CHEETAH, "expert", tmp_path)


def test_std_of_the_wrong_width(tmp_path, spec):
    with pytest.raises(LogoError, match=r"exploration_std has shape \(2,\)"):
        SavedModelPolicy(spec, tmp_path, np.zeros(2))


LEARNED_MAPS = ("smax/3m", "smax/5m_vs_6m")


@pytest.mark.parametrize("name", LEARNED_MAPS)
def test_learned_smax_teams_play_legally_and_better_than_random(name):
    pytest.importorskip(
        "jaxmarl", reason="the extra smax is not installed: pip install 'logo_tf[smax]'"
    )
    index = read_behaviour_index(name)
    copies = [make_scenario(name) for _ in range(48)]
    spec = copies[0].spec
    assert index["spec"] == json.loads(json.dumps(spec.to_dict()))
    assert index["seed"] >= 0
    assert len(index["learning_curve"]) > 20

    def found(quality):
        # Scenarios refuse illegal actions.
        ((_, policy),) = behaviour_policies(name, quality)
        played = list(play(copies, policy, 48, 0))
        assert all(
            np.take_along_axis(e.legal_actions[:-1], e.actions[..., None], -1).all() for e in played
        )
        return np.mean([episode.episode_return for episode in played])

    said = index["versions"][str(index["qualities"]["medium"])]
    medium = found("medium")
    assert abs(medium - said["return_mean"]) < 4 * said["return_std"] / np.sqrt(48)
    assert found("random") + 0.3 < medium < found("expert")
    for path in behaviour_folder(name).rglob("*"):
        assert path.stat().st_size < 200_000


@pytest.mark.parametrize("name", LEARNED_MAPS)
def test_a_script_plays_where_it_is_asked_for_or_better(name):
    index = read_behaviour_index(name)
    expert = behaviour_policies(name, "expert")[0][1]
    assert isinstance(expert, ScriptedPolicy) == (index["qualities"]["expert"] == "script")
    ((_, medium),) = behaviour_policies(name, "medium")
    assert isinstance(medium, SampledPolicy)
    ((_, medium),) = behaviour_policies(name, "medium", behaviour="script")
    assert isinstance(medium, ScriptedPolicy)
    with pytest.raises(LogoError, match="no script plays 'mamujoco/HalfCheetah-2x3'"):
        behaviour_policies(CHEETAH, "medium", behaviour="script")


def test_choices_are_drawn_among_legal_actions():
    name = LEARNED_MAPS[0]
    ((_, policy),) = behaviour_policies(name, "medium")
    spec = scenario_spec(name)
    observations = np.zeros((2000, spec.num_agents, spec.observation_dim), np.float32)
    legal = np.zeros((2000, spec.num_agents, spec.action_dim), bool)
    legal[..., [1, 4]] = True
    actions = policy.act(observations, legal, np.random.default_rng(0))
    assert actions.dtype == np.int32
    assert set(np.unique(actions)) <= {1, 4}
    legal[0, 0] = False
    with pytest.raises(LogoError, match="no legal action"):
        policy.act(observations, legal, np.random.default_rng(0))

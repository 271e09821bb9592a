import json

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.learner import train_policy
from logo_tf.agents.policy import load_policy
from logo_tf.errors import LogoError


@pytest.fixture(scope="module")
def policies(tmp_path_factory, tiny_config, continuous_spec, discrete_spec, make_episodes):
    """One policy of each kind, trained for a few steps."""
    from logo_tf.data.store import write_dataset

    folder = tmp_path_factory.mktemp("policies")
    made = {}
    for spec in (continuous_spec, discrete_spec):
        kind = spec.action_kind
        data = write_dataset(folder / f"{kind}-data", spec, make_episodes(spec, 8), {}, {})
        made[kind] = train_policy(data, tiny_config("bc", steps=4), 3, folder / kind, loggers=[])
    return made


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_acts_as_its_parts_do(policies, kind, make_transitions):
    policy = load_policy(policies[kind])
    spec = policy.spec
    rows = make_transitions(spec, 6)
    observations, legal = rows.observations.numpy(), rows.legal_actions.numpy()
    actions = policy.act(observations, legal, np.random.default_rng(0))
    assert actions.dtype == spec.action_dtype
    assert actions.shape == (6, *spec.action_shape)
    seed = tf.constant([0, 0])
    graph, _ = policy.graph_policy.act(rows.observations, rows.legal_actions, (), seed)
    np.testing.assert_array_equal(actions, graph)
    for agent in range(spec.num_agents):
        width = spec.observation_dims[agent]
        alone = policy.agent_function(agent)(rows.observations[:, agent, :width])[0].numpy()
        if spec.discrete:
            alone = np.where(legal[:, agent], alone, -np.inf).argmax(axis=-1)
            np.testing.assert_array_equal(alone, actions[:, agent])
        else:
            np.testing.assert_allclose(
                alone, actions[:, agent, : spec.action_dims[agent]], atol=1e-6
            )


def test_rows_do_not_depend_on_each_other(policies, make_transitions):
    policy = load_policy(policies["continuous"])
    rows = make_transitions(policy.spec, 6)
    observations, legal = rows.observations.numpy(), rows.legal_actions.numpy()
    rng = np.random.default_rng(0)
    together = policy.act(observations, legal, rng)
    alone = np.concatenate(
        [policy.act(observations[i : i + 1], legal[i : i + 1], rng) for i in range(6)]
    )
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_exploring_differs_and_is_within_bounds(policies, make_transitions):
    policy = load_policy(policies["continuous"])
    rows = make_transitions(policy.spec, 6)
    greedy, noisy = (
        one.act(rows.observations, rows.legal_actions, (), tf.constant([0, 1]))[0]
        for one in (policy.graph_policy, policy.exploring(0.3))
    )
    assert not np.allclose(greedy, noisy)
    assert np.abs(noisy).max() <= 1.0


def test_agent_function_holds_plain_variables(policies):
    function = load_policy(policies["continuous"]).agent_function(1)
    assert function.observation_dim == 3
    assert function.action_dim == 1
    assert len(function.variables) == 6
    assert function(tf.zeros((2, 3)))[0].shape == (2, 1)


def test_unknown_agent(policies):
    with pytest.raises(LogoError, match="has agents 0 to 1, not 2"):
        load_policy(policies["continuous"]).agent_function(2)


def test_wrong_shape(policies):
    policy = load_policy(policies["continuous"])
    with pytest.raises(LogoError, match="observations has shape"):
        policy.act(np.zeros((1, 2, 9)), np.zeros((1, 2, 0), bool), np.random.default_rng(0))


def test_manifest_names_parents_and_figures(policies):
    manifest = load_policy(policies["continuous"]).manifest
    assert set(manifest.parents) == {"dataset"}
    assert manifest.figures["steps"] == 4
    assert manifest.figures["parameters"] > 0
    assert set(manifest.files) == {
        "metrics.jsonl",
        "rewards.json",
        "weights/networks.index",
        "weights/networks.data-00000-of-00001",
    }


def test_the_units_of_its_rewards_are_kept(policies, make_episodes):
    for kind, path in policies.items():
        policy = load_policy(path)
        logged = np.concatenate([e.rewards for e in make_episodes(policy.spec, 8)])
        assert 0.5 < policy.rewards.scale / logged.std() < 2.0, kind  # of the training episodes
        assert policy.value is None


def test_refuses_what_was_changed(policies, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(policies["continuous"], copy)
    with open(copy / "weights/networks.index", "ab") as stream:
        stream.write(b"x")
    with pytest.raises(LogoError, match="content differs"):
        load_policy(copy)
    with pytest.raises(LogoError, match="no such folder"):
        load_policy(tmp_path / "nowhere")


def test_metrics_are_lines_of_json(policies):
    lines = (policies["continuous"] / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]


@pytest.fixture(scope="module")
def remembering(tmp_path_factory, tiny_config, discrete_spec, make_episodes):
    """A policy with a memory, trained for a few steps."""
    from logo_tf.data.store import write_dataset

    folder = tmp_path_factory.mktemp("remembering")
    data = write_dataset(folder / "data", discrete_spec, make_episodes(discrete_spec, 8), {}, {})
    config = tiny_config("macql", steps=2, memory=4, window=2, burn_in=1)
    return load_policy(train_policy(data, config, 3, folder / "policy", loggers=[]))


def test_a_memory_goes_on_from_step_to_step(remembering, make_transitions):
    policy, spec = remembering, remembering.spec
    memory = np.zeros((6, spec.num_agents, 4), np.float32)
    alone = [tf.zeros((6, 4)) for _ in spec.agents]
    for t in range(3):
        rows = make_transitions(spec, 6, seed=t)
        observations, legal = rows.observations.numpy(), rows.legal_actions.numpy()
        if t == 0:
            first = policy.act(observations, legal, np.random.default_rng(0))
        graph, graph_memory = policy.graph_policy.act(
            rows.observations, rows.legal_actions, tf.constant(memory), tf.constant([0, 0])
        )
        actions, memory = policy.act_on(observations, legal, memory, np.random.default_rng(0))
        np.testing.assert_array_equal(actions, graph)
        np.testing.assert_allclose(memory, graph_memory, atol=1e-6)
        for i in range(spec.num_agents):
            scores, alone[i] = policy.agent_function(i)(rows.observations[:, i], alone[i])
            best = np.where(legal[:, i], scores, -np.inf).argmax(axis=-1)
            np.testing.assert_array_equal(best, actions[:, i])
            np.testing.assert_allclose(alone[i], memory[:, i], atol=1e-6)
        if t == 0:
            np.testing.assert_array_equal(first, actions)
    assert not np.allclose(memory, 0)


def test_a_memory_of_another_policy_is_refused(remembering):
    n = remembering.spec.num_agents
    rows, legal = np.zeros((1, n, 4), np.float32), np.ones((1, n, 4), bool)
    with pytest.raises(LogoError, match=r"memory has shape \(1, 3, 5\)"):
        remembering.act_on(rows, legal, np.zeros((1, n, 5)), np.random.default_rng(0))

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
    graph = policy.graph_policy(rows.observations, rows.legal_actions, tf.constant([0, 0]))
    np.testing.assert_array_equal(actions, graph)
    for agent in range(spec.num_agents):
        width = spec.observation_dims[agent]
        alone = policy.agent_function(agent)(rows.observations[:, agent, :width]).numpy()
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
    greedy = policy.graph_policy(rows.observations, rows.legal_actions, tf.constant([0, 1]))
    noisy = policy.exploring(0.3)(rows.observations, rows.legal_actions, tf.constant([0, 1]))
    assert not np.allclose(greedy, noisy)
    assert np.abs(noisy).max() <= 1.0


def test_agent_function_holds_plain_variables(policies):
    function = load_policy(policies["continuous"]).agent_function(1)
    assert function.observation_dim == 3
    assert function.action_dim == 1
    assert len(function.variables) == 6
    assert function(tf.zeros((2, 3))).shape == (2, 1)


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
        "weights/networks.index",
        "weights/networks.data-00000-of-00001",
    }


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

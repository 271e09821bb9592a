"""A bundle plays as its policy does."""

from types import SimpleNamespace

import numpy as np
import pytest

from logo_tf.agents.config import PolicyConfig
from logo_tf.errors import LogoError
from logo_tf.evaluation.edge_policy import EdgePolicy
from logo_tf.evaluation.returns import evaluate_policy
from logo_tf.export.bundle import write_bundle
from logo_tf.scenarios.registry import scenario_spec


def test_the_exported_team_earns_what_the_policy_does(untrained_policy, tmp_path):
    """In a real scenario, with actions that are the same to 1e-5 on the way."""
    name = "mamujoco/Swimmer-2x1"
    spec = scenario_spec(name)
    policy = untrained_policy(spec, PolicyConfig(algorithm="bc", width=32))
    write_bundle(policy, policy.manifest, tmp_path / "edge")
    edge = EdgePolicy(tmp_path / "edge")
    differences = []

    def both(observations, legal_actions, rng):
        wanted = policy.act(observations, legal_actions, rng)
        actions = edge.act(observations, legal_actions, rng)
        differences.append(np.abs(actions - wanted).max())
        return actions

    exported = evaluate_policy(name, SimpleNamespace(act=both), 1, seed=0, label=None)
    original = evaluate_policy(name, policy, 1, seed=0, label=None)
    assert max(differences) < 1e-5
    assert len(differences) >= spec.episode_limit
    np.testing.assert_allclose(exported.returns, original.returns, rtol=1e-2, atol=0.1)


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(LogoError, match="not a bundle"):
        EdgePolicy(tmp_path)

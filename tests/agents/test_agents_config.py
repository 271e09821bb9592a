import pytest

from logo_tf.agents.config import PlannerConfig, PolicyConfig
from logo_tf.config import from_dict, override, to_dict
from logo_tf.errors import LogoError


def test_round_trip():
    config = override(PolicyConfig(), ["algorithm=macql", "imagination.horizon=3", "tau=0.5"])
    assert from_dict(PolicyConfig, to_dict(config)) == config
    assert config.imagination.horizon == 3


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("width=0", "policy.width must be positive"),
        ("target_noise=-1", "policy.target_noise must not be negative"),
        ("batch_size=1", "policy.batch_size must be at least 2"),
        ("tau=0", "policy.tau must be in"),
        ("gamma=1.0", "policy.gamma must be in"),
        ("omar_weight=1.5", "policy.omar_weight must be in"),
        ("omar_rounds=0", "policy.omar_rounds must be positive"),
        ("checkpoint_every=300", "must be a multiple of policy.log_every"),
        ("imagination.temperature=0", "temperature must be positive"),
        ("cql_rows=fake", "'fake' is not valid; choose one of: all, imagined, real"),
        ("algorithm=sac", "'sac' is not valid"),
    ],
)
def test_refuses(setting, message):
    with pytest.raises(LogoError, match=message):
        override(PolicyConfig(), [setting])


def test_no_share_leaves_no_imagined_rows_to_push_down():
    settings = ["cql_rows=imagined", "imagination.share=0"]
    with pytest.raises(LogoError, match="policy.imagination.share is 0: raise it, or choose"):
        override(PolicyConfig(), settings)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("horizon=0", "planner.horizon must be at least 1"),
        ("candidates=2", "planner.candidates must be at least 3"),
        ("elites=0", "planner.elites must be at least 1"),
        ("elites=65", "planner.elites must be at most planner.candidates, got 65 and 64"),
        ("rounds=0", "planner.rounds must be at least 1"),
        ("initial_std=0", "planner.initial_std must be positive"),
        ("initial_uniform=0", "planner.initial_uniform must be in"),
        ("beta=-1", "planner.beta must not be negative"),
        ("smoothing=1", "planner.smoothing must be in"),
    ],
)
def test_the_planner_refuses(setting, message):
    with pytest.raises(LogoError, match=message):
        override(PlannerConfig(), [setting])

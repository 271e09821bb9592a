import subprocess
import sys

import pytest

from logo_tf.agents.registry import ALGORITHMS, algorithm, default_config
from logo_tf.errors import LogoError


def test_names_match_the_config(tiny_config):
    for name in ALGORITHMS:
        assert tiny_config(name).algorithm == name


def test_unknown_name(continuous_spec):
    with pytest.raises(LogoError, match="unknown algorithm 'macq'; did you mean 'macql'"):
        algorithm("macq", continuous_spec)


@pytest.mark.parametrize("name", ["matd3bc", "omar"])
def test_discrete_actions_are_refused_in_one_line(name, discrete_spec):
    with pytest.raises(LogoError, match="trains continuous actions, but toy/discrete has") as info:
        algorithm(name, discrete_spec)
    assert str(info.value).endswith("choose one of: bc, macql, cfcql, icq, omiga")
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_branches_fit_windows_by_default(kind):
    """So that every algorithm takes a world model as it is."""
    for name, kinds in ALGORITHMS.items():
        config = default_config(name, kind) if kind in kinds else None
        if config and kinds[kind].portion.endswith(":Windows"):
            assert config.window == config.imagination.horizon, name


def test_the_registry_imports_no_tf_agents():
    code = (
        "import sys, logo_tf.agents.registry, logo_tf.agents.config\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

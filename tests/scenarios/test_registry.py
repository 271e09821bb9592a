"""Scenarios by name."""

import subprocess
import sys

import pytest

from logo_tf.errors import LogoError
from logo_tf.scenarios.registry import make_scenario, scenario_names, scenario_spec


def test_names_are_sorted_and_complete():
    names = scenario_names()
    assert names == sorted(names)
    assert {"mamujoco/HalfCheetah-2x3", "mamujoco/HalfCheetah-6x1"} <= set(names)


def test_a_spec_carries_its_scenarios_name():
    assert scenario_spec("mamujoco/Swimmer-2x1").name == "mamujoco/Swimmer-2x1"


@pytest.mark.parametrize("function", [make_scenario, scenario_spec])
def test_unknown_name_offers_the_nearest(function):
    with pytest.raises(LogoError, match="did you mean 'mamujoco/HalfCheetah-2x3'"):
        function("mamujoco/HalfCheeta-2x3")


def test_keyword_arguments_reach_the_scenario():
    scenario = make_scenario("mamujoco/HalfCheetah-2x3", neighbours=0)
    assert scenario.spec.observation_dims == (11, 11)
    scenario.close()


def test_importing_the_registry_imports_no_environment():
    code = (
        "import sys; import logo_tf.scenarios.registry; "
        "assert not {'gymnasium', 'mujoco', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

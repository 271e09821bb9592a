"""The behaviour policies, learned or scripted, as team policies to collect data with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import logo_tf
from logo_tf.errors import LogoError, nearest
from logo_tf.scenarios.protocol import TeamPolicy
from logo_tf.scenarios.random_policy import RandomPolicy
from logo_tf.scenarios.registry import scenario_names, scenario_spec
from logo_tf.scenarios.saved_policy import saved_policy
from logo_tf.scenarios.smax_qualities import scripted_epsilons
from logo_tf.scenarios.smax_script import ScriptedPolicy
from logo_tf.specs import ScenarioSpec

Behaviour = Literal["shipped", "script"]
QUALITIES = ("random", "medium-replay", "medium", "medium-expert", "expert")
INDEX_FILE = "behaviour.json"
# What stands there for a version, where the script plays.
SCRIPT = "script"


def behaviour_policies(
    scenario_name: str,
    quality: str,
    directory: Path | None = None,
    behaviour: Behaviour = "shipped",
) -> list[tuple[float, TeamPolicy]]:
    """Return the policies that a dataset of some quality is collected with.

    ``random`` draws uniformly and exists for every scenario. The others are snapshots of
    one PPO run: ``expert`` its best (or SMAX's script, if that is better), ``medium`` one
    between, ``medium-expert`` those two in equal parts, ``medium-replay`` every snapshot up
    to the medium one in equal parts, as a replay buffer would hold. Maps of SMAX that no
    such run is shipped for are played by a script (``smax_script.ScriptedPolicy``) that is
    followed always, or but for random actions in a share of all:
    ``smax_qualities.scripted_epsilons`` says how many.

    Args:
      scenario_name: such as ``mamujoco/HalfCheetah-2x3``.
      quality: one of ``QUALITIES``.
      directory: holds ``NAME-behaviour/``; by default ``saved_models``
        beside the package.
      behaviour: ``shipped`` is as above, ``script`` the script in any case.

    Returns:
      (share of the episodes, policy), shares summing to 1.

    Raises:
      LogoError: unknown scenario or quality, or nothing is shipped for it, or no script
        plays it.
    """
    if scenario_name not in scenario_names():
        raise LogoError(
            f"unknown scenario {scenario_name!r}; {nearest(scenario_name, scenario_names())}"
        )
    if quality not in QUALITIES:
        raise LogoError(f"unknown quality {quality!r}; {nearest(quality, QUALITIES)}")
    if quality == "random":
        return [(1.0, RandomPolicy(scenario_spec(scenario_name)))]
    epsilons = script_mix(scenario_name, quality, directory, behaviour)
    if epsilons is not None:
        spec = scenario_spec(scenario_name)
        return [(1.0 / len(epsilons), ScriptedPolicy(spec, epsilon)) for epsilon in epsilons]
    folder = behaviour_folder(scenario_name, directory)
    index = read_behaviour_index(scenario_name, directory)
    try:
        spec = ScenarioSpec.from_dict(index["spec"])
        named = index["qualities"]
        versions = {
            "medium-replay": named["medium-replay"],
            "medium": [named["medium"]],
            "medium-expert": [named["medium"], named["expert"]],
            "expert": [named["expert"]],
        }[quality]
        stds = {
            version: index["versions"][str(version)].get("exploration_std")
            for version in versions
            if version != SCRIPT
        }
    except (KeyError, TypeError) as error:
        raise LogoError(
            f"{folder / INDEX_FILE} lacks {error} for quality {quality!r}; write it again with "
            "examples/train_behaviour_policies.py"
        ) from None

    def player(version: int | str) -> TeamPolicy:
        if version == SCRIPT:
            return ScriptedPolicy(spec)
        return saved_policy(spec, folder / str(version), stds[version])

    return [(1.0 / len(versions), player(version)) for version in versions]


def script_mix(
    scenario_name: str,
    quality: str,
    directory: Path | None = None,
    behaviour: Behaviour = "shipped",
) -> tuple[float, ...] | None:
    """Return how often the scripted players err that a quality mixes; None if it is learned.

    Args: as ``behaviour_policies``, of any quality but ``random``.

    Raises:
      LogoError: the script is asked for, and none plays the scenario.
    """
    epsilons = scripted_epsilons(scenario_name, quality)
    if behaviour == "script" and epsilons is None:
        raise LogoError(
            f"no script plays {scenario_name!r}, only SMAX has one; leave out --behaviour"
        )
    learned = (behaviour_folder(scenario_name, directory) / INDEX_FILE).is_file()
    return epsilons if behaviour == "script" or not learned else None


def behaviour_folder(scenario_name: str, directory: Path | None = None) -> Path:
    """Return the folder of a scenario's behaviour policies, whether it exists or not."""
    if directory is None:
        directory = Path(logo_tf.__file__).parent.parent / "saved_models"
    return directory / f"{scenario_name.rpartition('/')[2]}-behaviour"


def read_behaviour_index(scenario_name: str, directory: Path | None = None) -> dict[str, Any]:
    """Read ``behaviour.json``: the run, its learning curve, versions and qualities.

    Raises:
      LogoError: nothing is shipped for the scenario, or the file cannot be read.
    """
    path = behaviour_folder(scenario_name, directory) / INDEX_FILE
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LogoError(
            f"no behaviour policies for {scenario_name!r} at {path.parent}; use quality "
            "'random' or train them with examples/train_behaviour_policies.py"
        ) from None
    except (OSError, ValueError) as error:
        raise LogoError(f"{path} cannot be read: {error}; restore it") from None
    return index

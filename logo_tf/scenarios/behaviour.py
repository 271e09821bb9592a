"""The behaviour policies, shipped or scripted, as team policies to collect data with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import logo_tf
from logo_tf.errors import LogoError, nearest
from logo_tf.scenarios.protocol import TeamPolicy
from logo_tf.scenarios.random_policy import RandomPolicy
from logo_tf.scenarios.registry import scenario_names, scenario_spec
from logo_tf.scenarios.smax_qualities import scripted_epsilons
from logo_tf.scenarios.smax_script import ScriptedPolicy
from logo_tf.specs import ScenarioSpec

QUALITIES = ("random", "medium-replay", "medium", "medium-expert", "expert")
INDEX_FILE = "behaviour.json"


class SavedModelPolicy:
    """A ``TeamPolicy``: a SavedModel's mean action plus Gaussian noise, within the bounds."""

    def __init__(self, spec: ScenarioSpec, path: Path, exploration_std: np.ndarray) -> None:
        """Load the model.

        Args:
          spec: of the scenario it acts in.
          path: the SavedModel, with the signature ``serving_default``.
          exploration_std: (A,) or (N, A), in units of the action; 0 acts greedily.

        Raises:
          LogoError: there is no such SavedModel, or the std does not fit the spec.
        """
        import tensorflow as tf  # costs seconds; the rest of the package does without

        self._spec = spec
        self._std = np.asarray(exploration_std, np.float32)
        if self._std.shape not in ((spec.action_dim,), spec.action_shape):
            raise LogoError(
                f"{path}: exploration_std has shape {self._std.shape}, expected "
                f"({spec.action_dim},) or {spec.action_shape}; ship its {INDEX_FILE} again"
            )
        try:
            # The signature dies with its model, so the model is kept.
            self._model = tf.saved_model.load(str(path))
            self._serve = self._model.signatures["serving_default"]
        except (OSError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise LogoError(f"{path} is not a behaviour policy's SavedModel: {reason}") from None

    def act(
        self, observations: np.ndarray, legal_actions: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose joint actions for the whole batch in one call.

        Args:
          observations: (B, N, O) float32.
          legal_actions: (B, N, 0); unused, all actions within the bounds are legal.
          rng: the source of the noise.

        Returns:
          (B, N, A) float32, zero where padded.
        """
        import tensorflow as tf

        actions = self._serve(observations=tf.constant(observations))["actions"].numpy()
        noise = self._std * rng.standard_normal(actions.shape, np.float32)
        actions = np.clip(actions + noise, self._spec.action_low, self._spec.action_high)
        return actions.astype(np.float32)


def behaviour_policies(
    scenario_name: str, quality: str, directory: Path | None = None
) -> list[tuple[float, TeamPolicy]]:
    """Return the policies that a dataset of some quality is collected with.

    ``random`` draws uniformly and exists for every scenario. The others of MaMuJoCo are
    snapshots of one PPO run: ``expert`` its best, ``medium`` one about two thirds there,
    ``medium-expert`` those two in equal parts, ``medium-replay`` every snapshot up to
    the medium one in equal parts, as a replay buffer would hold. SMAX's are one script
    (``smax_script.ScriptedPolicy``) that is followed always, or but for random actions
    in a share of all: ``smax_qualities.scripted_epsilons`` says how many.

    Args:
      scenario_name: such as ``mamujoco/HalfCheetah-2x3``.
      quality: one of ``QUALITIES``.
      directory: holds ``ROBOT-PARTITION-behaviour/``; by default ``saved_models``
        beside the package.

    Returns:
      (share of the episodes, policy), shares summing to 1.

    Raises:
      LogoError: unknown scenario or quality, or nothing is shipped for it.
    """
    if scenario_name not in scenario_names():
        raise LogoError(
            f"unknown scenario {scenario_name!r}; {nearest(scenario_name, scenario_names())}"
        )
    if quality not in QUALITIES:
        raise LogoError(f"unknown quality {quality!r}; {nearest(quality, QUALITIES)}")
    if quality == "random":
        return [(1.0, RandomPolicy(scenario_spec(scenario_name)))]
    epsilons = scripted_epsilons(scenario_name, quality)
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
        stds = [index["versions"][str(version)]["exploration_std"] for version in versions]
    except (KeyError, TypeError) as error:
        raise LogoError(
            f"{folder / INDEX_FILE} lacks {error} for quality {quality!r}; write it again with "
            "examples/train_behaviour_policies.py"
        ) from None
    return [
        (1.0 / len(versions), SavedModelPolicy(spec, folder / str(version), np.asarray(std)))
        for version, std in zip(versions, stds, strict=True)
    ]


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

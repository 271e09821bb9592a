"""Behaviour policies from SavedModels, as team policies that explore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from logo_tf.errors import LogoError
from logo_tf.scenarios.drawing import draw
from logo_tf.scenarios.protocol import TeamPolicy
from logo_tf.specs import ScenarioSpec


def saved_policy(
    spec: ScenarioSpec, path: Path, exploration_std: ArrayLike | None = None
) -> TeamPolicy:
    """Load a behaviour policy of a scenario's kind of action.

    Args:
      spec: of the scenario it acts in.
      path: the SavedModel.
      exploration_std: as ``SavedModelPolicy`` takes it; not used where agents choose.

    Raises:
      LogoError: there is no such SavedModel, or the std does not fit the spec.
    """
    if spec.discrete:
        return SampledPolicy(spec, path)
    return SavedModelPolicy(spec, path, np.asarray(exploration_std))


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
        self._spec = spec
        self._std = np.asarray(exploration_std, np.float32)
        if self._std.shape not in ((spec.action_dim,), spec.action_shape):
            raise LogoError(
                f"{path}: exploration_std has shape {self._std.shape}, expected "
                f"({spec.action_dim},) or {spec.action_shape}; ship its behaviour.json again"
            )
        # The signature dies with its model, so the model is kept.
        self._model, self._serve = _load(path)

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


class SampledPolicy:
    """A ``TeamPolicy``: every agent draws a legal action by a SavedModel's probabilities."""

    def __init__(self, spec: ScenarioSpec, path: Path) -> None:
        """Load the model.

        Args:
          spec: of the scenario it acts in.
          path: the SavedModel, with the signature ``serving_default``.

        Raises:
          LogoError: there is no such SavedModel.
        """
        self._spec = spec
        self._model, self._serve = _load(path)

    def act(
        self, observations: np.ndarray, legal_actions: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose joint actions for the whole batch in one call.

        Args:
          observations: (B, N, O) float32.
          legal_actions: (B, N, A) bool.
          rng: draws the actions.

        Returns:
          (B, N) int32, legal.

        Raises:
          LogoError: an agent has no legal action.
        """
        import tensorflow as tf

        if not np.all(np.any(legal_actions, axis=-1)):
            raise LogoError(
                f"{self._spec.name}: an agent has no legal action; check the scenario's mask"
            )
        answer = self._serve(
            observations=tf.constant(observations),
            legal_actions=tf.constant(legal_actions, tf.float32),
        )
        return draw(answer["probabilities"].numpy(), rng)


def _load(path: Path) -> tuple[Any, Callable[..., Any]]:
    """The model and its signature."""
    import tensorflow as tf  # costs seconds; the rest of the package does without

    try:
        model = tf.saved_model.load(str(path))
        return model, model.signatures["serving_default"]
    except (OSError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise LogoError(f"{path} is not a behaviour policy's SavedModel: {reason}") from None

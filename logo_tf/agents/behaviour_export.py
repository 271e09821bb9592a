"""Writes a behaviour policy as a small SavedModel in TensorFlow Serving's layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

from logo_tf.agents.behaviour import NORMALIZED_CLIP, NORMALIZED_EPSILON, PolicyWeights
from logo_tf.agents.behaviour_heads import shared_bounds
from logo_tf.specs import ScenarioSpec


class _SharedPolicy(tf.Module):
    """The shared layers, decentralised: agent n reads only its own row."""

    def __init__(self, spec: ScenarioSpec, weights: PolicyWeights) -> None:
        super().__init__(name="behaviour_policy")
        self._layers = [
            (tf.Variable(kernel, trainable=False), tf.Variable(bias, trainable=False))
            for kernel, bias in zip(weights.kernels, weights.biases, strict=True)
        ]
        self._normal: tuple[tf.Tensor, tf.Tensor] | None = None
        if weights.mean is not None and weights.variance is not None:
            scale = 1.0 / np.sqrt(weights.variance + NORMALIZED_EPSILON)
            self._normal = tf.constant(weights.mean, tf.float32), tf.constant(scale, tf.float32)
        self._identity = tf.eye(spec.num_agents)
        self._seen = tf.TensorSpec(
            (None, spec.num_agents, spec.observation_dim), tf.float32, "observations"
        )

    def _outputs(self, observations: tf.Tensor) -> tf.Tensor:
        """(B, N, O) observations to what the last layer answers, (B, N, A)."""
        batch = tf.shape(observations)[0]
        who = tf.broadcast_to(self._identity, tf.concat([[batch], self._identity.shape], 0))
        hidden = tf.concat([observations, who], axis=-1)
        if self._normal is not None:
            mean, scale = self._normal
            hidden = (hidden - mean) * scale
            hidden = tf.clip_by_value(hidden, -NORMALIZED_CLIP, NORMALIZED_CLIP)
        for kernel, bias in self._layers[:-1]:
            hidden = tf.tanh(tf.tensordot(hidden, kernel, 1) + bias)
        kernel, bias = self._layers[-1]
        return tf.tensordot(hidden, kernel, 1) + bias


class MeanPolicy(_SharedPolicy):
    """The shared policy's mean action."""

    def __init__(self, spec: ScenarioSpec, weights: PolicyWeights) -> None:
        """Copy the weights.

        Args:
          spec: sizes N, O and A, and the action bounds.
          weights: a snapshot of the trained policy.
        """
        super().__init__(spec, weights)
        low, high = shared_bounds(spec)
        self._middle = tf.constant((high + low) / 2.0, tf.float32)
        self._reach = tf.constant((high - low) / 2.0, tf.float32)
        self._mask = tf.constant(spec.action_mask)
        self.serve = tf.function(self._serve, input_signature=[self._seen], autograph=False)

    def _serve(self, observations: tf.Tensor) -> dict[str, tf.Tensor]:
        """(B, N, O) observations to ``{"actions": (B, N, A)}`` within the bounds."""
        squashed = tf.tanh(self._outputs(observations))
        return {"actions": (self._middle + self._reach * squashed) * self._mask}


class ChoicePolicy(_SharedPolicy):
    """How likely the shared policy is to choose each legal action."""

    def __init__(self, spec: ScenarioSpec, weights: PolicyWeights) -> None:
        """Args: as ``MeanPolicy``."""
        super().__init__(spec, weights)
        legal = tf.TensorSpec((None, spec.num_agents, spec.action_dim), tf.float32, "legal_actions")
        self.serve = tf.function(self._serve, input_signature=[self._seen, legal], autograph=False)

    def _serve(self, observations: tf.Tensor, legal_actions: tf.Tensor) -> dict[str, tf.Tensor]:
        """Also (B, N, A) legal above 0.5; to ``{"probabilities": (B, N, A)}``, 0 if illegal."""
        legal = legal_actions > 0.5
        logits = tf.where(legal, self._outputs(observations), tf.float32.min)
        return {"probabilities": tf.where(legal, tf.nn.softmax(logits), 0.0)}


def export_behaviour(spec: ScenarioSpec, weights: PolicyWeights, directory: Path) -> None:
    """Write the SavedModel ``directory`` (NAME/VERSION), replacing what is there.

    Its signature ``serving_default`` takes ``observations`` (B, N, O) float32 and returns
    ``actions`` (B, N, A) float32; where agents choose it takes ``legal_actions`` (B, N, A)
    float32 as well and returns ``probabilities`` (B, N, A) float32. It is written
    aside and renamed, so a server that watches NAME never loads half of it.
    """
    aside = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    module = ChoicePolicy(spec, weights) if spec.discrete else MeanPolicy(spec, weights)
    tf.saved_model.save(module, str(aside), signatures={"serving_default": module.serve})
    shutil.rmtree(directory, ignore_errors=True)
    aside.rename(directory)

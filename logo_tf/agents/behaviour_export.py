"""Writes a behaviour policy as a small SavedModel in TensorFlow Serving's layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

from logo_tf.agents.behaviour import (
    NORMALIZED_CLIP,
    NORMALIZED_EPSILON,
    PolicyWeights,
    shared_bounds,
)
from logo_tf.specs import ScenarioSpec


class MeanPolicy(tf.Module):
    """The shared policy's mean action, decentralised: agent n reads only its own row."""

    def __init__(self, spec: ScenarioSpec, weights: PolicyWeights) -> None:
        """Copy the weights.

        Args:
          spec: sizes N, O and A, and the action bounds.
          weights: a snapshot of the trained policy.
        """
        super().__init__(name="behaviour_policy")
        low, high = shared_bounds(spec)
        self._layers = [
            (tf.Variable(kernel, trainable=False), tf.Variable(bias, trainable=False))
            for kernel, bias in zip(weights.kernels, weights.biases, strict=True)
        ]
        self._mean = tf.constant(weights.mean, tf.float32)
        self._scale = tf.constant(1.0 / np.sqrt(weights.variance + NORMALIZED_EPSILON), tf.float32)
        self._middle = tf.constant((high + low) / 2.0, tf.float32)
        self._reach = tf.constant((high - low) / 2.0, tf.float32)
        self._mask = tf.constant(spec.action_mask)
        self._identity = tf.eye(spec.num_agents)
        self.serve = tf.function(
            self._serve,
            input_signature=[
                tf.TensorSpec(
                    (None, spec.num_agents, spec.observation_dim), tf.float32, "observations"
                )
            ],
            autograph=False,
        )

    def _serve(self, observations: tf.Tensor) -> dict[str, tf.Tensor]:
        """(B, N, O) observations to ``{"actions": (B, N, A)}`` within the bounds."""
        batch = tf.shape(observations)[0]
        who = tf.broadcast_to(self._identity, tf.concat([[batch], self._identity.shape], 0))
        hidden = tf.concat([observations, who], axis=-1)
        hidden = (hidden - self._mean) * self._scale
        hidden = tf.clip_by_value(hidden, -NORMALIZED_CLIP, NORMALIZED_CLIP)
        for kernel, bias in self._layers:
            # The last layer's tanh squashes into the bounds.
            hidden = tf.tanh(tf.tensordot(hidden, kernel, 1) + bias)
        return {"actions": (self._middle + self._reach * hidden) * self._mask}


def export_behaviour(spec: ScenarioSpec, weights: PolicyWeights, directory: Path) -> None:
    """Write the SavedModel ``directory`` (NAME/VERSION), replacing what is there.

    Its signature ``serving_default`` takes ``observations`` (B, N, O) float32 and
    returns ``actions`` (B, N, A) float32. It is written aside and renamed, so a
    server that watches NAME never loads half of it.
    """
    aside = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    module = MeanPolicy(spec, weights)
    tf.saved_model.save(module, str(aside), signatures={"serving_default": module.serve})
    shutil.rmtree(directory, ignore_errors=True)
    aside.rename(directory)

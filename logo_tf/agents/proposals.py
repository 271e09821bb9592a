"""What a planner draws joint action sequences from, and fits to the best of them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from logo_tf.agents.config import PlannerConfig
from logo_tf.agents.units import from_unit, to_unit
from logo_tf.specs import ScenarioSpec

# The least chance of an action, before what is illegal is left out: where nothing that is
# proposed is legal, the draw is uniform over what is.
_LEAST = 1e-6
_TINY = float(np.finfo(np.float32).tiny)


class Proposal(Protocol):
    """The distribution that a search draws from, of one kind of action.

    A sequence is held as a tensor (h, N, A), here called a plan, from which the joint action
    of a step follows once it is known what is legal there.
    """

    def first(self, own: tf.Tensor) -> Any:
        """The distribution a search begins with.

        Args:
          own: (B, h, N) or (B, h, N, A) the joint actions of the policy.

        Returns:
          A nest of tensors (B, h, N, A).
        """

    def noise(self, shape: tuple[int, ...], seed: tf.Tensor) -> tf.Tensor:
        """What draws are made of: ``shape``, a function of the seed (2,) alone."""

    def plans(self, fitted: Any, own: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Plans (B, 2 + D, h, N, A): the policy's, the distribution's middle, and D draws.

        Args:
          fitted: the distribution.
          own: as ``first``'s.
          noise: (B, D, h, N, A).
        """

    def actions(self, step: tf.Tensor, legal_actions: tf.Tensor) -> tf.Tensor:
        """The joint actions of one step of R plans.

        Args:
          step: (R, N, A) of the plans.
          legal_actions: (R, N, L) bool.

        Returns:
          (R, N) int32, legal ones, or (R, N, A) float32 within the bounds.
        """

    def refit(self, fitted: Any, elites: tf.Tensor) -> Any:
        """The distribution moved towards K sequences of joint actions, (B, K, h, N[, A])."""


class Gaussian(NamedTuple):
    """mean, std: (B, h, N, A), in units in which the bounds are -1 and 1."""

    mean: tf.Tensor
    std: tf.Tensor


class GaussianProposal:
    """Every number of a sequence drawn by itself, around the policy's, cut at the bounds."""

    def __init__(self, spec: ScenarioSpec, config: PlannerConfig) -> None:
        """Args: spec: of continuous actions; config: ``initial_std`` and ``smoothing``."""
        self._spec = spec
        self._initial_std = config.initial_std
        self._smoothing = config.smoothing

    def first(self, own: tf.Tensor) -> Gaussian:
        """Around the policy's own actions."""
        mean = to_unit(self._spec, own)
        return Gaussian(mean, tf.fill(tf.shape(mean), self._initial_std))

    def noise(self, shape: tuple[int, ...], seed: tf.Tensor) -> tf.Tensor:
        """Standard normal."""
        return tf.random.stateless_normal(shape, seed)

    def plans(self, fitted: Gaussian, own: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """A plan is the actions in units of their bounds."""
        middle = fitted.mean[:, None]
        drawn = middle + fitted.std[:, None] * noise
        plans = tf.concat([to_unit(self._spec, own)[:, None], middle, drawn], axis=1)
        return tf.clip_by_value(plans, -1.0, 1.0)

    def actions(self, step: tf.Tensor, legal_actions: tf.Tensor) -> tf.Tensor:
        """Nothing within the bounds is illegal."""
        del legal_actions
        return from_unit(self._spec, step)

    def refit(self, fitted: Gaussian, elites: tf.Tensor) -> Gaussian:
        """Mean and standard deviation of the elites."""
        unit = to_unit(self._spec, elites)
        found = Gaussian(tf.reduce_mean(unit, axis=1), tf.math.reduce_std(unit, axis=1))
        return Gaussian(*(self._moved(*pair) for pair in zip(fitted, found, strict=True)))

    def _moved(self, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        return self._smoothing * old + (1.0 - self._smoothing) * new


class CategoricalProposal:
    """Every agent's choice of every step drawn by itself, among what is legal in that step.

    A plan is a preference for each choice, the logarithm of its chance plus Gumbel noise:
    the largest of the legal ones falls on each with its chance among them, and so the
    imagined step decides what is drawn.
    """

    def __init__(self, spec: ScenarioSpec, config: PlannerConfig) -> None:
        """Args: spec: of discrete actions; config: ``initial_uniform`` and ``smoothing``."""
        self._spec = spec
        self._uniform = config.initial_uniform
        self._smoothing = config.smoothing

    def first(self, own: tf.Tensor) -> tf.Tensor:
        """(B, h, N, A) chances: a mixture of the policy's choices and of all that exist."""
        exists = self._spec.action_mask
        uniform = exists / exists.sum(axis=-1, keepdims=True)
        return (1.0 - self._uniform) * self._one_hot(own) + self._uniform * uniform

    def noise(self, shape: tuple[int, ...], seed: tf.Tensor) -> tf.Tensor:
        """Gumbel."""
        uniform = tf.random.stateless_uniform(shape, seed, minval=_TINY)
        return -tf.math.log(-tf.math.log(uniform))

    def plans(self, fitted: tf.Tensor, own: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """The policy's plan prefers its own choices alone."""
        middle = tf.math.log(fitted + _LEAST)[:, None]
        return tf.concat([self._one_hot(own)[:, None], middle, middle + noise], axis=1)

    def actions(self, step: tf.Tensor, legal_actions: tf.Tensor) -> tf.Tensor:
        """The legal action that is preferred most."""
        legal = legal_actions & tf.constant(self._spec.action_mask > 0)
        preferred = tf.where(legal, step, step.dtype.min)
        return tf.argmax(preferred, axis=-1, output_type=tf.int32)

    def refit(self, fitted: tf.Tensor, elites: tf.Tensor) -> tf.Tensor:
        """How often the elites chose what."""
        found = tf.reduce_mean(self._one_hot(elites), axis=1)
        return self._smoothing * fitted + (1.0 - self._smoothing) * found

    def _one_hot(self, actions: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(actions, self._spec.action_dim)


def make_proposal(spec: ScenarioSpec, config: PlannerConfig) -> Proposal:
    """The proposal for the scenario's kind of action."""
    if spec.discrete:
        return CategoricalProposal(spec, config)
    return GaussianProposal(spec, config)

"""Imagined branches: a policy acts in the world model, H steps in one graph call (4.4)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from logo_tf.data.transitions import Transitions, transitions_spec
from logo_tf.errors import LogoError
from logo_tf.world_model.protocol import (
    Prediction,
    Simulator,
    next_agent_mask,
    next_legal,
    prediction_spec,
)

Imagine = Callable[..., "Rollout"]
# So many branches (a batch whose size is known) are imagined in so many portions, whatever the
# number of cores, which results must not depend on: 1.5 times as fast on two (5,000 branches of
# HalfCheetah-2x3; 2 times with 50,000).
_LARGE = 4096
_PORTIONS = 4
Choose = Callable[[tf.Tensor, "Branch"], tuple[tf.Tensor, tf.Tensor]]


class GraphPolicy(NamedTuple):
    """A policy as a pure graph function.

    act: (observations (B, N, O), legal_actions (B, N, L) bool, memory (B, N, M), seed (2,)
    int32) -> joint actions and the memory after them; memory_dim: M, 0 without a memory.
    """

    act: Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    memory_dim: int = 0


class Memories(NamedTuple):
    """What is remembered where branches start: policy: (B, N, M); model: (B, N, M')."""

    policy: tf.Tensor
    model: tf.Tensor


class Rollout(NamedTuple):
    """H imagined steps of B branches.

    transitions: fields lead with (H, B); valid: (H, B) float32, 1 up to and with the
    step that is predicted to end the branch; uncertainty: (H, B), Eq. 5 at each step.
    """

    transitions: Transitions
    valid: tf.Tensor
    uncertainty: tf.Tensor


class Branch(NamedTuple):
    """Where the branches stand; ``running`` (B,) is 0 once a branch has ended."""

    observations: tf.Tensor
    state: tf.Tensor
    legal_actions: tf.Tensor
    agent_mask: tf.Tensor
    memories: Memories
    running: tf.Tensor


def make_imagine(model: Simulator, policy: GraphPolicy, horizon: int) -> Imagine:
    """Build the function that imagines.

    Branches begin at real rows, act with the policy among legal actions only, take the
    model's mean prediction as the next row, and stop at predicted endings (probability
    above one half). Steps after that are computed but marked invalid. Time limits are
    not imagined. Predictions are clipped to the range of the training data, so a branch
    cannot run away. Many branches are imagined in a few portions side by side: where an
    operation has one thread, that keeps several cores busy.

    Args:
      model: the world model; its current weights are read at every call.
      policy: the policy; likewise.
      horizon: H, at least 1.

    Returns:
      A graph function (start, seed[, memories]) -> ``Rollout``. ``start`` is a batch of
      ``Transitions`` (B, ...), of which the rows before the action are used; ``seed``
      (2,) int32 is split per step and handed to the policy; ``memories`` are those of
      ``make_remember``, by default none. Equal inputs and weights give equal rollouts.

    Raises:
      LogoError: horizon below 1.
    """
    if horizon < 1:
        raise LogoError(f"imagination: horizon must be at least 1, got {horizon}")

    def imagine_from(branch: Branch, seed: tf.Tensor) -> Rollout:
        def choose(t: tf.Tensor, now: Branch) -> tuple[tf.Tensor, tf.Tensor]:
            own = tf.random.fold_in(seed, t)
            return policy.act(now.observations, now.legal_actions, now.memories.policy, own)

        return unroll(model, choose, branch, horizon)[1]

    @tf.function(autograph=False)
    def imagine(start: Transitions, seed: tf.Tensor, memories: Memories | None = None) -> Rollout:
        if memories is None:
            memories = _nothing(model, policy, tf.shape(start.state)[0])
        branch = Branch(
            start.observations,
            start.state,
            start.legal_actions,
            start.agent_mask,
            memories,
            tf.ones(tf.shape(start.state)[:1]),
        )

        rows = start.state.shape[0] or 0  # unknown to a graph of any number of branches
        if rows < _LARGE:
            return imagine_from(branch, seed)
        bounds = [rows * number // _PORTIONS for number in range(_PORTIONS + 1)]
        found = [
            imagine_from(
                tf.nest.map_structure(lambda values, a=a, b=b: values[a:b], branch),
                tf.random.fold_in(seed, number),
            )
            for number, (a, b) in enumerate(itertools.pairwise(bounds))
        ]
        return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=1), *found)

    return imagine


def unroll(
    model: Simulator,
    choose: Choose,
    start: Branch,
    horizon: int | tf.Tensor,
    keep: Callable[[Rollout, Prediction], Any] = lambda step, predicted: step,
) -> tuple[Branch, Any]:
    """Take H imagined steps, inside of a graph function; ``make_imagine`` says how.

    Args:
      model: the world model.
      choose: (step number (), ``Branch``) -> joint actions, and what ``memories.policy`` is
        after them.
      start: where the branches stand.
      horizon: H, at least 1.
      keep: picks what is kept of a step, out of a ``Rollout`` and what was predicted.

    Returns:
      Where the branches stand afterwards, and what was kept, led by (H, B).
    """
    scalar = tf.TensorSpec((), tf.float32)
    kept = tf.nest.map_structure(
        lambda one: tf.TensorArray(one.dtype, horizon, element_shape=(None, *one.shape)),
        keep(
            Rollout(transitions_spec(model.spec), scalar, scalar),
            prediction_spec(model.spec, model.memory_dim),
        ),
    )

    def advance(t: tf.Tensor, branch: Branch, kept: Any) -> tuple:
        actions, memory = choose(t, branch)
        after, step, predicted = _step(model, branch, actions, memory)
        values = keep(step, predicted)
        kept = tf.nest.map_structure(lambda array, value: array.write(t, value), kept, values)
        return t + 1, after, kept

    _, last, kept = tf.while_loop(lambda t, *_: t < horizon, advance, (tf.constant(0), start, kept))
    return last, tf.nest.map_structure(lambda array: array.stack(), kept)


def rows_first(steps: tf.Tensor) -> tf.Tensor:
    """What ``unroll`` kept, (H, B, ...) -> (B, H, ...)."""
    return tf.transpose(steps, (1, 0, *range(2, len(steps.shape))))


def make_remember(
    model: Simulator, policy: GraphPolicy
) -> Callable[[Transitions, tf.Tensor], Memories]:
    """Build the function that fills both memories before branches start.

    Returns:
      A graph function of real rows (B, C, ...) that lead up to the start and which of
      them are of the episode, (B, C): rows outside leave the memories empty.
    """

    @tf.function(autograph=False)
    def remember(rows: Transitions, inside: tf.Tensor) -> Memories:
        memories = _nothing(model, policy, tf.shape(inside)[0])
        unseeded = tf.zeros(2, tf.int32)  # it draws actions, which the logged ones replace
        for t in range(inside.shape[1]):
            now = tf.nest.map_structure(lambda field, t=t: field[:, t], rows)
            _, ours = policy.act(now.observations, now.legal_actions, memories.policy, unseeded)
            theirs = model.observe(
                now.state, now.observations, now.actions, now.agent_mask, memories.model
            )
            counts = inside[:, t, None, None] > 0
            memories = tf.nest.map_structure(
                lambda new, old, counts=counts: tf.where(counts, new, old),
                Memories(ours, theirs),
                memories,
            )
        return memories

    return remember


def _nothing(model: Simulator, policy: GraphPolicy, rows: tf.Tensor) -> Memories:
    """Empty memories of so many branches."""
    sizes = policy.memory_dim, model.memory_dim
    return Memories(*(tf.zeros((rows, model.spec.num_agents, size)) for size in sizes))


def _step(
    model: Simulator, branch: Branch, actions: tf.Tensor, memory: tf.Tensor
) -> tuple[Branch, Rollout, Prediction]:
    """One step of every branch; ``memory``: of whoever chose the actions, after them."""
    spec = model.spec
    actions = tf.cast(actions, tf.as_dtype(spec.action_dtype))
    predicted = model.step(
        branch.state, branch.observations, actions, branch.agent_mask, branch.memories.model
    )
    legal = next_legal(predicted, spec)
    alive = branch.agent_mask * next_agent_mask(legal, spec)
    observations = predicted.observations * alive[..., None]  # the dead see zeros, as in the data
    terminals = tf.cast(predicted.termination > 0.5, tf.float32)
    step = Transitions(
        observations=branch.observations,
        state=branch.state,
        actions=actions,
        rewards=predicted.reward,
        next_observations=observations,
        next_state=predicted.state,
        terminals=terminals,
        legal_actions=branch.legal_actions,
        next_legal_actions=legal,
        agent_mask=branch.agent_mask,
        next_agent_mask=alive,
    )
    running = branch.running * (1.0 - terminals)
    after = Branch(
        observations, predicted.state, legal, alive, Memories(memory, predicted.memory), running
    )
    return after, Rollout(step, branch.running, predicted.uncertainty), predicted

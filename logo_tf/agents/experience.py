"""What agents train on: the package's ``Transitions`` as TF-Agents transitions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import policy_step, trajectory
from tf_agents.trajectories import time_step as ts

from logo_tf.data.transitions import Transitions
from logo_tf.replicas import global_sums
from logo_tf.specs import ScenarioSpec


def policy_observation_spec(spec: ScenarioSpec) -> dict[str, tf.TensorSpec]:
    """What a policy may look at: each agent's own observation and its legal actions."""
    n = spec.num_agents
    return {
        "observations": tf.TensorSpec((n, spec.observation_dim), tf.float32, "observations"),
        "legal_actions": tf.TensorSpec((n, spec.legal_dim), tf.bool, "legal_actions"),
    }


def time_step_spec(spec: ScenarioSpec) -> ts.TimeStep:
    """The time step of a team, as its policy sees it."""
    return ts.time_step_spec(policy_observation_spec(spec))


def action_spec(spec: ScenarioSpec) -> tensor_spec.BoundedTensorSpec:
    """The joint action: (N, A) within the bounds, or (N,) of A choices."""
    if spec.discrete:
        return tensor_spec.BoundedTensorSpec(
            spec.action_shape, tf.int32, 0, spec.action_dim - 1, "actions"
        )
    return tensor_spec.BoundedTensorSpec(
        spec.action_shape, tf.float32, spec.action_low, spec.action_high, "actions"
    )


def experience_spec(spec: ScenarioSpec) -> trajectory.Transition:
    """One row of experience, without a batch axis: see ``to_experience``."""
    seen = {
        **policy_observation_spec(spec),
        "state": tf.TensorSpec((spec.state_dim,), tf.float32, "state"),
        "agent_mask": tf.TensorSpec((spec.num_agents,), tf.float32, "agent_mask"),
    }
    return trajectory.Transition(
        time_step=ts.time_step_spec(seen),
        action_step=policy_step.PolicyStep(
            action=action_spec(spec),
            info={
                "synthetic": tf.TensorSpec((), tf.float32, "synthetic"),
                "inside": tf.TensorSpec((), tf.float32, "inside"),
            },
        ),
        next_time_step=ts.time_step_spec(seen),
    )


def to_experience(
    transitions: Transitions, synthetic: tf.Tensor, inside: tf.Tensor
) -> trajectory.Transition:
    """Rewrite a batch for an agent.

    Training needs more than acting: the observation also holds the global state and the
    agent mask. The discount is 0 where the scenario ended and 1 elsewhere, at time limits
    too: there a value function goes on.

    Args:
      transitions: (B, ...), or windows (B, T, ...).
      synthetic: (B,) or (B, T) float32, 1 where a row was imagined: what only real data
        can support (behaviour cloning) is left out there.
      inside: likewise, 0 on rows of windows that are of no episode.

    Returns:
      A TF-Agents ``Transition`` (B, ...) or (B, T, ...) of ``experience_spec``.
    """
    rows = tf.shape(transitions.rewards)
    ended = transitions.terminals > 0
    return trajectory.Transition(
        time_step=ts.TimeStep(
            step_type=tf.fill(rows, ts.StepType.MID),
            reward=tf.zeros(rows),
            discount=tf.ones(rows),
            observation=_seen(
                transitions.observations,
                transitions.legal_actions,
                transitions.state,
                transitions.agent_mask,
            ),
        ),
        action_step=policy_step.PolicyStep(
            action=transitions.actions, info={"synthetic": synthetic, "inside": inside}
        ),
        next_time_step=ts.TimeStep(
            step_type=tf.where(ended, ts.StepType.LAST, ts.StepType.MID),
            reward=transitions.rewards,
            discount=1.0 - transitions.terminals,
            observation=_seen(
                transitions.next_observations,
                transitions.next_legal_actions,
                transitions.next_state,
                transitions.next_agent_mask,
            ),
        ),
    )


def experience_stream(
    real: tf.data.Dataset, imagined: tf.data.Dataset | None = None, context: int = 0
) -> tf.data.Dataset:
    """Join a real and an imagined stream into one of experience.

    The join waits in no buffer: an imagined batch is drawn when the step that trains on
    it asks for it, so a refresh of the synthetic store shows from that step on, and a
    resumed run sees what an uninterrupted one would.

    Args:
      real: ``Transitions`` (B_r, ...), or windows (B_r, T, ...) and which of their rows
        are of the episode, (B_r, T).
      imagined: the same of B_s, or None where nothing is imagined.
      context: how many rows of an imagined window come first that are real.

    Returns:
      What TF-Agents' ``Learner`` takes: (experience (B_r + B_s, ...), ()).
    """

    def plain(rows: Transitions, inside: tf.Tensor) -> tuple[trajectory.Transition, tuple[()]]:
        return to_experience(rows, tf.zeros_like(inside), inside), ()

    def join(ours: Any, theirs: Any) -> tuple[trajectory.Transition, tuple[()]]:
        rows, inside = tf.nest.map_structure(lambda a, b: tf.concat([a, b], 0), ours, theirs)
        flags = tf.ones_like(theirs[1])
        if context:
            flags *= tf.cast(tf.range(flags.shape[1]) >= context, tf.float32)
        return to_experience(rows, tf.concat([tf.zeros_like(ours[1]), flags], 0), inside), ()

    if imagined is None:
        return _marked(real).map(plain)
    options = tf.data.Options()
    options.autotune.enabled = False  # it may add a prefetch, and so a buffer
    both = tf.data.Dataset.zip((_marked(real), _marked(imagined)))
    return both.map(join).with_options(options)


def imagined_share(experience: trajectory.Transition, burn_in: int) -> tf.Tensor:
    """() share of the imagined among a batch's rows that losses stand on.

    Ends cut windows short, so it is not the share of imagined windows.

    Args:
      experience: (B, ...) or windows (B, T, ...).
      burn_in: how many rows of a window come first that only fill memories.
    """
    info = experience.action_step.info
    inside, synthetic = (info[name][..., burn_in:] for name in ("inside", "synthetic"))
    imagined, rows = global_sums(tf.reduce_sum(inside * synthetic), tf.reduce_sum(inside))
    return tf.math.divide_no_nan(imagined, rows)


def _marked(stream: tf.data.Dataset) -> tf.data.Dataset:
    """Rows and which of them count; single transitions all do."""
    if not isinstance(stream.element_spec, Transitions):
        return stream
    return stream.map(lambda rows: (rows, tf.ones_like(rows.rewards)))


def _seen(
    observations: tf.Tensor, legal_actions: tf.Tensor, state: tf.Tensor, agent_mask: tf.Tensor
) -> dict[str, tf.Tensor]:
    return {
        "observations": observations,
        "legal_actions": legal_actions,
        "state": state,
        "agent_mask": agent_mask,
    }

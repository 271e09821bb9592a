"""What LOGO is trained on: Eqs. 2 to 4 put together over one-step and open-loop predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from logo_tf.data.transitions import Transitions
from logo_tf.replicas import row_numbers
from logo_tf.world_model.base import Start
from logo_tf.world_model.losses import (
    forecast_losses,
    observation_error,
    reconstruction_error,
    squared_error,
    weigh,
)
from logo_tf.world_model.supervision import Masks, Targets, join_time, masks_of, targets_of

if TYPE_CHECKING:
    from logo_tf.world_model.logo import LogoWorldModel, Paths


def losses(
    model: LogoWorldModel, batch: Transitions, mask: tf.Tensor, unroll: int
) -> dict[str, tf.Tensor]:
    """All losses of a batch of windows.

    Every row is predicted one step ahead. Beyond that, ``unroll`` - 1 further steps are
    predicted open loop from each window's row C, under the logged actions.

    Args:
      model: LOGO.
      batch: (B, C + T, ...) windows of real transitions, C rows to remember first.
      mask: (B, C + T) float32, 0 for rows outside the episode.
      unroll: open-loop steps, 1 to T.

    Returns:
      Scalars by name; ``loss`` is the weighted sum that training minimises.
    """
    flat = tf.nest.map_structure(join_time, batch)
    start = model.start(flat.state, flat.observations, flat.actions, flat.agent_mask)
    start = _remembering(model, start, mask)
    targets, masks = (
        targets_of(model.scaling, flat),
        masks_of(model.scaling, flat, tf.reshape(mask, [-1])),
    )
    named, paths = _one_step(model, start, targets, masks, mask.shape[1])
    total = _weigh(model, named)
    if unroll > 1:
        further = _open_loop(model, batch, mask, start, paths, unroll)
        total += model.config.unroll_weight * _weigh(model, further)
        named |= {f"open_loop_{name}": value for name, value in further.items()}
    return {"loss": total, **named}


def _one_step(
    model: LogoWorldModel, start: Start, targets: Targets, masks: Masks, length: int
) -> tuple[dict[str, tf.Tensor], Paths]:
    """Losses of all rows one step ahead, with every reconstruction."""
    local, observations = model.predict_locally(start)
    # With the gradient flowing into ô' one-step errors fall, but open-loop rollouts break.
    seen = tf.stop_gradient(model.visible(start, local, observations))
    taught = _taught_rows(model, tf.shape(seen)[0], length)
    seen = tf.where(taught[:, None, None], targets.observations, seen)
    paths = model.deduce(start, local, observations, seen)
    deductive_rows = returned_rows = masks.rows
    if model.config.logo.deductive_training == "mixed":
        deductive_rows *= tf.where(taught, 1.0, model.config.logo.predicted_weight)
        # A step returns what follows from ô': what follows from real o' errs less.
        returned_rows *= tf.where(taught, 0.0, 1.0)
    named = _prediction(model, start, paths, targets, masks, deductive_rows, returned_rows)
    named |= _reconstructions(model, start, paths, targets, masks)
    return named, paths


def _remembering(model: LogoWorldModel, start: Start, mask: tf.Tensor) -> Start:
    """Give every row (B*T,) the memory that the window's rows before it leave."""
    length = mask.shape[1]
    if not model.memory_dim or length == 1:
        return start
    time_first = tf.nest.map_structure(
        lambda values: tf.unstack(tf.reshape(values, (-1, length, *values.shape[1:])), axis=1),
        start,
    )
    memory, memories = time_first.memory[0], []
    for t in range(length):
        memories.append(memory)
        now = Start(*(values[t] for values in time_first))
        memory = tf.where(
            mask[:, t, None, None] > 0, model.remember(now._replace(memory=memory)), memory
        )
    return start._replace(memory=join_time(tf.stack(memories, axis=1)))


def _open_loop(
    model: LogoWorldModel,
    batch: Transitions,
    mask: tf.Tensor,
    first: Start,
    paths: Paths,
    unroll: int,
) -> dict[str, tf.Tensor]:
    """Mean losses of the steps after the first, fed with the model's own predictions."""
    config, length, begin = model.config, mask.shape[1], model.context

    def row(values: tf.Tensor) -> tf.Tensor:
        return tf.reshape(values, (-1, length, *values.shape[1:]))[:, begin]

    start = tf.nest.map_structure(row, first)
    state, observations = row(paths.state), row(paths.observations)
    steps: list[dict[str, tf.Tensor]] = []
    for t in range(begin + 1, begin + unroll):
        now = tf.nest.map_structure(lambda x, t=t: x[:, t], batch)
        memory = model.remember(start)
        real = model.start(now.state, now.observations, now.actions, now.agent_mask, memory)
        if config.unroll_gradient == "stopped":
            state, observations = tf.stop_gradient(state), tf.stop_gradient(observations)
        start = real._replace(state=state, observations=observations * real.alive[..., None])
        local, predicted = model.predict_locally(start)
        seen = tf.stop_gradient(model.visible(start, local, predicted))
        ahead = model.deduce(start, local, predicted, seen)
        state, observations = ahead.state, ahead.observations
        targets, masks = targets_of(model.scaling, now), masks_of(model.scaling, now, mask[:, t])
        steps.append(_prediction(model, start, ahead, targets, masks, masks.rows, masks.rows))
    return {name: tf.add_n([step[name] for step in steps]) / len(steps) for name in steps[0]}


def _prediction(
    model: LogoWorldModel,
    start: Start,
    paths: Paths,
    targets: Targets,
    masks: Masks,
    deductive_rows: tf.Tensor,
    returned_rows: tf.Tensor,
) -> dict[str, tf.Tensor]:
    """The prediction terms of Eqs. 2 and 3, and the losses of ŝ' and of what is fused.

    Args:
      model: LOGO.
      start: where the step began.
      paths: what it said.
      targets: what happened.
      masks: what counts.
      deductive_rows: (B,) weight of each row for E_d's means.
      returned_rows: (B,) for what is fused and for all spreads.
    """
    forecast = model.told(start, paths)
    named = forecast_losses(forecast, targets, masks, deductive_rows, returned_rows)
    state, observations = named.pop("state"), named.pop("observations")
    if model.config.logo.feedback == "fused":
        named["fused_state"] = state
    if model.config.logo.observation_feedback == "fused":
        named["fused_observations"] = observations
    named["observations"] = observation_error(paths.predicted, targets, masks)
    for name, part, rows in (
        ("deduced_state", paths.deduced, deductive_rows),
        ("auxiliary_state", paths.auxiliary, masks.rows),
    ):
        named[name] = squared_error(part, targets.state, rows[:, None] * masks.state)
    return named


def _reconstructions(
    model: LogoWorldModel, start: Start, paths: Paths, targets: Targets, masks: Masks
) -> dict[str, tf.Tensor]:
    """Second terms of Eqs. 2 and 3, and Eq. 4 in the chosen reading."""
    spec, config = model.spec, model.config
    named = {}
    if config.logo.local_reconstruction:
        inputs = tf.concat([start.observations, start.actions], axis=-1)
        real = np.concatenate([spec.observation_mask, spec.action_mask], axis=-1)
        decoded = model.local_decoder(paths.predicted)
        named["local_reconstruction"] = reconstruction_error(decoded, inputs, real, masks)
    inferred = [paths.deduced]
    if config.logo.regularisation_weight and config.logo.regularisation == "states":
        inferred.append(paths.auxiliary)
    # One pass of D_d over s̄' (Eq. 3) and, in reading a of Eq. 4, ŝ'.
    of_deduced, *of_auxiliary = tf.split(
        model.deductive_decoder(tf.concat(inferred, axis=0)), len(inferred)
    )
    if of_auxiliary:
        named["regularisation"] = observation_error(of_auxiliary[0], targets, masks)
    elif config.logo.regularisation_weight:
        seen = model.visible(start, paths.local, paths.predicted)
        through = model.deduce(start, paths.local, paths.predicted, seen)
        dims = masks.rows[:, None] * masks.state
        named["regularisation"] = (
            observation_error(model.deductive_decoder(through.deduced), targets, masks)
            + squared_error(through.deduced, targets.state, dims)
            + squared_error(through.deductive.reward, targets.reward, masks.rows)
        )
    named["deductive_reconstruction"] = observation_error(of_deduced, targets, masks)
    return named


def _weigh(model: LogoWorldModel, named: dict[str, tf.Tensor]) -> tf.Tensor:
    logo = model.config.logo
    weights = {
        "fused_state": logo.fusion_weight,
        "fused_observations": logo.fusion_weight,
        "local_reconstruction": logo.local_reconstruction,
        "deductive_reconstruction": logo.deductive_reconstruction,
        "regularisation": logo.regularisation_weight,
    }
    return weigh(named, model.config.loss_weights | weights)


def _taught_rows(model: LogoWorldModel, rows: tf.Tensor, length: int) -> tf.Tensor:
    """(rows,) bool: where E_d is given real o'; never the row that is unrolled."""
    index = tf.range(rows) if length > 1 else row_numbers(rows)
    time = (index - model.context) % length
    reading = model.config.logo.deductive_training
    if reading == "mixed":
        return (time if length > 1 else index) % 2 == 1
    if reading == "real":
        return time >= min(length - 1, 1)
    return tf.zeros_like(index, tf.bool)

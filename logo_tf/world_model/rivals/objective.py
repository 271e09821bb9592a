"""What rivals are trained on: the same errors as LOGO's predictions, without its tricks."""

from __future__ import annotations

import tensorflow as tf

from logo_tf.data.transitions import Transitions
from logo_tf.world_model.base import BaseWorldModel
from logo_tf.world_model.losses import forecast_losses, weigh
from logo_tf.world_model.supervision import join_time, masks_of, targets_of


def losses(
    model: BaseWorldModel, batch: Transitions, mask: tf.Tensor, unroll: int
) -> dict[str, tf.Tensor]:
    """All losses of a batch of windows, for a model without a memory.

    Every row is predicted one step ahead; ``unroll`` - 1 further steps are predicted open
    loop from each window's first row, under the logged actions, as in LOGO's training.

    Args:
      model: the rival.
      batch: (B, T, ...) windows of real transitions.
      mask: (B, T) float32 weight of each row, 0 past an episode's end.
      unroll: open-loop steps, 1 to T.

    Returns:
      Scalars by name; ``loss`` is the weighted sum that training minimises.
    """
    config, scaling, length = model.config, model.scaling, mask.shape[1]
    flat = tf.nest.map_structure(join_time, batch)
    start = model.start(flat.state, flat.observations, flat.actions, flat.agent_mask)
    ahead = model.forecast(start)
    rows = tf.reshape(mask, [-1])
    named = forecast_losses(ahead, targets_of(scaling, flat), masks_of(scaling, flat, rows))
    total = weigh(named, config.loss_weights)
    if unroll == 1:
        return {"loss": total, **named}

    state = tf.reshape(ahead.state, (-1, length, *ahead.state.shape[1:]))[:, 0]
    observations = tf.reshape(ahead.observations, (-1, length, *ahead.observations.shape[1:]))[:, 0]
    steps: list[dict[str, tf.Tensor]] = []
    for t in range(1, unroll):
        now = tf.nest.map_structure(lambda values, t=t: values[:, t], batch)
        if config.unroll_gradient == "stopped":
            state, observations = tf.stop_gradient(state), tf.stop_gradient(observations)
        real = model.start(now.state, now.observations, now.actions, now.agent_mask)
        ahead = model.forecast(
            real._replace(state=state, observations=observations * real.alive[..., None])
        )
        state, observations = ahead.state, ahead.observations
        targets = targets_of(scaling, now)
        steps.append(forecast_losses(ahead, targets, masks_of(scaling, now, mask[:, t])))
    further = {name: tf.add_n([step[name] for step in steps]) / len(steps) for name in steps[0]}
    total += config.unroll_weight * weigh(further, config.loss_weights)
    named |= {f"open_loop_{name}": value for name, value in further.items()}
    return {"loss": total, **named}

"""How the MAMBA rival is trained: filtered over real rows, then predicted open loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

from logo_tf import seeds
from logo_tf.data.transitions import Transitions
from logo_tf.replicas import draw_rows, global_sums
from logo_tf.world_model.base import Forecast, Start
from logo_tf.world_model.losses import forecast_losses, weigh, weighted_mean
from logo_tf.world_model.rivals.mamba_networks import (
    balanced_divergence,
    probabilities,
    straight_through,
)
from logo_tf.world_model.supervision import join_time, masks_of, targets_of

if TYPE_CHECKING:
    from logo_tf.world_model.rivals.mamba import MambaWorldModel


class Filtered(NamedTuple):
    """Latents after each of the B * T rows of windows.

    h: (B*T, N, H); z: (B*T, N, G*C) of the posterior; posterior, prior: (B*T, N, G, C) logits.
    """

    h: tf.Tensor
    z: tf.Tensor
    posterior: tf.Tensor
    prior: tf.Tensor


def losses(
    model: MambaWorldModel, batch: Transitions, mask: tf.Tensor, unroll: int
) -> dict[str, tf.Tensor]:
    """All losses of a batch of windows.

    The posterior is run over the real rows in sequence. After each row o', s', r, the
    ending and the legal actions are predicted from the prior's z', and, as DreamerV2 does,
    reconstructed from the posterior's; the divergence of the two is charged above
    ``free_nats``. From the first row after the context ``unroll`` - 1 further steps are
    predicted on imagined latents, under the logged actions.

    Args:
      model: the rival.
      batch: (B, C + T, ...) windows of real transitions, C rows of context first.
      mask: (B, C + T) float32 weight of each row, 0 outside the episode.
      unroll: open-loop steps, 1 to T.

    Returns:
      Scalars by name; ``loss`` is the weighted sum that training minimises.
    """
    config, scaling = model.config, model.scaling
    flat = tf.nest.map_structure(join_time, batch)
    start = model.start(flat.state, flat.observations, flat.actions, flat.agent_mask)
    found = filter_rows(model, batch, mask, start)
    rows = join_time(mask)
    targets, masks = targets_of(scaling, flat), masks_of(scaling, flat, rows)

    # One pass of the heads over both kinds of latents.
    twice = tf.nest.map_structure(lambda values: tf.concat([values, values], axis=0), start)
    latents = tf.concat([found.z, probabilities(found.prior)], axis=0)
    decoded = model.decode(twice, tf.concat([found.h, found.h], axis=0), latents)
    halves = tf.nest.map_structure(lambda values: tf.split(values, 2), decoded)
    rebuilt, ahead = (Forecast(*(half[k] for half in halves)) for k in range(2))

    named = forecast_losses(ahead, targets, masks)
    rebuilding = forecast_losses(rebuilt, targets, masks)
    del rebuilding["spread"]  # variances are those of predictions
    lived = tf.reduce_max(masks.observations, axis=-1) * rows[:, None]
    divergence = weighted_mean(balanced_divergence(found.posterior, found.prior), lived)
    total = weigh(named, config.loss_weights)
    total += config.mamba.reconstruction_weight * weigh(rebuilding, config.loss_weights)
    total += config.mamba.kl_weight * tf.maximum(divergence, config.mamba.free_nats)
    named["divergence"] = divergence
    named |= {f"reconstructed_{name}": value for name, value in rebuilding.items()}
    if unroll > 1:
        further = _open_loop(model, batch, mask, unroll, ahead)
        total += config.unroll_weight * weigh(further, config.loss_weights)
        named |= {f"open_loop_{name}": value for name, value in further.items()}
    return {"loss": total, **named}


def _open_loop(
    model: MambaWorldModel, batch: Transitions, mask: tf.Tensor, unroll: int, ahead: Forecast
) -> dict[str, tf.Tensor]:
    """Mean losses of the steps after the one ``ahead`` (B * T, ...) of the first row says."""
    context, length = model.context, mask.shape[1]
    ahead = tf.nest.map_structure(
        lambda values: tf.reshape(values, (-1, length, *values.shape[1:]))[:, context], ahead
    )
    steps: list[dict[str, tf.Tensor]] = []
    for t in range(context + 1, context + unroll):
        if model.config.unroll_gradient == "stopped":
            ahead = tf.nest.map_structure(tf.stop_gradient, ahead)
        now = tf.nest.map_structure(lambda values, t=t: values[:, t], batch)
        real = model.start(now.state, now.observations, now.actions, now.agent_mask)
        ahead = model.imagine(
            real._replace(
                state=ahead.state,
                observations=ahead.observations * real.alive[..., None],
                memory=ahead.memory,
            )
        )
        targets, masks = targets_of(model.scaling, now), masks_of(model.scaling, now, mask[:, t])
        steps.append(forecast_losses(ahead, targets, masks))
    return {name: tf.add_n([step[name] for step in steps]) / len(steps) for name in steps[0]}


def filter_rows(
    model: MambaWorldModel, batch: Transitions, mask: tf.Tensor, start: Start
) -> Filtered:
    """Run the posterior over the rows of windows, in sequence.

    Args:
      model: the rival.
      batch: (B, T, ...) raw.
      mask: (B, T); rows of weight 0 leave the memory as it was.
      start: (B * T, ...) the rows' beginnings.
    """
    core, length = model.core, mask.shape[1]
    alive = _seen(batch.agent_mask, batch.next_agent_mask, mask)
    observed = _seen(batch.observations, batch.next_observations, mask)
    lives = join_time(alive)
    encoded = core.encode(model.scaling.observations(join_time(observed), lives), lives)
    encoded = tf.unstack(tf.reshape(encoded, (-1, length + 1, *encoded.shape[1:])), axis=1)
    actions = tf.reshape(start.actions, (-1, length, *start.actions.shape[1:]))

    sampled = model.config.mamba.latents == "sampled"
    noise = tf.unstack(gumbel_noise(model, batch, mask)) if sampled else None

    def latents(t: int, logits: tf.Tensor) -> tf.Tensor:
        return probabilities(logits) if noise is None else straight_through(logits, noise[t])

    h = model.no_memory(tf.shape(mask)[0])[..., : model.config.mamba.memory]
    z = latents(0, core.posterior(h, encoded[0]))
    after: list[tuple[tf.Tensor, tf.Tensor, tf.Tensor]] = []
    for t in range(length):
        advanced = core.advance(h, z, actions[:, t], batch.agent_mask[:, t])
        h = tf.where(mask[:, t, None, None] > 0, advanced, h)
        posterior = core.posterior(h, encoded[t + 1])
        z = latents(t + 1, posterior)
        after.append((h, z, posterior))
    h, z, posterior = (join_time(tf.stack(values, axis=1)) for values in zip(*after, strict=True))
    return Filtered(h, z, posterior, core.prior(h))


def gumbel_noise(model: MambaWorldModel, batch: Transitions, mask: tf.Tensor) -> tf.Tensor:
    """Standard Gumbel noise (T + 1, B, N, G, C), a function of the batch alone.

    The seed is a hash of the real rows' states, as of ``bootstrap_weights``: no generator
    has to be saved for a training that resumes to the bit, and padding moves nothing.
    """
    mamba, length = model.config.mamba, mask.shape[1]
    odd = seeds.generator(0, "mamba noise").integers(2**30, size=batch.state.shape[-1]) * 2 + 1
    bits = tf.cast(tf.bitcast(batch.state, tf.int32), tf.int64) * odd
    place = tf.range(1, length + 1, dtype=tf.int64)
    mixed = tf.reduce_sum(bits, axis=-1) * place * tf.cast(mask > 0, tf.int64)
    shape = (length + 1, tf.shape(mask)[0], model.spec.num_agents, mamba.groups, mamba.classes)
    (total,) = global_sums(tf.reduce_sum(mixed))
    key = tf.stack([total, tf.constant(0, tf.int64)])
    uniform = draw_rows(
        lambda shape: tf.random.stateless_uniform(shape, key, 1e-6, 1.0 - 1e-6), shape, axis=1
    )
    return -tf.math.log(-tf.math.log(uniform))


def _seen(before: tf.Tensor, after: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """What is seen before each row and after the last, (B, T, ...) -> (B, T + 1, ...).

    Before row t + 1 that is what row t led to, but where row t is padding, only row t + 1
    knows.
    """
    real = tf.concat([mask[:, :-1] > 0, tf.ones_like(mask[:, -1:], tf.bool)], axis=1)
    real = tf.reshape(real, (-1, mask.shape[1], *[1] * (len(before.shape) - 2)))
    following = tf.concat([before[:, 1:], after[:, -1:]], axis=1)
    return tf.concat([before[:, :1], tf.where(real, after, following)], axis=1)

"""MAMBA's properties: its memory, what it masks, what it learns from, resuming."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from logo_tf import artifacts
from logo_tf.data import pipeline
from logo_tf.data.standardisation import standardisation
from logo_tf.errors import LogoError
from logo_tf.world_model.artifact import load_world_model
from logo_tf.world_model.config import MambaConfig, WorldModelConfig
from logo_tf.world_model.open_loop import open_loop
from logo_tf.world_model.registry import build
from logo_tf.world_model.rivals import mamba_objective
from logo_tf.world_model.trainer import train_world_model

C = 2  # rows of burn-in
SMALL = {"memory": 6, "groups": 2, "classes": 3, "heads": 2, "burn_in": C, "layer_share": 1.0}
M = 6 + 2 * 3 + 1


@pytest.fixture(scope="module")
def make(datasets, tiny_settings):
    """``make("discrete", seed=0, **mamba)``: an untrained model."""

    def make(kind, seed=0, **mamba):
        config = WorldModelConfig(**tiny_settings, kind="mamba", mamba=MambaConfig(**SMALL | mamba))
        dataset = datasets[kind]
        return build(config, dataset.spec, standardisation(dataset), seed)

    return make


@pytest.fixture(scope="module", params=["continuous", "discrete"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind, make):
    return make(kind)


@pytest.fixture(scope="module")
def shown(datasets, kind):
    """Windows of two rows of context and two more, and their mask (6, 4)."""
    return next(iter(pipeline.windows(datasets[kind], None, 2, 6, seed=3, context=C)))


@pytest.fixture(scope="module")
def arguments(shown):
    return _arguments(_row(shown[0], C))


def _row(batch, t):
    return tf.nest.map_structure(lambda values: values[:, t], batch)


def _arguments(row):
    return row.state, row.observations, row.actions, row.agent_mask


def _assert_same(first, second):
    for a, b in zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def _losses_and_gradients(model, batch, mask, unroll):
    with tf.GradientTape() as tape:
        losses = model.losses(batch, mask, unroll)
    return losses, tape.gradient(losses["loss"], model.trainable_variables)


def test_step_has_the_shapes_it_promises(model, arguments):
    spec, prediction = model.spec, model.step(*arguments)
    n, o, s = spec.num_agents, spec.observation_dim, spec.state_dim
    assert (model.memory_dim, model.context) == (M, C)
    assert prediction.observations.shape == prediction.observations_std.shape == (6, n, o)
    assert prediction.state.shape == prediction.state_std.shape == (6, s)
    assert prediction.legal_actions.shape == (6, n, spec.legal_dim)
    assert prediction.memory.shape == (6, n, M)
    for scalar in ("reward", "reward_std", "termination", "uncertainty"):
        assert getattr(prediction, scalar).shape == (6,)
    assert (prediction.uncertainty.numpy() > 0).all()
    padded = prediction.observations.numpy()[:, spec.observation_mask == 0]
    assert (padded == 0).all()


def test_equal_seeds_are_equal_models_and_steps_draw_nothing(kind, make, model, arguments):
    first = model.step(*arguments)
    for a, b in zip(first, make(kind).step(*arguments), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.allclose(make(kind, seed=1).step(*arguments).state, first.state)


def test_real_rows_are_remembered_and_change_what_follows(model, shown, arguments):
    before = _row(shown[0], 1)
    nothing = model.no_memory(6)
    memory = model.observe(*_arguments(before), nothing)
    assert memory.shape == nothing.shape
    np.testing.assert_array_equal(memory[..., -1], np.zeros(memory.shape[:2]))
    remembering = model.step(*arguments, memory)
    assert not np.allclose(remembering.state, model.step(*arguments, nothing).state)
    # What was imagined before a real row is forgotten, but for h.
    imagined = tf.concat([tf.zeros_like(memory[..., :6]), tf.ones_like(memory[..., 6:])], axis=-1)
    np.testing.assert_array_equal(model.observe(*_arguments(before), imagined), memory)


def test_an_imagined_row_is_not_encoded_again(model, arguments):
    """Only the heads see the predicted o; h and the latents go on from the prior's z."""
    state, observations, actions, alive = arguments
    memory = model.step(*arguments).memory
    np.testing.assert_array_equal(memory[..., -1], np.ones(memory.shape[:2]))
    latents = memory.numpy()[..., 6:-1].reshape(6, -1, 2, 3)
    np.testing.assert_allclose(latents.sum(axis=-1), 1.0, rtol=1e-5)
    other = observations + 1.0
    first = model.step(state, observations, actions, alive, memory)
    second = model.step(state, other, actions, alive, memory)
    np.testing.assert_array_equal(first.memory, second.memory)
    real = memory * tf.constant([1.0] * (M - 1) + [0.0])
    first = model.step(state, observations, actions, alive, real)
    second = model.step(state, other, actions, alive, real)
    assert not np.allclose(first.memory, second.memory)


def test_imagining_is_forecasting_with_an_imagined_memory(model, arguments):
    start = model.start(*arguments, memory=model.step(*arguments).memory)
    _assert_same(model.imagine(start), model.forecast(start))


def test_the_dead_are_seen_by_nobody(model, arguments):
    state, observations, actions, _ = arguments
    n = model.spec.num_agents
    alive = tf.constant([[1.0] * (n - 1) + [0.0]] * 6)
    memory = model.step(state, observations, actions, alive).memory
    first = model.step(state, observations, actions, alive, memory)
    dead = (1.0 - alive)[..., None]
    if model.spec.discrete:
        changed = tf.where(alive > 0, actions, (actions + 1) % 4)
    else:
        changed = actions + dead
    second = model.step(state, observations + dead, changed, alive, memory + 0.5 * dead)
    assert (first.observations.numpy()[:, -1] == 0).all()
    for name in ("state", "reward", "termination", "observations", "legal_actions"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-5)
    _assert_same(first.memory[:, :-1], second.memory[:, :-1])


def test_agents_are_alike_but_for_their_ids(make, datasets):
    """With the weights of the ids at zero, agents can be renamed."""
    model = make("discrete")
    n, a, o = model.spec.num_agents, model.spec.action_dim, model.spec.observation_dim
    core = model.core
    core.cell(tf.zeros((1, core.embedding.hidden[0].units)), tf.zeros((1, 6)))
    for layer, inputs in ((core.embedding, 2 * 3 + a), (core.encoder, o + 1)):
        kernel = layer.hidden[0].kernel
        assert kernel.shape[0] == inputs + n
        kernel.assign(tf.concat([kernel[:inputs], tf.zeros_like(kernel[inputs:])], axis=0))
    rng = np.random.default_rng(0)
    observations = tf.constant(rng.normal(size=(4, n, o)), tf.float32)
    actions = tf.one_hot(rng.integers(a, size=(4, n)), a)
    start = model.start(tf.zeros((4, 6)), tf.zeros((4, n, o)), tf.ones((4, n), tf.int32),
                        tf.ones((4, n)))  # fmt: skip
    start = start._replace(observations=observations, actions=actions)
    order = [2, 0, 1]
    renamed = start._replace(
        observations=tf.gather(observations, order, axis=1),
        actions=tf.gather(actions, order, axis=1),
    )
    first, second = model.forecast(start), model.forecast(renamed)
    for name in ("memory", "observations", "legal_logits"):
        expected = tf.gather(getattr(first, name), order, axis=1)
        np.testing.assert_allclose(getattr(second, name), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("latents", ["soft", "sampled"])
def test_losses_are_finite_and_teach_every_weight(kind, make, shown, latents):
    model = make(kind, latents=latents, free_nats=0.0)
    batch, mask = shown
    for unroll in (1, 2):
        losses, gradients = _losses_and_gradients(model, batch, mask, unroll)
        assert all(np.isfinite(value) for value in losses.values())
        assert ("open_loop_state" in losses) == (unroll == 2)
        for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
            assert np.isfinite(gradient).all(), weight.path
            assert np.abs(gradient).max() > 0, weight.path
    _assert_same(_losses_and_gradients(model, batch, mask, 2)[0], losses)


@pytest.mark.parametrize("latents", ["soft", "sampled"])
def test_rows_outside_the_episode_teach_nothing(kind, make, shown, latents):
    model, (batch, mask) = make(kind, latents=latents), shown
    mask = mask.numpy()
    mask[0], mask[1] = [0, 0, 1, 1], [0, 1, 1, 0]
    outside = mask == 0

    def garbled(values):
        values = values.numpy()
        values[outside] = 1 if values.dtype == bool else values[outside] * 0 + 1
        return tf.constant(values)

    first = _losses_and_gradients(model, batch, tf.constant(mask), 2)
    second = _losses_and_gradients(
        model, tf.nest.map_structure(garbled, batch), tf.constant(mask), 2
    )
    _assert_same(first, second)


def test_filtering_in_training_is_observing(make, datasets):
    """What training remembers of soft latents is what ``observe`` leaves, padding left out."""
    model = make("continuous")
    batch, mask = next(iter(pipeline.windows(datasets["continuous"], None, 2, 16, 3, context=C)))
    assert (mask.numpy()[:, 0] == 0).any()
    flat = tf.nest.map_structure(lambda x: tf.reshape(x, (-1, *x.shape[2:])), batch)
    start = model.start(flat.state, flat.observations, flat.actions, flat.agent_mask)
    found = tf.reshape(mamba_objective.filter_rows(model, batch, mask, start).h, (16, 4, 2, 6))
    memory = model.no_memory(16)
    for t in range(4):
        after = model.observe(*_arguments(_row(batch, t)), memory)
        memory = tf.where(mask[:, t, None, None] > 0, after, memory)
        _assert_same(found[:, t], memory[..., :6])


def test_noise_depends_on_the_real_rows_alone(make, window):
    model = make("continuous", latents="sampled")
    batch, mask = window("continuous", length=3)
    mask = np.ones(mask.shape, np.float32) * [1, 1, 0]

    def noise(state):
        return mamba_objective.gumbel_noise(model, batch._replace(state=state), mask).numpy()

    first = noise(batch.state)
    assert first.shape == (4, 6, 2, 2, 3)
    np.testing.assert_array_equal(first, noise(batch.state + np.array([0, 0, 1.0])[:, None]))
    assert not np.allclose(first, noise(batch.state + np.array([0, 1.0, 0])[:, None]))
    assert abs(first.mean() - 0.577) < 0.25  # Euler's constant, the mean of a standard Gumbel


def test_open_loop_is_a_loop_of_observe_and_step(kind, make, shown):
    model, (batch, mask) = make(kind), shown
    bias = model._local.mean.bias
    legal = tf.range(bias.shape[0]) >= model.spec.observation_dim
    bias.assign(tf.where(legal, 9.0, bias))  # nobody dies: who lives is open_loop's own matter
    predicted = open_loop(model, batch, mask, C)
    memory = model.no_memory(6)
    for t in range(C):
        after = model.observe(*_arguments(_row(batch, t)), memory)
        memory = tf.where(mask[:, t, None, None] > 0, after, memory)
    first = _row(batch, C)
    state, observations = first.state, first.observations
    for t in range(2):
        actions = batch.actions[:, C + t]
        step = model.step(state, observations, actions, first.agent_mask, memory)
        _assert_same([value[t] for value in predicted], list(step))
        state, observations, memory = step.state, step.observations, step.memory


class Dies:
    """A logger that raises at a step, as a killed process would end there."""

    def write(self, step, metrics):
        if step == 10:
            raise KeyboardInterrupt

    def close(self):
        pass


@pytest.mark.long
def test_resumed_training_is_the_same_to_the_bit(datasets, tiny_settings, tmp_path):
    """Also with draws: their noise is a function of the batch."""
    mamba = MambaConfig(**SMALL, latents="sampled")
    config = WorldModelConfig(**tiny_settings, kind="mamba", mamba=mamba)
    data = datasets["discrete"]
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    train_world_model(data, config, 5, whole, [])
    with pytest.raises(KeyboardInterrupt):
        train_world_model(data, config, 5, resumed, [Dies()])
    train_world_model(data, config, 5, resumed, [])
    first, second = (artifacts.load_manifest(path) for path in (whole, resumed))
    assert first.hash == second.hash
    loaded = load_world_model(whole)
    assert loaded.memory_dim == M
    assert first.figures["state_nrmse"]["1"] > 0


def test_refusals(tiny_settings):
    with pytest.raises(LogoError, match=r"mamba\.memory must be above 0"):
        MambaConfig(memory=0)
    with pytest.raises(LogoError, match=r"mamba\.burn_in must not be negative"):
        MambaConfig(burn_in=-1)
    with pytest.raises(LogoError, match="kl_weight is negative"):
        MambaConfig(kl_weight=-1.0)
    with pytest.raises(LogoError, match="8 rows of burn-in and 2 more; it must be at least 10"):
        WorldModelConfig(**tiny_settings, kind="mamba")

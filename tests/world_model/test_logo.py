"""LOGO's properties: symmetry, readings, both paths, memory."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.data import pipeline
from logo_tf.world_model.config import LogoConfig
from logo_tf.world_model.objective import _remembering
from logo_tf.world_model.open_loop import open_loop, remember
from logo_tf.world_model.protocol import next_agent_mask, next_legal


def _losses_and_gradients(model, batch, mask, unroll):
    with tf.GradientTape() as tape:
        losses = model.losses(batch, mask, unroll)
    return losses, tape.gradient(losses["loss"], model.trainable_variables)


def _assert_same(first, second):
    for a, b in zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module", params=["continuous", "discrete"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind, tiny_model):
    return tiny_model(kind)


@pytest.fixture(scope="module")
def arguments(kind, window):
    batch, _ = window(kind)
    first = tf.nest.map_structure(lambda x: x[:, 0], batch)
    return first.state, first.observations, first.actions, first.agent_mask


def test_equal_seeds_are_equal_models(kind, tiny_model, model, arguments):
    _assert_same(tiny_model(kind).step(*arguments), model.step(*arguments))
    other = tiny_model(kind, seed=1).step(*arguments)
    assert not np.allclose(other.state, model.step(*arguments).state)


def test_uncertainty_is_the_distance_of_the_two_paths(model, arguments):
    paths = model.predict(model.start(*arguments))
    gap = np.linalg.norm(paths.auxiliary - paths.deduced, axis=-1)
    expected = gap / np.sqrt(model.spec.state_dim)
    np.testing.assert_allclose(model.step(*arguments).uncertainty, expected, rtol=1e-5)
    np.testing.assert_allclose(
        paths.state, (paths.auxiliary + paths.deduced) / 2, rtol=1e-5, atol=1e-6
    )


def test_uncertainty_may_be_the_predicted_spread_or_both(kind, tiny_model, arguments):
    def uncertainty(reading):
        return tiny_model(kind, logo=LogoConfig(uncertainty=reading)).step(*arguments).uncertainty

    model = tiny_model(kind)
    variance = model.predict(model.start(*arguments)).deductive.state_log_variance
    spread = np.sqrt(np.mean(np.exp(variance), axis=-1))  # no dimension is constant here
    np.testing.assert_allclose(uncertainty("spread"), spread, rtol=1e-5)
    both = np.hypot(spread, uncertainty("discrepancy"))
    np.testing.assert_allclose(uncertainty("both"), both, rtol=1e-5)


def test_returned_observations_mix_what_both_modules_see(kind, tiny_model, arguments):
    model = tiny_model(kind)
    gate, start = model.deductive_decoder.gate, model.start(*arguments)
    decoded = model.deductive_decoder(model.predict(start).state) * model.scaling.observation_mask
    for logit, share in ((-100.0, 0.0), (np.log(3.0), 0.75), (100.0, 1.0)):
        gate.assign(np.full(gate.shape, logit, np.float32))
        paths = model.predict(start)
        expected = (1 - share) * paths.predicted + share * decoded
        np.testing.assert_allclose(paths.observations, expected, rtol=1e-5, atol=1e-6)
    plain = tiny_model(kind, logo=LogoConfig(observation_feedback="predicted")).predict(start)
    assert plain.observations is plain.predicted


def test_agents_can_change_places(tiny_model, window):
    """With its own action alone, ô' depends on an agent's identity and sight, not its place."""
    model = tiny_model(
        "discrete", logo=LogoConfig(auxiliary="own", local_action="own", local_heads="shared")
    )
    batch, _ = window("discrete", length=1)
    first = tf.nest.map_structure(lambda x: x[:, 0], batch)
    start = model.start(first.state, first.observations, first.actions, first.agent_mask)
    order = [2, 0, 1]
    plain = model.predict_locally(start)
    identity = model.local_encoder.identity
    identity.assign(identity.numpy()[order])  # what tells agents apart moves with them
    moved = model.predict_locally(
        start._replace(
            observations=tf.gather(start.observations, order, axis=1),
            actions=tf.gather(start.actions, order, axis=1),
            alive=tf.gather(start.alive, order, axis=1),
        )
    )
    local, seen = tf.nest.map_structure(
        lambda x: tf.gather(x, order, axis=1) if len(x.shape) == 3 else x, plain
    )
    assert local.features.shape.rank == 2  # of what all are given, the same for all
    _assert_same(moved, (local, seen))


@pytest.mark.parametrize(
    "settings",
    [
        {
            "auxiliary": "own",
            "local_action": "own",
            "deductive_input": "observations",
            "deductive_training": "real",
        },
        {"regularisation": "observations", "feedback": "deduced", "local_heads": "shared"},
        {"feedback": "auxiliary", "deductive_training": "predicted", "local_reconstruction": 0.0},
        {"observation_feedback": "predicted", "uncertainty": "spread"},
        {"regularisation_weight": 0.0},
    ],
)
def test_every_reading_trains(tiny_model, window, settings):
    model = tiny_model("discrete", logo=LogoConfig(**settings))
    losses, gradients = _losses_and_gradients(model, *window("discrete"), 2)
    assert np.isfinite([value.numpy() for value in losses.values()]).all()
    assert ("regularisation" in losses) == (settings.get("regularisation_weight") != 0)
    idle = [v.path for v, g in zip(_weights(model), gradients, strict=True) if g is None]
    allowed = ()
    if settings.get("local_reconstruction") == 0:
        allowed += ("local_decoder",)
    if settings.get("observation_feedback") == "predicted":
        allowed += ("deductive_decoder/gate",)
    assert all(path.startswith(allowed) for path in idle), idle


def _weights(model):
    parts = (
        model.local_encoder,
        model.local_decoder,
        model.auxiliary_encoder,
        model.deductive_encoder,
        model.deductive_decoder,
    )
    return [weight for part in parts for weight in part.trainable_variables]


@pytest.mark.parametrize(("gradient", "differs"), [("through", True), ("stopped", False)])
def test_gradient_between_steps_is_a_choice(tiny_model, window, gradient, differs):
    model = tiny_model("continuous", unroll_gradient=gradient)
    batch, mask = window("continuous")
    with tf.GradientTape() as tape:
        tape.watch(batch.state)
        loss = model.losses(batch, mask, 2)["open_loop_auxiliary_state"]
    reached = tape.gradient(loss, batch.state)
    assert (reached is not None and bool(tf.reduce_any(reached[:, 0] != 0))) == differs


def test_weighted_sum_is_the_loss(tiny_model, window):
    model = tiny_model("continuous", logo=LogoConfig(local_reconstruction=0.5), reward_weight=3.0)
    batch, mask = window("continuous", length=1)
    losses = {name: float(value) for name, value in model.losses(batch, mask, 1).items()}
    weights = {
        "local_reconstruction": 0.5,
        "reward": 3.0,
        "deductive_reconstruction": 0.1,
        "regularisation": 0.1,
    }
    parts = [weights.get(name, 1.0) * value for name, value in losses.items() if name != "loss"]
    assert losses["loss"] == pytest.approx(sum(parts), rel=1e-5)


def test_open_loop_equals_a_loop_in_python(model, kind, window):
    batch, _ = window(kind, length=3)
    together = open_loop(model, batch)
    state, observations = batch.state[:, 0], batch.observations[:, 0]
    alive, legal = batch.agent_mask[:, 0], tf.cast(batch.legal_actions[:, 0], tf.float32)
    for t in range(3):
        actions = batch.actions[:, t]
        if model.spec.discrete:  # action 0 is the no-op: whoever does more lives
            rests = alive * tf.cast(legal[..., 0] > 0.5, tf.float32)
            alive = tf.where(actions == 0, rests, 1.0)
        one = model.step(state, observations * alive[..., None], actions, alive)
        _assert_same(tf.nest.map_structure(lambda x, t=t: x[t], together), one)
        state, observations, legal = one.state, one.observations, one.legal_actions
        alive = alive * next_agent_mask(next_legal(one, model.spec), model.spec)


@pytest.fixture(scope="module")
def remembering(kind, tiny_model):
    return tiny_model(kind, logo=LogoConfig(memory=5, burn_in=3), batch_size=12)


@pytest.fixture(scope="module")
def long_window(datasets):
    def make(kind):
        stream = pipeline.windows(datasets[kind], None, 2, 6, seed=3, context=3)
        return next(iter(stream))

    return make


def test_memory_is_what_was_seen_before(remembering, kind, long_window):
    batch, mask = long_window(kind)
    memory = remember(remembering, batch, mask, 3)
    assert memory.shape == (6, remembering.spec.num_agents, 5)
    unseen = np.asarray(mask)[:, :3].sum(axis=1) == 0  # began at its episode's first row
    assert (memory.numpy()[unseen] == 0).all()
    assert (np.abs(memory.numpy()[~unseen]).sum(axis=(1, 2)) > 0).all()
    predicted = open_loop(remembering, batch, mask, 3)
    forgetful = open_loop(remembering, batch, tf.zeros_like(mask), 3)
    assert not np.allclose(predicted.observations[0][~unseen], forgetful.observations[0][~unseen])


def test_training_remembers_as_prediction_does(remembering, kind, long_window):
    """The loss of the row after the burn-in is that of a step with the memory of the burn-in."""
    batch, mask = long_window(kind)
    flat = tf.nest.map_structure(lambda x: tf.reshape(x, (-1, *x.shape[2:])), batch)
    start = remembering.start(flat.state, flat.observations, flat.actions, flat.agent_mask)
    shown = _remembering(remembering, start, mask).memory
    memory = tf.reshape(shown, (6, 5, *shown.shape[1:]))[:, 3]
    np.testing.assert_allclose(memory, remember(remembering, batch, mask, 3), atol=1e-6)
    losses, gradients = _losses_and_gradients(remembering, batch, mask, 2)
    assert np.isfinite(losses["loss"].numpy())
    assert all(gradient is not None for gradient in gradients[-3:])  # the GRU's


def test_rows_before_the_episode_leave_no_memory(remembering, kind, long_window):
    batch, mask = long_window(kind)
    plain = _losses_and_gradients(remembering, batch, mask, 2)
    outside = tf.cast(mask == 0, tf.float32)[..., None]
    spoiled = batch._replace(state=batch.state + 3.0 * outside)
    _assert_same(_losses_and_gradients(remembering, spoiled, mask, 2), plain)


def test_variances_and_losses_move_what_they_should(tiny_model, window):
    """Spreads train nothing but themselves; ŝ' trains the trunk that E_s shares."""
    model = tiny_model("discrete")
    batch, mask = window("discrete")
    with tf.GradientTape(persistent=True) as tape:
        losses = model.losses(batch, mask, 1)
    moved = {
        name: {
            weight.path
            for weight in _weights(model)
            if tape.gradient(losses[name], weight.value) is not None
        }
        for name in ("spread", "auxiliary_state")
    }
    assert moved["spread"]
    for path in moved["spread"]:
        assert "spread" in path or "doubt" in path, path
    assert any("shared_trunk" in path for path in moved["auxiliary_state"])


def test_what_is_fused_and_spreads_are_learned_from_what_a_step_returns(tiny_model, window):
    """Where E_d is given real o', in every other row, it errs less than in any step."""
    model = tiny_model("continuous")
    batch, mask = window("continuous", length=1)
    plain = model.losses(batch, mask, 1)
    taught = (np.arange(len(mask)) % 2 == 1)[:, None].astype(np.float32)
    wrong = batch._replace(
        rewards=batch.rewards + 50.0 * taught,
        next_state=batch.next_state + 50.0 * taught[..., None],
        next_observations=batch.next_observations + 50.0 * taught[..., None, None],
    )
    changed = model.losses(wrong, mask, 1)
    for name in ("reward", "deduced_state", "observations", "deductive_reconstruction"):
        assert changed[name] > plain[name] + 1, name
    for name in ("spread", "fused_state", "fused_observations"):
        np.testing.assert_allclose(changed[name], plain[name], rtol=1e-5, err_msg=name)

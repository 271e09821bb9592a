"""ICQ and OMIGA, which value logged actions alone, against numbers worked out apart."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.reproducible import reproducible_graphs

T = 3  # one row of burn-in and two that count
INSIDE = [[1, 1, 1], [0, 1, 0]]
COUNTED = [(0, 1), (0, 2), (1, 1)]
SETTINGS = {"rewards": (0.5, 2.0), "icq_value_beta": 3.0, "icq_beta": 0.7}


@pytest.fixture(params=["discrete", "continuous"])
def spec(request, discrete_spec, continuous_spec):
    """Either kind of action; vectors within unequal bounds, agent b's second one padding."""
    if request.param == "discrete":
        return discrete_spec
    return dataclasses.replace(
        continuous_spec,
        action_low=((-2.0, -1.0), (0.0, 0.0)),
        action_high=((2.0, 3.0), (1.0, 0.0)),
    )


@pytest.fixture(params=["icq", "omiga"])
def agent(request, make_agent, spec):
    """An agent of either kind, whose targets lag behind it."""
    agent = make_agent(spec, request.param, **SETTINGS)
    rng = np.random.default_rng(1)
    for net in agent.trained:
        for variable in net.trainable_variables:
            variable.assign_add(rng.normal(size=variable.shape, scale=0.4))
    return agent


@pytest.fixture
def experience(spec, make_windows):
    ends = np.zeros(6, np.float32)
    ends[4] = 1.0  # the second window's only row ends the episode
    alive = np.ones((6, spec.num_agents), np.float32)
    alive[2, 1] = 0.0  # agent b in row (0, 2)
    return make_windows(spec, INSIDE, terminals=ends, agent_mask=alive)


def _mixed(mixer, state, values):
    w = np.abs(mixer._weights(mixer._features(state[None])).numpy()[0])
    return w @ values + mixer._bias(mixer._features(state[None])).numpy()[0, 0], w


def _unrolled(net, experience):
    seen, inside = experience.time_step.observation, experience.action_step.info["inside"]
    return net.unroll(seen["observations"], inside)[0].numpy()


class _Choices:
    """An action as its number, a policy as the log chances of each."""

    def __init__(self, agent, experience):
        self._experience, self._actions = experience, experience.action_step.action.numpy()
        self._logits = _unrolled(agent._actor, experience)

    def values(self, net, b, t):
        utilities = _unrolled(net, self._experience)[b, t]
        return np.array([utilities[i, a] for i, a in enumerate(self._actions[b, t])])

    def log_policy(self, b, t, i):
        return self._chances(b, t, i)[self._actions[b, t, i]]

    def expected(self, net, b, t, i):
        chances = self._chances(b, t, i)
        values = _unrolled(net, self._experience)[b, t, i]
        return np.sum(np.exp(chances) * np.where(chances > -1e8, values, 0))

    def _chances(self, b, t, i):
        legal = self._experience.time_step.observation["legal_actions"].numpy()[b, t, i]
        logits = np.where(legal, self._logits[b, t, i], -np.inf)
        return logits - np.log(np.sum(np.exp(logits - logits.max()))) - logits.max()


class _Vectors:
    """An action and the policy's as vectors, in units of the bounds; b has one dimension."""

    dims = 2, 1

    def __init__(self, agent, experience):
        self._experience = experience
        centre, half = np.array([[0, 1], [0.5, 0]]), np.array([[2, 2], [0.5, 1]])
        self._logged = (experience.action_step.action.numpy() - centre) / half
        self._policy = np.tanh(_unrolled(agent._actor, experience))

    def values(self, net, b, t):
        return np.array([self._value(net, b, t, i, self._logged[b, t, i]) for i in (0, 1)])

    def log_policy(self, b, t, i):
        apart = (self._logged - self._policy)[b, t, i, : self.dims[i]]
        return -np.sum(np.square(apart)) / 2

    def expected(self, net, b, t, i):
        return self._value(net, b, t, i, self._policy[b, t, i])

    def _value(self, net, b, t, i, unit):
        features = _unrolled(net, self._experience)[b, t, i]
        kernel, bias = net._action.kernel.numpy()[: self.dims[i]], net._action.bias.numpy()
        joined = np.maximum(features + unit[: self.dims[i]] @ kernel + bias, 0)
        return (joined @ net._value.kernel.numpy() + net._value.bias.numpy())[0]


def _by_hand(agent, experience):
    kind = _Choices if agent._setup.spec.discrete else _Vectors
    return kind(agent, experience)


def _living(experience, b, t):
    return np.flatnonzero(experience.time_step.observation["agent_mask"].numpy()[b, t])


def _icq(agent, experience):
    state, hand = experience.time_step.observation["state"], _by_hand(agent, experience)
    lagging = {
        (b, t): _mixed(
            agent._target_mixer, state[b, t], hand.values(agent._target_utilities, b, t)
        )[0]
        for b, t in COUNTED
    }
    mean = np.mean([np.exp(q / 3.0) for q in lagging.values()])
    y = experience.next_time_step.reward.numpy()
    errors = []
    for b, t in ((0, 1), (1, 1)):  # (0, 2) has no next action; (1, 1) needs none
        q, _ = _mixed(agent._mixer, state[b, t], hand.values(agent._utilities, b, t))
        target = (y[b, t] - 0.5) / 2.0
        if (b, t) == (0, 1):
            target += 0.99 * np.exp(lagging[0, 2] / 3.0) / mean * lagging[0, 2]
        errors.append(q - target)
    advantages, logs, shares = [], [], []
    for b, t in COUNTED:
        chosen = hand.values(agent._utilities, b, t)
        _, w = _mixed(agent._mixer, state[b, t], chosen)
        for i in _living(experience, b, t):
            advantages.append(chosen[i] - hand.expected(agent._utilities, b, t, i))
            logs.append(hand.log_policy(b, t, i))
            shares.append(w[i])
    weights = np.exp(np.array(advantages) / 0.7)
    weights /= weights.mean()
    actor_loss = -np.mean(weights * shares * logs)
    return np.mean(np.square(errors)) + actor_loss, actor_loss, np.mean(np.abs(errors))


def _omiga(agent, experience):
    seen, after = experience.time_step.observation, experience.next_time_step
    hand, values = _by_hand(agent, experience), _unrolled(agent._values, experience)
    _, memory = agent._values.unroll(seen["observations"], experience.action_step.info["inside"])
    errors, terms, cloned = [], [], []
    for b, t in COUNTED:
        following, _ = agent._values.outputs(
            after.observation["observations"][b : b + 1, t], memory[b : b + 1, t]
        )
        ahead, _ = _mixed(
            agent._target_mixer, after.observation["state"][b, t], following.numpy()[0, :, 0]
        )
        y = (after.reward.numpy()[b, t] - 0.5) / 2 + 0.99 * after.discount.numpy()[b, t] * ahead
        chosen = hand.values(agent._utilities, b, t)
        errors.append(_mixed(agent._mixer, seen["state"][b, t], chosen)[0] - y)
        lagging = hand.values(agent._target_utilities, b, t)
        _, w = _mixed(agent._target_mixer, seen["state"][b, t], lagging)
        for i in _living(experience, b, t):
            z = w[i] * (lagging[i] - values[b, t, i, 0])
            assert z < 5
            terms.append(np.exp(z) + w[i] * values[b, t, i, 0])
            cloned.append(np.exp(z) * hand.log_policy(b, t, i))
    actor_loss = -np.mean(cloned)
    loss = np.mean(np.square(errors)) + np.mean(terms) + actor_loss
    return loss, actor_loss, np.mean(np.abs(errors))


def test_the_loss_by_hand(agent, experience):
    by_hand = _icq if type(agent).__name__ == "ICQAgent" else _omiga
    terms = agent.value_terms(experience, None)
    found = [float(x) for x in (terms.critic_loss, terms.actor_loss, terms.td_error)]
    assert found == pytest.approx(by_hand(agent, experience), rel=1e-4)


@pytest.mark.parametrize("spec", ["discrete"], indirect=True)
def test_what_was_not_logged_is_not_valued(agent, experience):
    """No gradient reaches the values of actions that nobody took."""
    inside = experience.action_step.info["inside"]
    with tf.GradientTape() as tape:
        loss = agent.value_terms(experience, None).critic_loss
    kernel = agent._utilities._output.kernel
    gradient = tape.gradient(loss, kernel).numpy()
    logged = np.zeros(4, bool)
    logged[experience.action_step.action.numpy()[inside.numpy() > 0]] = True
    assert not gradient[:, ~logged].any()
    assert gradient[:, logged].any()


@pytest.mark.parametrize("spec", ["continuous"], indirect=True)
def test_an_actor_that_repeats_the_data_is_left_alone(agent, spec, make_windows, experience):
    """It only imitates: whatever the values say, none of them is climbed."""
    policy = agent._local.policy(agent._actor, experience).numpy()
    copied = make_windows(spec, INSIDE, actions=policy.reshape(6, 2, 2))
    variables = agent._actor.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        loss, other = (agent.value_terms(rows, None).critic_loss for rows in (copied, experience))
    assert all(np.abs(g).max() < 1e-6 for g in tape.gradient(loss, variables) if g is not None)
    assert any(np.abs(g).max() > 1e-3 for g in tape.gradient(other, variables) if g is not None)


@pytest.mark.parametrize("spec", ["continuous"], indirect=True)
def test_padded_dimensions_change_nothing(agent, experience):
    before = agent.value_terms(experience, None)
    actions = experience.action_step.action.numpy()
    actions[..., 1, 1] = 9.0  # agent b has one action dimension
    padded = experience._replace(
        action_step=experience.action_step._replace(action=tf.constant(actions))
    )
    assert [float(x) for x in agent.value_terms(padded, None)] == [float(x) for x in before]


@pytest.mark.slow
def test_training_lowers_the_loss(agent, spec, make_windows):
    experience = make_windows(spec, np.ones((4, T)))
    with reproducible_graphs():  # as the learner's: else TensorFlow rewrites for minutes
        train = tf.function(agent.train)
        losses = [float(train(experience).loss) for _ in range(30)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < np.mean(losses[:5])

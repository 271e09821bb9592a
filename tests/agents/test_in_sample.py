"""ICQ and OMIGA, which value logged actions alone, against numbers worked out apart."""

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.reproducible import reproducible_graphs

T = 3  # one row of burn-in and two that count
INSIDE = [[1, 1, 1], [0, 1, 0]]
COUNTED = [(0, 1), (0, 2), (1, 1)]


@pytest.fixture(params=["icq", "omiga"])
def agent(request, make_agent, discrete_spec):
    """An agent of either kind, whose targets lag behind it."""
    agent = make_agent(
        discrete_spec, request.param, rewards=(0.5, 2.0), icq_value_beta=3.0, icq_beta=0.7
    )
    rng = np.random.default_rng(1)
    for net in agent.trained:
        for variable in net.trainable_variables:
            variable.assign_add(rng.normal(size=variable.shape, scale=0.4))
    return agent


@pytest.fixture
def experience(discrete_spec, make_windows):
    ends = np.zeros(6, np.float32)
    ends[4] = 1.0  # the second window's only row ends the episode
    return make_windows(discrete_spec, INSIDE, terminals=ends)


def _mixed(mixer, state, values):
    w = np.abs(mixer._weights(mixer._features(state[None])).numpy()[0])
    return w @ values + mixer._bias(mixer._features(state[None])).numpy()[0, 0], w


def _unrolled(net, experience):
    seen, inside = experience.time_step.observation, experience.action_step.info["inside"]
    return net.unroll(seen["observations"], inside)[0].numpy()


def _log_policy(agent, experience, b, t, i):
    legal = experience.time_step.observation["legal_actions"].numpy()[b, t, i]
    logits = np.where(legal, _unrolled(agent._actor, experience)[b, t, i], -np.inf)
    return logits - np.log(np.sum(np.exp(logits - logits.max()))) - logits.max()


def _icq(agent, experience):
    seen = experience.time_step.observation
    actions = experience.action_step.action.numpy()
    ours, theirs = (
        _unrolled(net, experience) for net in (agent._utilities, agent._target_utilities)
    )

    def chosen(utilities, b, t):
        return np.array([utilities[b, t, i, a] for i, a in enumerate(actions[b, t])])

    lagging = {
        (b, t): _mixed(agent._target_mixer, seen["state"][b, t], chosen(theirs, b, t))[0]
        for b, t in COUNTED
    }
    mean = np.mean([np.exp(q / 3.0) for q in lagging.values()])
    y = experience.next_time_step.reward.numpy()
    errors = []
    for b, t in ((0, 1), (1, 1)):  # (0, 2) has no next action; (1, 1) needs none
        q, _ = _mixed(agent._mixer, seen["state"][b, t], chosen(ours, b, t))
        target = (y[b, t] - 0.5) / 2.0
        if (b, t) == (0, 1):
            target += 0.99 * np.exp(lagging[0, 2] / 3.0) / mean * lagging[0, 2]
        errors.append(q - target)
    advantages, logs, shares = [], [], []
    for b, t in COUNTED:
        _, w = _mixed(agent._mixer, seen["state"][b, t], np.zeros(3))
        for i, a in enumerate(actions[b, t]):
            log_policy = _log_policy(agent, experience, b, t, i)
            expected = np.sum(np.exp(log_policy) * np.where(log_policy > -1e8, ours[b, t, i], 0))
            advantages.append(ours[b, t, i, a] - expected)
            logs.append(log_policy[a])
            shares.append(w[i])
    weights = np.exp(np.array(advantages) / 0.7)
    weights /= weights.mean()
    actor_loss = -np.mean(weights * shares * logs)
    return np.mean(np.square(errors)) + actor_loss, actor_loss, np.mean(np.abs(errors))


def _omiga(agent, experience):
    seen, after = experience.time_step.observation, experience.next_time_step
    actions = experience.action_step.action.numpy()
    ours, theirs, values = (
        _unrolled(net, experience)
        for net in (agent._utilities, agent._target_utilities, agent._values)
    )
    _, memory = agent._values.unroll(seen["observations"], experience.action_step.info["inside"])
    errors, terms, cloned = [], [], []
    for b, t in COUNTED:
        _, w = _mixed(agent._target_mixer, seen["state"][b, t], np.zeros(3))
        following, _ = agent._values.outputs(
            after.observation["observations"][b : b + 1, t], memory[b : b + 1, t]
        )
        ahead, _ = _mixed(
            agent._target_mixer, after.observation["state"][b, t], following.numpy()[0, :, 0]
        )
        y = (after.reward.numpy()[b, t] - 0.5) / 2 + 0.99 * after.discount.numpy()[b, t] * ahead
        chosen = np.array([ours[b, t, i, a] for i, a in enumerate(actions[b, t])])
        errors.append(_mixed(agent._mixer, seen["state"][b, t], chosen)[0] - y)
        for i, a in enumerate(actions[b, t]):
            z = w[i] * (theirs[b, t, i, a] - values[b, t, i, 0])
            assert z < 5
            terms.append(np.exp(z) + w[i] * values[b, t, i, 0])
            cloned.append(np.exp(z) * _log_policy(agent, experience, b, t, i)[a])
    actor_loss = -np.mean(cloned)
    loss = np.mean(np.square(errors)) + np.mean(terms) + actor_loss
    return loss, actor_loss, np.mean(np.abs(errors))


def test_the_loss_by_hand(agent, experience):
    by_hand = _icq if type(agent).__name__ == "ICQAgent" else _omiga
    terms = agent.value_terms(experience, None)
    found = [float(x) for x in (terms.critic_loss, terms.actor_loss, terms.td_error)]
    assert found == pytest.approx(by_hand(agent, experience), rel=1e-4)


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


def test_training_lowers_the_loss(agent, discrete_spec, make_windows):
    experience = make_windows(discrete_spec, np.ones((4, T)))
    with reproducible_graphs():  # as the learner's: else TensorFlow rewrites for minutes
        train = tf.function(agent.train)
        losses = [float(train(experience).loss) for _ in range(30)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < np.mean(losses[:5])

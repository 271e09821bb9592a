import numpy as np
import pytest
import tensorflow as tf

T = 3  # one row of burn-in and two that count


@pytest.fixture
def agent(make_agent, discrete_spec):
    """An agent whose values and behaviour differ enough to tell agents apart."""
    agent = make_agent(discrete_spec, "cfcql", cql_alpha=0.5, cfcql_temperature=2.0)
    rng = np.random.default_rng(1)
    for net in agent.trained:
        for variable in net.trainable_variables:
            variable.assign_add(rng.normal(size=variable.shape, scale=0.5))
    return agent


def _softmax(values):
    shares = np.exp(values - np.max(values))
    return shares / shares.sum()


def test_the_term_by_hand(agent, discrete_spec, make_windows):
    experience = make_windows(discrete_spec, [[1, 1, 1], [0, 1, 0]])
    values, counts = agent.values(experience), agent.counts(experience, None)
    seen, actions = experience.time_step.observation, experience.action_step.action.numpy()
    legal, utilities = seen["legal_actions"].numpy(), values.utilities.numpy()
    logits, _ = agent._behaviour.unroll(seen["observations"], experience.action_step.info["inside"])
    gaps, clonings = [], []
    for b, t in ((0, 1), (0, 2), (1, 1)):
        bests, divergences = [], []
        for i in range(3):
            q = []
            for a in np.flatnonzero(legal[b, t, i]):
                joint = actions[b, t].copy()
                joint[i] = a
                chosen = [utilities[b, t, k, one] for k, one in enumerate(joint)]
                mixed = agent._mixer.mix(seen["state"][b : b + 1, t], tf.constant([[chosen]]))
                q.append(mixed.numpy()[0, 0])
            policy, beta = _softmax(q), _softmax(logits.numpy()[b, t, i][legal[b, t, i]])
            divergences.append(np.sum(policy * np.log(policy / beta)))
            bests.append(np.log(np.sum(np.exp(q))))
            logged = np.flatnonzero(legal[b, t, i]).tolist().index(actions[b, t, i])
            clonings.append(-np.log(beta[logged]))
        share = _softmax(2.0 * np.array(divergences))
        gaps.append(np.sum(share * bests) - values.q.numpy()[b, t])
    terms = agent.value_terms(experience, None)
    assert terms.conservative.numpy() == pytest.approx(np.mean(gaps), rel=1e-4)
    errors = (values.q - agent.targets(experience, values.memory)).numpy()
    squares = np.sum(np.square(errors) * counts) / np.sum(counts)
    expected = squares + 0.5 * np.mean(gaps) + np.mean(clonings)
    assert terms.critic_loss.numpy() == pytest.approx(expected, rel=1e-4)


def test_imagined_rows_are_not_cloned(agent, discrete_spec, make_windows):
    experience = make_windows(discrete_spec, np.ones((2, T)), [[0, 1, 1], [0, 1, 1]])
    with tf.GradientTape() as tape:
        loss = agent.value_terms(experience, None).critic_loss
    gradients = tape.gradient(loss, agent._behaviour.trainable_variables)
    assert all(g is None or not np.any(g) for g in gradients)


def test_the_term_trains_no_behaviour(agent, discrete_spec, make_windows):
    experience = make_windows(discrete_spec, np.ones((2, T)))
    with tf.GradientTape() as tape:
        values, counts = agent.values(experience), agent.counts(experience, None)
        gap = agent.conservative(experience, values, counts).gap
    gradients = tape.gradient(gap, agent._behaviour.trainable_variables)
    assert all(g is None for g in gradients)


def test_values_fall_on_imagined_rows_and_rise_on_real_ones(
    make_agent, discrete_spec, make_windows
):
    """With one legal action each, agents' soft maxima are all Q_tot of the logged actions."""
    agent = make_agent(discrete_spec, "cfcql", cql_rows="imagined")
    only = np.zeros((6, 3, 4), bool)
    only[..., 1] = True  # the logged one
    experience = make_windows(
        discrete_spec, [[1, 1, 1], [1, 1, 0]], [[0, 0, 0], [0, 1, 1]], legal_actions=only
    )
    q = agent.values(experience).q.numpy()
    gap = q[1, 1] - (q[0, 1] + q[0, 2]) / 2
    assert agent.value_terms(experience, None).conservative.numpy() == pytest.approx(gap, abs=1e-5)

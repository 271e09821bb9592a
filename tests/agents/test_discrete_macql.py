"""QMIX and the conservative term on joint actions, against numbers worked out apart."""

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.picked_rows import PickedRows

T = 3  # one row of burn-in and two that count


@pytest.fixture
def moved(make_agent, discrete_spec):
    """An agent whose targets lag behind it."""
    agent = make_agent(discrete_spec, "macql", rewards=(0.5, 2.0), cql_alpha=0.0)
    rng = np.random.default_rng(1)
    for variable in (*agent._actor.trainable_variables, *agent._mixer.trainable_variables):
        variable.assign_add(rng.normal(size=variable.shape, scale=0.3))
    return agent


def _by_hand(agent, experience, row):
    """Q_tot of the logged joint actions and the TD(lambda) targets of one window, step by step."""
    config, spec = agent._setup.config, agent._setup.spec
    seen, after = experience.time_step.observation, experience.next_time_step
    inside = experience.action_step.info["inside"].numpy()[row]
    actions = experience.action_step.action.numpy()[row]

    def mixed(mixer, state, utilities, chosen):
        values = [utilities.numpy()[0, i, a] for i, a in enumerate(chosen)]
        return mixer.mix(state, tf.constant([[values]])).numpy()[0, 0]

    ours = theirs = tf.zeros((1, spec.num_agents, config.memory))
    q, value = np.zeros(T), np.zeros(T)
    for t in range(T):
        state, observations = (seen[name][row : row + 1, t] for name in ("state", "observations"))
        utilities, own = agent._actor.outputs(observations, ours)
        _, target = agent._target_actor.outputs(observations, theirs)
        if inside[t]:
            ours, theirs = own, target
        q[t] = mixed(agent._mixer, state, utilities, actions[t])
        following = after.observation["observations"][row : row + 1, t]
        online, _ = agent._actor.outputs(following, ours)
        legal = after.observation["legal_actions"].numpy()[row, t]
        best = np.where(legal, online.numpy()[0], -np.inf).argmax(-1)
        valued, _ = agent._target_actor.outputs(following, theirs)
        state = after.observation["state"][row : row + 1, t]
        value[t] = mixed(agent._target_mixer, state, valued, best)
    shift, scale = agent._setup.rewards
    rewards = (after.reward.numpy()[row] - shift) / scale
    targets, later = np.zeros(T), value[-1]
    for t in reversed(range(T)):
        follows = inside[t + 1] if t + 1 < T else 0.0
        onward = value[t] + config.trace * follows * (later - value[t])
        targets[t] = later = rewards[t] + config.gamma * after.discount.numpy()[row, t] * onward
    return q, targets


def test_the_loss_by_hand(moved, discrete_spec, make_windows):
    ends = np.zeros(9, np.float32)
    ends[7] = 1.0  # the third window ends with its second row
    experience = make_windows(discrete_spec, [[1, 1, 1], [0, 1, 1], [1, 1, 0]], terminals=ends)
    terms = moved.value_terms(experience, None)
    errors, values = [], []
    for row, counted in enumerate([(1, 2), (1, 2), (1,)]):  # after burn-in, in the episode
        q, targets = _by_hand(moved, experience, row)
        errors += [q[t] - targets[t] for t in counted]
        values += [q[t] for t in counted]
    assert terms.critic_loss.numpy() == pytest.approx(np.mean(np.square(errors)), rel=1e-4)
    assert terms.td_error.numpy() == pytest.approx(np.mean(np.abs(errors)), rel=1e-4)
    assert terms.q_data.numpy() == pytest.approx(np.mean(values), rel=1e-4)
    assert terms.conservative.numpy() != 0


def test_what_is_outside_the_episode_changes_nothing(moved, discrete_spec, make_windows):
    experience = make_windows(discrete_spec, [[0, 1, 1], [1, 1, 0]])
    outside = 1.0 - experience.action_step.info["inside"]

    def disturb(values):
        if values.dtype != tf.float32:
            return values
        return values + 7.0 * tf.reshape(outside, (2, T, *[1] * (values.shape.rank - 2)))

    elsewhere = tf.nest.map_structure(disturb, experience)
    elsewhere = elsewhere._replace(action_step=experience.action_step)
    before, after = (moved.value_terms(one, None) for one in (experience, elsewhere))
    np.testing.assert_allclose(tf.stack(before), tf.stack(after), rtol=1e-5)


def test_without_a_choice_there_is_no_gap(make_agent, discrete_spec, make_windows):
    """With one legal action each, every draw is the logged joint action."""
    agent = make_agent(discrete_spec, "macql", cql_states=99)
    only = np.zeros((6, 3, 4), bool)
    only[..., 1] = True  # the logged one
    forced = make_windows(discrete_spec, np.ones((2, T)), legal_actions=only)
    assert agent.value_terms(forced, None).conservative.numpy() == pytest.approx(0, abs=1e-5)


def _soft_values(agent, experience, values, counts):
    """By (b, t) of the rows that count, log mean exp Q_tot of the joint actions drawn there."""
    seen = experience.time_step.observation
    picked = agent.conservative_rows(tf.reshape(counts, [-1]), T)
    order = picked.rows.numpy()
    legal = tf.gather(tf.reshape(seen["legal_actions"], (6, 3, 4)), order)
    drawn = agent.draws(legal, picked).numpy()
    found = {}
    for place, row in enumerate(order):
        b, t = divmod(row, T)
        if counts[b, t] == 0:
            continue
        state = seen["state"][b : b + 1, t]
        utilities = values.utilities.numpy()[b, t]
        joint = [[utilities[i, a] for i, a in enumerate(one)] for one in drawn[place].T]
        q = agent._mixer.mix(state, tf.constant([joint]))
        found[b, t] = np.log(np.mean(np.exp(q.numpy())))
    return found


@pytest.mark.parametrize("cql_rows", ["all", "real"])
def test_the_gap_by_hand(make_agent, discrete_spec, make_windows, cql_rows):
    agent = make_agent(discrete_spec, "macql", cql_states=99, cql_alpha=0.5, cql_rows=cql_rows)
    experience = make_windows(discrete_spec, [[1, 1, 1], [1, 1, 0]])
    values, counts = agent.values(experience), agent.counts(experience, None)
    soft = _soft_values(agent, experience, values, counts)
    assert set(soft) == {(0, 1), (0, 2), (1, 1)}
    gap = np.mean([value - values.q[row].numpy() for row, value in soft.items()])
    terms = agent.value_terms(experience, None)
    assert terms.conservative.numpy() == pytest.approx(gap, rel=1e-4)
    errors = values.q - agent.targets(experience, values.memory)
    squares = np.sum(np.square(errors) * counts) / np.sum(counts)
    assert terms.critic_loss.numpy() == pytest.approx(squares + 0.5 * gap, rel=1e-4)


def test_values_fall_on_imagined_rows_and_rise_on_real_ones_by_hand(
    make_agent, discrete_spec, make_windows
):
    agent = make_agent(discrete_spec, "macql", cql_states=99, cql_rows="imagined")
    synthetic = [[0, 0, 0], [0, 1, 1]]
    experience = make_windows(discrete_spec, [[1, 1, 0], [1, 1, 1]], synthetic)
    values, counts = agent.values(experience), agent.counts(experience, None)
    soft = _soft_values(agent, experience, values, counts * synthetic)
    assert set(soft) == {(1, 1), (1, 2)}
    gap = np.mean(list(soft.values())) - values.q[0, 1].numpy()
    assert agent.value_terms(experience, None).conservative.numpy() == pytest.approx(gap, rel=1e-4)


def test_imagined_rows_may_be_left_out_of_the_term(make_agent, discrete_spec, make_windows):
    both = make_windows(discrete_spec, np.ones((2, T)), [[0, 0, 0], [0, 1, 1]])
    real = make_windows(discrete_spec, [[1, 1, 1], [0, 0, 0]])
    agent = make_agent(discrete_spec, "macql", cql_rows="real", cql_states=99, cql_actions=2000)
    of_both, of_real = (agent.value_terms(x, None).conservative.numpy() for x in (both, real))
    assert of_both == pytest.approx(of_real, rel=0.05)  # other draws


def test_a_million_draws_are_legal(make_agent, discrete_spec):
    agent = make_agent(discrete_spec, "macql", cql_actions=1000)
    legal = np.random.default_rng(0).random((350, 3, 4)) < 0.3
    drawn = agent.draws(tf.constant(legal), PickedRows.alone(tf.range(350))).numpy()
    assert drawn.size >= 1_000_000
    allowed = legal | ~legal.any(-1, keepdims=True)  # whoever may do nothing draws anything
    assert np.take_along_axis(allowed, drawn, axis=-1).all()
    shares = np.stack([(drawn == a).mean(-1) for a in range(4)], -1)
    np.testing.assert_allclose(shares, allowed / allowed.sum(-1, keepdims=True), atol=0.08)


@pytest.mark.slow
def test_training_lowers_its_loss_and_moves_the_targets(make_agent, discrete_spec, make_windows):
    agent = make_agent(discrete_spec, "macql", critic_learning_rate=0.01)
    experience = make_windows(discrete_spec, np.ones((4, T)))
    before = [variable.numpy() for variable in agent._target_mixer.trainable_variables]
    train = tf.function(agent.train)
    losses = [float(train(experience).loss) for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:5])
    assert int(agent.train_step_counter) == 60
    after = agent._target_mixer.trainable_variables
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))

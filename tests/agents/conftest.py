"""What the agents' tests share: tiny agents and batches of experience."""

import numpy as np
import pytest
import tensorflow as tf

from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.experience import to_experience
from logo_tf.agents.offline_agent import AgentSetup, RewardScale
from logo_tf.agents.registry import algorithm as registered
from logo_tf.agents.registry import build_agent
from logo_tf.data.transitions import Transitions
from logo_tf.imagination.config import ImaginationConfig

TINY = {
    "width": 8,
    "steps": 8,
    "batch_size": 8,
    "log_every": 2,
    "checkpoint_every": 4,
    "cql_states": 4,
    "cql_actions": 2,
    "imagination": ImaginationConfig(horizon=2, branches=8, refresh_every=4, rounds=2),
}


WINDOWS = {
    "memory": 4,
    "window": 2,
    "burn_in": 1,
    "mixer_width": 3,
    "hyper_width": 5,
}


@pytest.fixture(scope="session")
def tiny_config():
    """``tiny_config("bc", tau=0.5)``: settings for a training of a second."""

    def make(algorithm="bc", **settings):
        return PolicyConfig(algorithm=algorithm, **{**TINY, **settings})

    return make


@pytest.fixture(scope="session")
def make_agent(tiny_config):
    """``make_agent(spec, "matd3bc", rewards=(shift, scale), **settings)``."""

    def make(spec, algorithm, rewards=(0.0, 1.0), **settings):
        step = tf.Variable(0, dtype=tf.int64, trainable=False)
        windows = WINDOWS if registered(algorithm, spec).portion.endswith("Windows") else {}
        config = tiny_config(algorithm, **{**windows, **settings})
        agent = build_agent(AgentSetup(spec, config, 0, step, None, RewardScale(*rewards)))
        agent.initialize()
        return agent

    return make


@pytest.fixture(scope="session")
def make_transitions():
    """``make_transitions(spec, rows, seed, **fields)``: random valid rows, some replaced."""

    def make(spec, rows=4, seed=0, **fields):
        rng = np.random.default_rng(seed)
        n, o, a, s = spec.num_agents, spec.observation_dim, spec.action_dim, spec.state_dim
        observations = rng.normal(size=(2, rows, n, o)) * spec.observation_mask
        if spec.discrete:
            legal = rng.random((2, rows, n, a)) < 0.5
            legal[..., 1] = True
            actions = np.ones((rows, n), np.int32)
        else:
            legal = np.ones((2, rows, n, 0), bool)
            low, high = np.asarray(spec.action_low), np.asarray(spec.action_high)
            actions = rng.uniform(low, high, (rows, n, a)).astype(np.float32)
        made = Transitions(
            observations=observations[0].astype(np.float32),
            state=rng.normal(size=(rows, s)).astype(np.float32),
            actions=actions,
            rewards=rng.normal(size=rows).astype(np.float32),
            next_observations=observations[1].astype(np.float32),
            next_state=rng.normal(size=(rows, s)).astype(np.float32),
            terminals=np.zeros(rows, np.float32),
            legal_actions=legal[0],
            next_legal_actions=legal[1],
            agent_mask=np.ones((rows, n), np.float32),
            next_agent_mask=np.ones((rows, n), np.float32),
        )._replace(**fields)
        return Transitions(*(tf.constant(value) for value in made))

    return make


@pytest.fixture(scope="session")
def make_experience(make_transitions):
    """``make_experience(spec, rows, synthetic=[0, 1, ...], **fields)``."""

    def make(spec, rows=4, synthetic=None, **fields):
        flags = np.zeros(rows) if synthetic is None else synthetic
        rows_ = make_transitions(spec, rows, **fields)
        return to_experience(rows_, tf.constant(flags, tf.float32), tf.ones(rows))

    return make


@pytest.fixture(scope="session")
def make_windows(make_transitions):
    """``make_windows(spec, inside=(B, T), synthetic=(B, T))``: windows of random rows."""

    def make(spec, inside, synthetic=None, **fields):
        inside = np.asarray(inside, np.float32)
        rows = make_transitions(spec, inside.size, **fields)
        windows = tf.nest.map_structure(
            lambda x: tf.reshape(x, (*inside.shape, *x.shape[1:])), rows
        )
        flags = np.zeros_like(inside) if synthetic is None else np.asarray(synthetic, np.float32)
        return to_experience(windows, tf.constant(flags), tf.constant(inside))

    return make

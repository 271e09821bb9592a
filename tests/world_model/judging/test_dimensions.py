"""Which dimensions count, in a world whose rules are known."""

import dataclasses

import numpy as np

from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import write_dataset
from logo_tf.episodes import Episode
from logo_tf.world_model.judging.dimensions import uncertain, varying


def test_what_a_line_predicts_exactly_is_left_out(tmp_path, discrete_spec):
    """State 0 is noise, 1 halves, 2 follows 1, 3 is constant, 4 written, 5 the square of 0."""
    spec = dataclasses.replace(
        discrete_spec,
        agents=("a",),
        observation_dims=(2,),
        action_dims=(1,),
        last_action_offset=4,
        noop_action=None,
    )
    rng = np.random.default_rng(0)

    def episode() -> Episode:
        state = rng.normal(size=(9, 6)).astype(np.float32)
        state[:, 3] = 7
        for t in range(8):
            state[t + 1, 1] = 0.5 * state[t, 1] + 2
            state[t + 1, 2] = state[t, 1] - 1
            state[t + 1, 5] = state[t, 0] ** 2
        observations = state[:, None, :2]
        return Episode(
            observations=observations,
            state=state,
            actions=np.zeros((8, 1), np.int32),
            rewards=np.zeros(8, np.float32),
            legal_actions=np.ones((9, 1, 1), bool),
            agent_mask=np.ones((9, 1), bool),
            terminated=False,
        )

    made = [episode() for _ in range(30)]
    dataset = write_dataset(tmp_path / "d", spec, made, config={}, provenance={})
    units = standardisation(dataset)
    assert varying(units, spec).state.tolist() == [True, True, True, False, False, True]
    left = uncertain(dataset, units)
    assert left.state.tolist() == [True, False, False, False, False, True]
    assert left.observations.tolist() == [[True, False]]

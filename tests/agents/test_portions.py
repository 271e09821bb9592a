import numpy as np
import pytest

from logo_tf.agents.config import PolicyConfig
from logo_tf.agents.portions import SingleTransitions, Windows
from logo_tf.errors import LogoError
from logo_tf.imagination.config import ImaginationConfig


def _windows(**settings):
    known = {"window": 4, "burn_in": 2, "imagination": ImaginationConfig(horizon=4, branches=3)}
    return Windows(PolicyConfig(**{**known, **settings}))


def test_a_batch_is_counted_in_rows_that_losses_stand_on():
    assert SingleTransitions(PolicyConfig()).count(7) == 7
    assert [_windows().count(rows) for rows in (1, 4, 7, 40)] == [1, 1, 2, 10]


def test_a_start_is_the_row_after_what_came_before_it(tiny_dataset):
    data = tiny_dataset("discrete")
    episodes = np.arange(data.num_episodes)
    start, (before, inside) = next(iter(_windows().starts(data, episodes, 5, 0, 0)))
    assert before.state.shape == (5, 2, data.spec.state_dim)
    follows = inside.numpy()[:, 1] > 0
    assert follows.any()
    np.testing.assert_array_equal(before.next_state[:, 1][follows], start.state[follows])
    single = SingleTransitions(PolicyConfig())
    alone, nothing = next(iter(single.starts(data, episodes, 5, 0, 0)))
    assert nothing == ()
    assert alone.state.shape == (5, data.spec.state_dim)


def test_branches_are_as_long_as_windows():
    with pytest.raises(LogoError, match=r"imagination\.horizon must equal policy\.window"):
        _windows(window=5).require_branches()
    _windows().require_branches()


def test_single_transitions_have_no_memory():
    with pytest.raises(LogoError, match="'matd3bc' learns from single transitions"):
        SingleTransitions(PolicyConfig(memory=4))

"""Returns of whole episodes, by hand and in the real scenario."""

import numpy as np
import pytest

from logo_tf.errors import LogoError
from logo_tf.evaluation.returns import Returns, evaluate_policy, gain, shown
from logo_tf.scenarios.random_policy import RandomPolicy
from logo_tf.scenarios.registry import scenario_spec

SWIMMER = "mamujoco/Swimmer-2x1"


def test_figures_by_hand():
    found = Returns(returns=(1.0, 3.0, 8.0), lengths=(2, 2, 5), won_share=0.5)
    assert (found.mean, found.low, found.high) == (4.0, 1.0, 8.0)
    assert found.std == pytest.approx(np.sqrt((9 + 1 + 16) / 3))
    assert found.to_dict() == {
        "return_mean": 4.0,
        "return_std": found.std,
        "return_min": 1.0,
        "return_max": 8.0,
        "episodes": 3,
        "length_mean": 3.0,
        "won_share": 0.5,
        "returns": [1.0, 3.0, 8.0],
    }


def test_gains_by_hand():
    def of(*returns):
        return Returns(returns=returns, lengths=(1,) * len(returns))

    found = gain(of(4.0, 5.0, 9.0), over=of(1.0, 3.0, 8.0))  # 3, 2 and 1 more
    assert found == pytest.approx({"gain_mean": 2.0, "gain_error": 1 / np.sqrt(3)})
    assert gain(of(4.0), over=of(1.0)) == {"gain_mean": 3.0, "gain_error": 0.0}


def test_the_same_seed_plays_the_same_and_fewer_are_the_first_ones():
    policy = RandomPolicy(scenario_spec(SWIMMER))
    two = evaluate_policy(SWIMMER, policy, 2, seed=5)
    assert evaluate_policy(SWIMMER, policy, 1, seed=5).returns == two.returns[:1]
    assert two.lengths == (1000, 1000)
    assert two.won_share is None


def test_what_cannot_be_played_is_refused():
    policy = RandomPolicy(scenario_spec(SWIMMER))
    with pytest.raises(LogoError, match="at least 1"):
        evaluate_policy(SWIMMER, policy, 0, seed=0)
    with pytest.raises(LogoError, match="did you mean"):
        evaluate_policy("mamujoco/Swimer-2x1", policy, 1, seed=0)


def test_returns_are_shown_as_finely_as_they_differ():
    assert [shown(3838.4, 4000.0), shown(-3.2, 4000.0), shown(1.674, 2.0)] == ["3838", "-3", "1.67"]

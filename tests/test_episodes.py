import dataclasses

import pytest

from logo_tf.errors import LogoError


def test_valid_episodes_pass(continuous_spec, discrete_spec, make_episodes):
    for spec in (continuous_spec, discrete_spec):
        (episode,) = make_episodes(spec, 1, length=6)
        episode.check(spec)
        assert episode.length == 6
        assert episode.episode_return == pytest.approx(float(episode.rewards.sum()), rel=1e-6)


def test_a_lost_row_is_named(continuous_spec, make_episodes):
    (episode,) = make_episodes(continuous_spec, 1)
    with pytest.raises(LogoError, match=r"state has shape \(8, 5\)"):
        dataclasses.replace(episode, state=episode.state[:-1]).check(continuous_spec)

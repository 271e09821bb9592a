"""SMAX battles: the spec, what is legal, how battles end, and the scripted team."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from logo_tf.data.validate import check_episode
from logo_tf.errors import LogoError
from logo_tf.scenarios import smax_battles
from logo_tf.scenarios.behaviour import behaviour_policies, script_mix
from logo_tf.scenarios.play import play
from logo_tf.scenarios.protocol import Lockstep
from logo_tf.scenarios.random_policy import RandomPolicy
from logo_tf.scenarios.smax_qualities import scripted_epsilons
from logo_tf.scenarios.smax_script import ScriptedPolicy

pytest.importorskip(
    "jaxmarl", reason="the extra smax is not installed: pip install 'logo_tf[smax]'"
)

NAME = "smax/3m"
STOP = 4


@pytest.fixture(scope="module")
def battle() -> Iterator[object]:
    """One scenario; the compiled map is shared by all copies in the process."""
    from logo_tf.scenarios.registry import make_scenario

    one = make_scenario(NAME)
    yield one
    one.close()


@pytest.fixture(scope="module")
def copies(battle):
    return [battle, *[type(battle)(NAME) for _ in range(4)]]


def same(one, other):
    for field in ("observations", "state", "actions", "rewards", "legal_actions", "agent_mask"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)
    assert one.terminated == other.terminated


def test_spec(battle):
    spec = battle.spec
    assert spec.name == NAME
    assert spec.agents == ("ally_0", "ally_1", "ally_2")
    # 2 allies and 3 enemies of 13 features, itself of 10; 12 features of each of 6 units.
    assert (spec.observation_dim, spec.state_dim) == (5 * 13 + 10, 6 * 12)
    assert spec.action_dims == (8, 8, 8)  # 4 moves, stop, 3 enemies
    assert (spec.noop_action, spec.win_reward, spec.episode_limit) == (STOP, 1.0, 100)
    assert spec.environment.startswith("SMAX 3m (jaxmarl 0.2.0, jax ")


def test_the_first_frame(battle):
    frame = battle.reset(3)
    assert frame.agent_mask.all()
    assert frame.legal_actions[:, :5].all()
    assert not frame.legal_actions[:, 5:].any()  # the enemies begin out of range
    assert frame.reward == 0.0
    assert not frame.terminated
    assert not frame.truncated
    assert {frame.observations.dtype, frame.state.dtype} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(frame.state, battle.reset(3).state)
    assert np.any(frame.state != battle.reset(4).state)
    battle.reset(5)
    drawn = battle.reset()
    battle.reset(5)
    np.testing.assert_array_equal(drawn.state, battle.reset().state)


def test_episodes_are_valid_and_do_not_depend_on_the_copies(battle, copies):
    assert isinstance(battle, Lockstep)
    policy = RandomPolicy(battle.spec)
    alone = list(play(copies[:1], policy, 6, seed=1))
    together = list(play(copies, policy, 6, seed=1))
    for index, (one, other) in enumerate(zip(alone, together, strict=True)):
        same(one, other)
        check_episode(one, battle.spec, f"episode {index}")
        assert one.legal_actions.any(axis=-1).all()
    assert len({episode.length for episode in alone}) > 1
    dead = np.concatenate([~episode.agent_mask for episode in alone])
    observations = np.concatenate([episode.observations for episode in alone])
    legal = np.concatenate([episode.legal_actions for episode in alone])
    assert dead.any()
    assert not observations[dead].any()
    np.testing.assert_array_equal(legal[dead], np.tile(np.arange(8) == STOP, (dead.sum(), 1)))
    # Cooldowns in the state stop at zero, as they do in the observations.
    states = np.concatenate([episode.state for episode in alone])[:, :60].reshape(-1, 6, 10)
    assert states[..., 3].min() == 0.0
    assert states[..., 3].max() > 0.3


def test_stepping_alone_is_stepping_together(copies):
    first, second = copies[:2]
    for one in (first, second):
        frame = one.reset(9)
    rng = np.random.default_rng(0)
    policy = RandomPolicy(first.spec)
    while not (frame.terminated or frame.truncated):
        actions = policy.act(frame.observations[None], frame.legal_actions[None], rng)
        frame = first.step(actions[0])
        (other,) = second.step_together([second], actions)
        for mine, theirs in zip(frame, other, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_the_script_wins_and_tells_it(battle, copies):
    episodes = list(play(copies, ScriptedPolicy(battle.spec), 10, seed=0))
    won = [episode.rewards.max() >= battle.spec.win_reward for episode in episodes]
    assert sum(won) >= 5  # 88 % of 256
    for index, episode in enumerate(episodes):
        check_episode(episode, battle.spec, f"episode {index}")
        assert episode.terminated
        enemies = episode.state[-1, 30:60].reshape(3, 10)[:, 0]
        assert won[index] == (episode.agent_mask[-1].any() and not enemies.any())
        # All enemies' health, and the bonus.
        assert not won[index] or episode.episode_return == pytest.approx(2.0, abs=1e-4)


def test_the_time_limit_truncates(battle):
    import jax

    battle.reset(0)
    structure = battle._battles._structure
    key, *leaves = battle._battle
    state = jax.tree.unflatten(structure, leaves)
    late = state.replace(state=state.state.replace(step=np.int32(98)))
    battle._battle = (key, *jax.tree.leaves(late))
    frame = battle.step(np.full(3, STOP))
    assert (frame.truncated, frame.terminated) == (False, False)
    frame = battle.step(np.full(3, STOP))
    assert (frame.truncated, frame.terminated) == (True, False)
    with pytest.raises(LogoError, match="without a running battle"):
        battle.step(np.full(3, STOP))


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([STOP, STOP, 7], "action 7 of agent 2 is illegal; legal are 0, 1, 2, 3, 4"),
        ([8, STOP, STOP], "action 8 of agent 0 is illegal"),
        ([STOP, STOP], r"expected \(N,\) = \(3,\)"),
        ([0.0, 1.0, 2.0], "of float64, expected"),
    ],
)
def test_refused_actions(battle, actions, message):
    battle.reset(0)
    with pytest.raises(LogoError, match=message):
        battle.step(np.asarray(actions))


def test_render(battle):
    battle.reset(0)
    image = battle.render()
    assert image.shape == (400, 400, 3)
    assert image.dtype == np.uint8
    colours = {tuple(pixel) for pixel in image[::2, ::2].reshape(-1, 3).tolist()}
    assert {(31, 119, 180), (214, 39, 40)} <= colours
    with pytest.raises(LogoError, match="before the first reset"):
        type(battle)(NAME).render()


def test_the_script_acts_legally_whatever_it_sees(battle):
    rng = np.random.default_rng(0)
    observations = rng.uniform(-1, 1, (200, 3, 75)).astype(np.float32)
    legal = np.zeros((200, 3, 8), bool)
    legal[..., :5] = True
    legal[..., 5:] = rng.random((200, 3, 3)) < 0.3
    dead = rng.random((200, 3)) < 0.2
    observations[..., -10] = np.abs(observations[..., -10])
    observations[dead] = 0.0
    legal[dead] = np.arange(8) == STOP
    for epsilon in (0.0, 0.5, 1.0):
        actions = ScriptedPolicy(battle.spec, epsilon).act(observations, legal, rng)
        assert actions.dtype == np.int32
        assert np.take_along_axis(legal, actions[..., None].astype(int), -1).all()


def test_qualities(battle):
    assert scripted_epsilons("mamujoco/HalfCheetah-2x3", "medium") is None
    assert scripted_epsilons(NAME, "medium-replay") == (1.0, 0.8, 0.6, 0.4, 0.2)
    assert scripted_epsilons(NAME, "medium-expert") == (0.2, 0.0)
    for quality, count in {"random": 1, "medium": 1, "expert": 1, "medium-replay": 5}.items():
        policies = behaviour_policies(NAME, quality, behaviour="script")
        assert [share for share, _ in policies] == [1 / count] * count


def test_unknown_maps():
    from logo_tf.scenarios.smax import Smax

    with pytest.raises(LogoError, match="no map '3n'; did you mean '3m'"):
        Smax("smax/3n")
    with pytest.raises(LogoError, match="write it like smax/3m"):
        Smax("smac/3m")


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jaxmarl.environments.smax", None)
    with pytest.raises(LogoError, match=r"pip install 'logo_tf\[smax\]'"):
        smax_battles.Battles(NAME, "3m")


def test_importing_jaxmarl_is_silent():
    code = (
        "import sys; from logo_tf.scenarios.smax_battles import Battles; "
        "assert 'jax' not in sys.modules; out, err = sys.stdout, sys.stderr; "
        "Battles('smax/3m', '3m'); assert (sys.stdout, sys.stderr) == (out, err)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-2000:]


def test_collection_says_who_played(tmp_path):
    from logo_tf.data.collect import CollectConfig, collect

    config = CollectConfig(NAME, "medium-expert", 60, 0, behaviour="script")
    dataset = collect(config, tmp_path / "data")
    assert 60 <= dataset.num_transitions < 160
    behaviour = dataset.manifest.provenance["behaviour"]
    assert behaviour["script"] == "logo_tf.scenarios.smax_script.ScriptedPolicy"
    assert behaviour["epsilons"] == [0.2, 0.0]
    assert dataset.won is not None
    # By default learned policies play, where such are shipped.
    dataset = collect(CollectConfig(NAME, "medium", 60, 0), tmp_path / "learned")
    assert dataset.manifest.provenance["behaviour"]["policies"] == "3m-behaviour"
    # Where not, the script does.
    assert script_mix("smax/8m", "medium") == (0.16,)

"""What several test files share: toy specs, toy episodes, the real StarCraft II file."""

from __future__ import annotations

import gc
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import logo_tf  # noqa: F401 (first, so that TF-Agents finds tf_keras)
from logo_tf import disk
from logo_tf.episodes import Episode
from logo_tf.specs import ScenarioSpec

SC2_FILE = Path(__file__).parents[2] / "shared/data/smac_3m_medium_odis/part_0.h5"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests begin first, so that no core waits for the last one in the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Spare all tests what costs each of them seconds and tells none of them anything."""
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        # Grappler rewrites a graph before its first call, which takes longer than all calls here.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    # What was imported stays, a million objects; and JAX, which TensorFlow imports where it is
    # installed, is called at every collection.
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture(scope="session")
def sc2_file() -> Path:
    """The real SMAC 3m file, which lies beside the checkout and is not redistributed."""
    if not SC2_FILE.is_file():
        pytest.skip("the StarCraft II file (SMAC 3m, medium, ODIS) is not beside this checkout")
    return SC2_FILE


@pytest.fixture(scope="session")
def example() -> Callable[[str], Callable[[list[str]], None]]:
    """``example("quickstart.py")``: its ``main``."""
    folder = Path(__file__).parents[1] / "examples"
    return lambda name: runpy.run_path(str(folder / name))["main"]


@pytest.fixture(scope="session")
def continuous_spec() -> ScenarioSpec:
    """Two unequal agents: observations of 4 and 3, actions of 2 and 1, a state of 5."""
    return ScenarioSpec(
        name="toy/continuous",
        environment="toy 1",
        agents=("a", "b"),
        observation_dims=(4, 3),
        state_dim=5,
        action_kind="continuous",
        action_dims=(2, 1),
        action_low=((-1.0, -1.0), (-1.0, 0.0)),
        action_high=((1.0, 1.0), (1.0, 0.0)),
        episode_limit=12,
    )


@pytest.fixture(scope="session")
def discrete_spec() -> ScenarioSpec:
    """Three agents with four actions (0 is the no-op of the dead) and a state of 6."""
    return ScenarioSpec(
        name="toy/discrete",
        environment="toy 1",
        agents=("a", "b", "c"),
        observation_dims=(4, 4, 4),
        state_dim=6,
        action_kind="discrete",
        action_dims=(4, 4, 4),
        episode_limit=10,
        noop_action=0,
        win_reward=10.0,
    )


@pytest.fixture(scope="session")
def untrained_policy() -> Callable[..., Any]:
    """``untrained_policy(spec, config, scales)``: a policy as training begins."""
    import tensorflow as tf

    from logo_tf.agents.offline_agent import AgentSetup
    from logo_tf.agents.policy import TrainedPolicy
    from logo_tf.agents.registry import build_agent
    from logo_tf.artifacts import Manifest
    from logo_tf.config import to_dict

    def build(spec: ScenarioSpec, config: Any, scales: Any = None) -> TrainedPolicy:
        step = tf.Variable(0, dtype=tf.int64, trainable=False)
        agent = build_agent(AgentSetup(spec, config, 0, step, scales))
        manifest = Manifest(kind="policy", spec=spec.to_dict(), config=to_dict(config))
        return TrainedPolicy(manifest, config, agent)

    return build


def toy_episode(spec: ScenarioSpec, rng: np.random.Generator, length: int) -> Episode:
    """One valid episode of a smooth toy world: actions push the state, agents see parts of it."""
    n, o, a, s = spec.num_agents, spec.observation_dim, spec.action_dim, spec.state_dim
    view = np.random.default_rng(7).normal(size=(n, s, o)) / np.sqrt(s)
    push = np.random.default_rng(8).normal(size=(n * a, s)) / np.sqrt(n * a)
    alive = np.ones((length + 1, n), bool)
    legal = np.ones((length + 1, n, spec.legal_dim), bool)
    if spec.discrete:
        alive[length // 2 + 1 :, -1] = False
        legal = rng.random((length + 1, n, a)) < 0.7
        legal[..., 0] = False
        legal[..., 1] = True
        legal[~alive] = np.arange(a) == 0
    states, actions, rewards = [rng.normal(size=s)], [], []
    for t in range(length):
        if spec.discrete:
            action = np.array([rng.choice(np.flatnonzero(legal[t, i])) for i in range(n)], np.int32)
            encoded = np.eye(a)[action]
        else:
            encoded = action = (rng.uniform(-1, 1, (n, a)) * spec.action_mask).astype(np.float32)
        states.append(0.9 * states[-1] + 0.3 * encoded.reshape(-1) @ push)
        rewards.append(float(states[-1][0]))
        actions.append(action)
    state = np.asarray(states, np.float32)
    observations = np.einsum("ts,nso->tno", state, view) * spec.observation_mask
    return Episode(
        observations=(observations * alive[..., None]).astype(np.float32),
        state=state,
        actions=np.asarray(actions, spec.action_dtype),
        rewards=np.asarray(rewards, np.float32),
        legal_actions=legal,
        agent_mask=alive,
        terminated=bool(rng.random() < 0.5),
    )


@pytest.fixture(scope="session")
def make_episodes() -> Callable[..., list[Episode]]:
    """``make_episodes(spec, n, seed=0, length=8)``: valid toy episodes."""

    def make(spec: ScenarioSpec, n: int, seed: int = 0, length: int = 8) -> list[Episode]:
        rng = np.random.default_rng(seed)
        return [toy_episode(spec, rng, length) for _ in range(n)]

    return make


@pytest.fixture
def tiny_dataset(
    tmp_path: Path,
    continuous_spec: ScenarioSpec,
    discrete_spec: ScenarioSpec,
    make_episodes: Callable[..., list[Episode]],
) -> Callable[..., object]:
    """``tiny_dataset("continuous", episodes=20)``: a dataset of toy episodes on disk."""
    from logo_tf.data.store import write_dataset

    def build(kind: str, episodes: int = 20, length: int = 8) -> object:
        spec = continuous_spec if kind == "continuous" else discrete_spec
        made = make_episodes(spec, episodes, length=length)
        return write_dataset(tmp_path / f"{kind}-data", spec, made, config={}, provenance={})

    return build


class LeftAt:
    """A logger that copies at a step what a process that is killed there leaves of its work."""

    def __init__(self, step: int, out: Path, to: Path) -> None:
        self._step, self._out, self._to = step, out, to

    def write(self, step: int, metrics: Any) -> None:
        if step == self._step:
            shutil.copytree(disk.partial(self._out), disk.partial(self._to))

    def close(self) -> None:
        pass


@pytest.fixture(scope="session")
def left_at() -> type[LeftAt]:
    """``left_at(step, out, to)``: a logger of the training of ``out``, to be resumed as ``to``."""
    return LeftAt


@pytest.fixture
def file_server() -> Iterator[Any]:
    """A ``FileServer`` of file_server.py, on loopback."""
    server = runpy.run_path(str(Path(__file__).parent / "file_server.py"))["FileServer"]()
    yield server
    server.close()

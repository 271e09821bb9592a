"""Multi-agent MuJoCo: one robot whose joints are shared out among the agents."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from logo_tf.errors import LogoError
from logo_tf.scenarios.mujoco_renderer import MujocoRenderer
from logo_tf.scenarios.protocol import Frame
from logo_tf.specs import ScenarioSpec


class MaMuJoCo:
    """A ``Scenario`` over Gymnasium-Robotics' MaMuJoCo (Gymnasium's v5 robots).

    Every agent drives some joints. It observes the position and velocity of its own
    joints, of the joints next to them (``neighbours`` away) and of the torso. The
    global state is the whole robot's observation. The environment hands each agent
    the same reward, which is the single robot's reward of that step: that one number,
    neither summed nor shared out, is the team's reward.

    No action is ever illegal (L = 0) and no agent ever dies.
    """

    def __init__(self, name: str, neighbours: int = 1) -> None:
        """Build the environment; nothing is rendered until ``render``.

        Args:
          name: such as ``mamujoco/HalfCheetah-2x3``: the robot, then the partition
            of its joints (2 agents of 3 joints).
          neighbours: how many joints away an agent sees; 1 is MaMuJoCo's default.

        Raises:
          LogoError: the name does not fit, the packages are missing, or MaMuJoCo
            does not know the robot or the partition.
        """
        family, _, variant = name.partition("/")
        robot, _, partition = variant.partition("-")
        if family != "mamujoco" or not robot or not partition:
            raise LogoError(
                f"scenario {name!r} is not of the form mamujoco/ROBOT-PARTITION; "
                "write it like mamujoco/HalfCheetah-2x3"
            )
        # The package prints a notice about robot hands when it is imported.
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                from gymnasium_robotics import mamujoco_v1
            except ImportError as error:
                raise LogoError(
                    f"scenario {name!r} needs a package that cannot be imported ({error}); "
                    "pip install 'gymnasium-robotics>=1.4.2' mujoco"
                ) from None
        try:
            with _quiet_model_warnings():
                self._env = mamujoco_v1.parallel_env(
                    scenario=robot,
                    agent_conf=partition,
                    agent_obsk=neighbours,
                    # The checker costs a tenth of every step and only repeats our own checks.
                    disable_env_checker=True,
                )
        except Exception as error:  # MaMuJoCo raises bare Exceptions for unknown names
            reason = " ".join(str(error).split())
            raise LogoError(f"MaMuJoCo cannot build scenario {name!r}: {reason}") from error
        self._spec = _spec(name, robot, self._env)
        self._low = np.asarray(self._spec.action_low, np.float32)
        self._high = np.asarray(self._spec.action_high, np.float32)
        self._renderer = MujocoRenderer(self._env.single_agent_env.spec.id)
        self._posed = False
        self._running = False

    @property
    def spec(self) -> ScenarioSpec:
        """The scenario's spec."""
        return self._spec

    def reset(self, seed: int | None = None) -> Frame:
        """Begin an episode; the same seed begins the same episode.

        Args:
          seed: None draws on from the environment's own generator.
        """
        observations, _ = self._env.reset(seed=seed)
        self._posed = self._running = True
        return self._frame(observations, 0.0, False, False)

    def step(self, actions: np.ndarray) -> Frame:
        """Apply a joint action.

        Args:
          actions: (N, A) float32; clipped to the bounds, padding ignored.

        Raises:
          LogoError: no episode is running, the shape is wrong, an action is not
            finite, or the simulation left the finite numbers.
        """
        if not self._running:
            raise LogoError(
                f"{self._spec.name}: step without a running episode; call reset first "
                "and after every end of an episode"
            )
        actions = np.asarray(actions, np.float32)
        if actions.shape != self._spec.action_shape:
            raise LogoError(
                f"{self._spec.name}: actions have shape {actions.shape}, "
                f"expected (N, A) = {self._spec.action_shape}"
            )
        if not np.all(np.isfinite(actions)):
            raise LogoError(
                f"{self._spec.name}: actions are not finite: {actions.tolist()}; "
                "the policy has diverged"
            )
        actions = np.clip(actions, self._low, self._high)
        observations, rewards, terminations, truncations, _ = self._env.step(
            {
                agent: row[:width]
                for agent, row, width in zip(
                    self._spec.agents, actions, self._spec.action_dims, strict=True
                )
            }
        )
        first = self._spec.agents[0]  # all agents are handed the same three values
        terminated, truncated = bool(terminations[first]), bool(truncations[first])
        self._running = not (terminated or truncated)
        return self._frame(observations, float(rewards[first]), terminated, truncated)

    def render(self) -> np.ndarray:
        """Return the current picture, (height, width, 3) uint8, without a window.

        A process of its own draws it, see ``mujoco_renderer``; it starts with the first
        picture, which takes a second or two.

        Raises:
          LogoError: there was no reset yet, or this machine cannot render; the message
            says why.
        """
        if not self._posed:
            raise LogoError(f"{self._spec.name}: nothing to render before the first reset")
        data = self._env.single_agent_env.unwrapped.data
        return self._renderer.render(data.qpos, data.qvel)

    def close(self) -> None:
        """Free the environment."""
        self._running = self._posed = False
        self._renderer.close()
        self._env.close()

    def _frame(
        self, rows: dict[str, np.ndarray], reward: float, terminated: bool, truncated: bool
    ) -> Frame:
        spec = self._spec
        observations = np.zeros((spec.num_agents, spec.observation_dim), np.float32)
        for agent, (name, width) in enumerate(zip(spec.agents, spec.observation_dims, strict=True)):
            observations[agent, :width] = rows[name]
        state = self._env.state().astype(np.float32)
        if not (np.isfinite(reward) and np.all(np.isfinite(state))):
            self._running = False
            raise LogoError(
                f"{spec.name}: the simulation left the finite numbers; reset it and "
                "drop this episode"
            )
        return Frame(
            observations=observations,
            state=state,
            legal_actions=np.ones((spec.num_agents, 0), bool),
            agent_mask=np.ones(spec.num_agents, bool),
            reward=reward,
            terminated=terminated,
            truncated=truncated,
        )


def _spec(name: str, robot: str, env: Any) -> ScenarioSpec:
    agents = tuple(env.possible_agents)
    actions = [env.action_space(agent) for agent in agents]
    width = max(space.shape[0] for space in actions)

    def padded(bounds: np.ndarray) -> tuple[float, ...]:
        return tuple(float(bound) for bound in np.pad(bounds, (0, width - len(bounds))))

    robot_env = env.single_agent_env
    versions = ", ".join(
        f"{package} {importlib.metadata.version(package)}"
        for package in ("gymnasium-robotics", "gymnasium", "mujoco")
    )
    return ScenarioSpec(
        name=name,
        environment=f"MaMuJoCo {robot_env.spec.id} ({versions})",
        agents=agents,
        observation_dims=tuple(env.observation_space(agent).shape[0] for agent in agents),
        state_dim=robot_env.observation_space.shape[0],
        action_kind="continuous",
        action_dims=tuple(space.shape[0] for space in actions),
        action_low=tuple(padded(space.low) for space in actions),
        action_high=tuple(padded(space.high) for space in actions),
        episode_limit=robot_env.spec.max_episode_steps,
    )


@contextlib.contextmanager
def _quiet_model_warnings() -> Iterator[None]:
    """Drop what MuJoCo's compiler says about the robots' own files.

    It is nothing a user can mend, it appears once per copy, and MuJoCo would also
    append it to a log file in the working folder.
    """
    import mujoco

    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)

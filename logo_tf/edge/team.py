"""A trained team on a device: NumPy and a TFLite runtime, nothing else.

This file stands alone, and every bundle that ``logo-tf export RUN --tflite BUNDLE`` writes
carries a copy. A device needs the bundle and ``pip install numpy ai-edge-litert``:

    from team import Team          # or: from logo_tf.edge import Team
    team = Team.load("BUNDLE")
    team.reset()                   # as an episode begins, where agents remember
    actions = team.act(observations)

A device that is one of the agents takes ``Agent.load("BUNDLE", "agent_0")``.
``python team.py BUNDLE`` compares the files with the policy they were made from, on this
machine, and times a decision.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

POLICY = "policy.json"
SAMPLES = "samples.npz"
FORMAT = "logo_tf edge bundle"
VERSION = 1


class BundleError(ValueError):
    """A bundle that cannot be used, or an input that does not fit it; one line."""


class Agent:
    """One agent's policy and what it remembers.

    Attributes:
      name: the agent's name.
      index: its place among the N agents.
      observation_dim: O_i, numbers that it sees.
      action_dim: A_i, numbers that it answers, or choices that it has.
      memory_dim: M, what it remembers; 0 is nothing.
      discrete: whether it chooses one of A_i (else it answers a vector within its bounds).
      memory: (M,) float32, of the episode so far.
    """

    def __init__(self, entry: dict[str, Any], policy: dict[str, Any], content: bytes) -> None:
        """Start the interpreter; ``Agent.load`` and ``Team.load`` are the usual ways here."""
        self.name: str = entry["name"]
        self.index: int = entry["index"]
        self.observation_dim: int = entry["observation_dim"]
        self.action_dim: int = entry["action_dim"]
        self.memory_dim: int = policy["memory_dim"]
        self.discrete: bool = policy["actions"] == "discrete"
        self._interpreter = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        runner = self._interpreter.get_signature_runner("serving_default")
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        self._inputs = {name: details["index"] for name, details in inputs.items()}
        self._outputs = {name: details["index"] for name, details in outputs.items()}
        # A file that all agents share is as wide as the widest of them, and asks who it is.
        self._observation = np.zeros(inputs["observation"]["shape"], np.float32)
        self._legal = np.zeros((1, 0), np.float32)
        if self.discrete:
            self._legal = np.zeros(inputs["legal_actions"]["shape"], np.float32)
        self._who = np.array([self.index], np.int32)
        self.reset()

    @classmethod
    def load(cls, bundle: str | Path, agent: str | int) -> Agent:
        """Read one agent out of a bundle.

        Args:
          bundle: the folder.
          agent: its name or its index.

        Raises:
          BundleError: not a whole bundle, or there is no such agent.
        """
        folder = Path(bundle)
        policy = _read_policy(folder)
        for entry in policy["agents"]:
            if agent in (entry["name"], entry["index"]):
                return cls(entry, policy, _read_file(folder, entry["file"], policy))
        names = ", ".join(entry["name"] for entry in policy["agents"])
        raise BundleError(f"{folder}: has no agent {agent!r}; it has {names}")

    def reset(self) -> None:
        """Forget: an episode begins."""
        self.memory = np.zeros(self.memory_dim, np.float32)

    def act(self, observation: Any, legal: Any = None) -> Any:
        """Decide.

        Args:
          observation: (O_i,) raw numbers.
          legal: (A_i,) discrete: above 0.5 where an action is legal; None is all of them.

        Returns:
          An int, or (A_i,) float32.

        Raises:
          BundleError: a shape that is not this agent's, a number that is not finite, or
            nothing is legal.
        """
        action, self.memory = self.step(observation, legal, self.memory)
        return action

    def step(self, observation: Any, legal: Any, memory: Any) -> tuple[Any, np.ndarray]:
        """Decide as ``act`` does, going on from ``memory`` (M,), and return what follows it."""
        set_tensor, index = self._interpreter.set_tensor, self._inputs
        width = self.observation_dim
        self._observation[0, :width] = self._row(observation, width, "observation")
        # A sum is finite unless a number is not, or all are beyond any sensor.
        if not np.isfinite(self._observation.sum()):
            raise BundleError(f"{self.name}: observation holds a number that is not finite")
        set_tensor(index["observation"], self._observation)
        if self.discrete:
            self._set_legal(legal)
            set_tensor(index["legal_actions"], self._legal)
        if self.memory_dim:
            set_tensor(index["memory"], self._row(memory, self.memory_dim, "memory")[None])
        if "agent" in index:
            set_tensor(index["agent"], self._who)
        self._interpreter.invoke()
        answer = self._interpreter.get_tensor(self._outputs["action"])[0]
        if self.memory_dim:
            memory = self._interpreter.get_tensor(self._outputs["next_memory"])[0]
        return (int(answer) if self.discrete else answer[: self.action_dim]), memory

    def _set_legal(self, legal: Any) -> None:
        if legal is None:
            self._legal[0, : self.action_dim] = 1.0
            return
        row = self._row(legal, self.action_dim, "legal")
        if not (row > 0.5).any():
            raise BundleError(f"{self.name}: no action is legal")
        self._legal[0, : self.action_dim] = row > 0.5

    def _row(self, values: Any, width: int, what: str) -> np.ndarray:
        row = np.asarray(values, np.float32)
        if row.shape != (width,):
            raise BundleError(f"{self.name}: {what} has shape {row.shape}, expected ({width},)")
        return row


class Team:
    """All agents of a bundle, as a simulator or a gateway runs them.

    Attributes:
      agents: the N agents, in order.
      discrete: whether they choose.
    """

    def __init__(self, agents: Sequence[Agent], samples: dict[str, np.ndarray]) -> None:
        """Store the parts; ``Team.load`` is the usual way here."""
        self.agents = tuple(agents)
        self.discrete = self.agents[0].discrete
        self._samples = samples

    @classmethod
    def load(cls, bundle: str | Path) -> Team:
        """Read a bundle, every file compared with its sha256.

        Raises:
          BundleError: not a bundle, of another version, or a file is missing or changed.
        """
        folder = Path(bundle)
        policy = _read_policy(folder)
        names = dict.fromkeys(entry["file"] for entry in policy["agents"])
        contents = {name: _read_file(folder, name, policy) for name in names}
        _read_file(folder, SAMPLES, policy)
        with np.load(folder / SAMPLES, allow_pickle=False) as samples:
            agents = [Agent(entry, policy, contents[entry["file"]]) for entry in policy["agents"]]
            return cls(agents, dict(samples))

    def reset(self) -> None:
        """Forget: an episode begins."""
        for agent in self.agents:
            agent.reset()

    def act(self, observations: Any, legal: Any = None) -> np.ndarray:
        """Decide for every agent.

        Args:
          observations: N rows in the agents' order, each of its agent's O_i numbers; longer
            rows, such as those of an (N, O) array, are padding from there on.
          legal: discrete: N rows of at least A_i numbers, above 0.5 where legal; None is all.

        Returns:
          (N,) int32, or (N, A) float32, zero where an agent has fewer than A.

        Raises:
          BundleError: rows that do not fit the agents, a number that is not finite, or an
            agent to which nothing is legal.
        """
        memory = [agent.memory for agent in self.agents]
        actions, after = self.step(observations, legal, memory)
        for agent, remembered in zip(self.agents, after, strict=True):
            agent.memory = remembered
        return actions

    def step(self, observations: Any, legal: Any, memory: Any) -> tuple[np.ndarray, np.ndarray]:
        """Decide as ``act`` does, going on from ``memory`` (N, M), and return what follows it."""
        n = len(self.agents)
        for what, rows in (("observations", observations), ("legal", legal), ("memory", memory)):
            if rows is not None and len(rows) != n:
                raise BundleError(f"{what}: {len(rows)} rows, but the team has {n} agents")
        if self.discrete:
            actions = np.zeros(n, np.int32)
        else:
            actions = np.zeros((n, max(agent.action_dim for agent in self.agents)), np.float32)
        after = np.zeros((n, self.agents[0].memory_dim), np.float32)
        for i, agent in enumerate(self.agents):
            seen = observations[i][: agent.observation_dim]
            allowed = legal[i][: agent.action_dim] if self.discrete and legal is not None else None
            action, after[i] = agent.step(seen, allowed, memory[i])
            if self.discrete:
                actions[i] = action
            else:
                actions[i, : agent.action_dim] = action
        return actions, after

    def check(self) -> float:
        """Decide on the bundle's samples, and compare with the policy that was exported.

        Returns:
          The largest difference of an action, or, of choices, the share that are others.
        """
        wanted, worst, other = self._samples["actions"], 0.0, []
        for b in range(len(wanted)):
            for i, agent in enumerate(self.agents):
                action, _ = agent.step(*self.sample(b, i))
                if self.discrete:
                    other.append(action != wanted[b, i])
                else:
                    gap = np.abs(action - wanted[b, i, : agent.action_dim]).max()
                    worst = max(worst, float(gap))
        return float(np.mean(other)) if self.discrete else worst

    def sample(self, number: int, agent: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """An agent's observation, legal actions and memory of one of the bundle's samples."""
        one = self.agents[agent]
        legal = self._samples["legal_actions"][number, agent, : one.action_dim]
        return (
            self._samples["observations"][number, agent, : one.observation_dim],
            legal if self.discrete else None,
            self._samples["memory"][number, agent],
        )


def measure(bundle: str | Path, decisions: int = 5000) -> dict[str, Any]:
    """Compare a bundle with the policy it was made from, and time single decisions here.

    Args:
      bundle: the folder.
      decisions: how many are timed, agents in turn; a tenth more go before, untimed.

    Returns:
      ``precision``, ``agents``, ``bytes`` of all .tflite files, ``difference`` as of
      ``Team.check``, ``decisions``, and ``p50_us`` and ``p99_us``, microseconds of one
      agent's decision.

    Raises:
      BundleError: as ``Team.load``, or no decisions.
    """
    if decisions < 1:
        raise BundleError(f"decisions must be at least 1, got {decisions}")
    folder = Path(bundle)
    team, policy = Team.load(folder), _read_policy(folder)
    difference, n = team.check(), len(team.agents)
    count = len(team._samples["observations"])
    # Plain arrays, drawn before the clock runs.
    inputs = [(i, team.sample(b, i)) for b in range(count) for i in range(n)]
    taken = []
    for number in range(-(decisions // 10), decisions):
        i, sample = inputs[number % len(inputs)]
        step = team.agents[i].step
        begun = time.perf_counter_ns()
        step(*sample)
        if number >= 0:
            taken.append(time.perf_counter_ns() - begun)
    middle, slow = np.quantile(taken, (0.5, 0.99)) / 1000
    files = {entry["file"] for entry in policy["agents"]}
    return {
        "precision": policy["precision"],
        "agents": n,
        "bytes": sum((folder / name).stat().st_size for name in files),
        "difference": difference,
        "decisions": decisions,
        "p50_us": float(middle),
        "p99_us": float(slow),
    }


def _read_policy(folder: Path) -> dict[str, Any]:
    file = folder / POLICY
    try:
        policy: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if policy["format"] != FORMAT:
            raise BundleError(f"{file}: says it is {policy['format']!r}, not a {FORMAT}")
        if policy["version"] != VERSION:
            raise BundleError(f"{file}: version {policy['version']}; this reads {VERSION}")
        for entry in policy["agents"]:
            _ = (entry["name"], entry["index"], entry["observation_dim"], entry["action_dim"])
            if entry["file"] not in policy["files"] or Path(entry["file"]).name != entry["file"]:
                raise BundleError(f"{file}: {entry['file']!r} is not one of the bundle's files")
        _ = (policy["memory_dim"], policy["actions"], policy["precision"], policy["agents"][0])
    except FileNotFoundError:
        raise BundleError(f"{folder}: not a bundle (it has no {POLICY})") from None
    except BundleError:
        raise
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise BundleError(f"{file}: cannot be read: {error!r}") from None
    return policy


def _read_file(folder: Path, name: str, policy: dict[str, Any]) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise BundleError(f"{folder / name}: cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != policy["files"].get(name):
        raise BundleError(f"{folder / name}: is not the file that was exported (sha256 differs)")
    return content


def main(arguments: Sequence[str]) -> int:
    """Check and time a bundle from the command line; the folder of this file by default."""
    try:
        found = measure(arguments[0] if arguments else Path(__file__).parent)
    except BundleError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.writelines(f"{name:<12}{value}\n" for name, value in found.items())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

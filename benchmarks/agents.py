"""What a world model costs with 2 to 27 agents: steps, rollouts, parameters.

    python benchmarks/agents.py

Random numbers in a scenario whose agents all see and choose among equally much, and whose
state grows with their number, so that only N changes: O 40, 10 actions, S 12 N. CPU time on
one thread. The exponent is the slope of log cost over log N between the two largest N: 1
is linear.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import numpy as np
import tensorflow as tf
from costs import step_costs
from recording import RESULTS, figure, machine, record

from logo_tf.config import override
from logo_tf.data import pipeline
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import Dataset, write_dataset
from logo_tf.episodes import Episode
from logo_tf.specs import ScenarioSpec
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.open_loop import open_loop
from logo_tf.world_model.registry import build
from logo_tf.world_model.sizing import parameter_count

AGENTS = (2, 3, 5, 8, 16, 27)
OBSERVATION, ACTIONS, STATE_PER_AGENT = 40, 10, 12
_BRANCHES, _HORIZON = 256, 15


def main() -> None:
    """Measure every size and kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", default=["logo", "monolithic"])
    parser.add_argument("--agents", nargs="+", type=int, default=list(AGENTS))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if len(arguments.agents) < 2:
        parser.error("--agents: an exponent takes two sizes or more")
    where, figures = machine(), {}
    costs: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for n in arguments.agents:
            dataset = random_dataset(Path(folder) / str(n), n)
            configs = {
                kind: override(WorldModelConfig(), [f"kind={kind}"]) for kind in arguments.kinds
            }
            turns = step_costs(dataset, configs, arguments.repetitions, every=10)
            for kind, config in configs.items():
                late = config.unroll_share
                mixed = [(1 - late) * t.one_step + late * t.unrolled for t in turns[kind]]
                label = f"{kind}, {n} agents"
                figures[f"{label}: training step"] = figure([1e3 * t for t in mixed], "CPU ms")
                rates = [rollout_rate(dataset, config) for _ in range(arguments.repetitions)]
                figures[f"{label}: rollout"] = figure(rates, "joint states/CPU s")
                model = build(config, dataset.spec, standardisation(dataset), seed=0)
                figures[f"{label}: size"] = figure([parameter_count(model)], "parameters")
                costs[kind, n] = float(np.median(mixed))
    last, large = arguments.agents[-2:]
    for kind in arguments.kinds:
        slope = math.log(costs[kind, large] / costs[kind, last]) / math.log(large / last)
        figures[f"{kind}: exponent from {last} to {large} agents"] = figure([slope], "")
    settings = {"observation": OBSERVATION, "actions": ACTIONS, "state": f"{STATE_PER_AGENT} N"}
    record("agents", where, figures, settings, arguments.results)


def random_dataset(out: Path, agents: int) -> Dataset:
    """20 episodes of 30 random steps."""
    spec = ScenarioSpec(
        name=f"random/{agents}",
        environment="random numbers",
        agents=tuple(f"agent_{i}" for i in range(agents)),
        observation_dims=(OBSERVATION,) * agents,
        state_dim=STATE_PER_AGENT * agents,
        action_kind="discrete",
        action_dims=(ACTIONS,) * agents,
        episode_limit=30,
        noop_action=0,
    )
    rng = np.random.default_rng(0)

    def episode() -> Episode:
        legal = np.ones((31, agents, ACTIONS), bool)
        legal[..., 0] = False
        return Episode(
            observations=rng.standard_normal((31, agents, OBSERVATION), np.float32),
            state=rng.standard_normal((31, spec.state_dim), np.float32),
            actions=rng.integers(1, ACTIONS, (30, agents), dtype=np.int32),
            rewards=rng.standard_normal(30, np.float32),
            legal_actions=legal,
            agent_mask=np.ones((31, agents), bool),
            terminated=False,
        )

    return write_dataset(out, spec, (episode() for _ in range(20)), config={}, provenance={})


def rollout_rate(dataset: Dataset, config: WorldModelConfig) -> float:
    """Joint states per CPU second of open-loop rollouts in one graph call."""
    model = build(config, dataset.spec, standardisation(dataset), seed=0)
    batch, _ = next(iter(pipeline.windows(dataset, None, _HORIZON, _BRANCHES, seed=0)))
    predict = tf.function(lambda: open_loop(model, batch).state, autograph=False)
    predict()
    begin = time.process_time()
    for _ in range(3):
        predict()
    return 3 * _BRANCHES * _HORIZON / (time.process_time() - begin)


if __name__ == "__main__":
    main()

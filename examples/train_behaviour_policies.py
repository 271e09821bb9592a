"""Trains the behaviour policies that this repository ships, with TF-Agents' PPO.

    python examples/train_behaviour_policies.py --scenario mamujoco/HalfCheetah-2x3

Leaves SavedModels in TensorFlow Serving's layout and their index:

    saved_models/HalfCheetah-2x3-behaviour/behaviour.json
    saved_models/HalfCheetah-2x3-behaviour/VERSION/    VERSION = environment steps

Interrupt it (Ctrl-C) to end training early and ship what there is by then.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np
from absl import app, flags, logging
from tqdm import tqdm

from logo_tf.errors import LogoError
from logo_tf.scenarios.registry import make_scenario

_SCENARIO = flags.DEFINE_string("scenario", "mamujoco/HalfCheetah-2x3", "The scenario's name.")
_STEPS = flags.DEFINE_integer("steps", 600_000, "Environment steps to train for.", 1)
_SEED = flags.DEFINE_integer("seed", 0, "Fixes the whole run.", 0)
_OUT = flags.DEFINE_string("out", "saved_models", "Folder that the policies land in.")
_SNAPSHOTS = flags.DEFINE_integer("snapshots", 8, "How many policies to ship.", 2)
_COPIES = flags.DEFINE_integer("copies", 32, "Scenario copies that are stepped together.", 1)
_EPISODES = flags.DEFINE_integer("episodes", 10, "Episodes to measure each policy on.", 1)
_MEDIUM = flags.DEFINE_float(
    "medium", 0.55, "The medium policy's return, as a share of the way to the expert's.", 0.0, 1.0
)
_THREADS = flags.DEFINE_integer("threads", 0, "TensorFlow's threads; 0 leaves it to choose.", 0)

# Returns are averaged over the last so many training episodes.
_WINDOW = 16


def main(argv: list[str]) -> None:
    """Train, pick, measure, ship."""
    del argv
    logging.set_verbosity(logging.WARNING)  # TensorFlow announces every file it saves
    import tensorflow as tf

    from logo_tf.agents import behaviour_snapshots
    from logo_tf.agents.behaviour import train_behaviour

    if _THREADS.value:
        tf.config.threading.set_intra_op_parallelism_threads(_THREADS.value)
        tf.config.threading.set_inter_op_parallelism_threads(_THREADS.value)

    scenarios = [make_scenario(_SCENARIO.value) for _ in range(_COPIES.value)]
    spec = scenarios[0].spec
    recent: deque[float] = deque(maxlen=_WINDOW)
    early: list[behaviour_snapshots.Snapshot] = []
    known: list[behaviour_snapshots.Snapshot] = []
    steps = 0
    with tqdm(total=_STEPS.value, desc="PPO", unit="step", unit_scale=True) as bar:
        try:
            for progress in train_behaviour(scenarios, _STEPS.value, _SEED.value):
                recent.extend(progress.returns)
                bar.update(progress.steps - steps)
                steps = progress.steps
                snapshot = behaviour_snapshots.Snapshot(steps, progress.weights, tuple(recent))
                (known if recent else early).append(snapshot)
                if recent:
                    bar.set_postfix(mean_return=f"{np.mean(recent):.0f}", refresh=False)
        except KeyboardInterrupt:
            bar.write(f"interrupted after {steps} steps; shipping what there is")
    if len(known) < 2:
        raise LogoError(f"no episode ended within {steps} steps; raise --steps")

    # A training return lags behind its policy, so three times as many candidates as
    # needed are measured afresh; the first few rounds have no return yet.
    candidates = early[:: max(1, len(early) // 3)]
    candidates += behaviour_snapshots.spread(known, 3 * _SNAPSHOTS.value)
    measured = [
        behaviour_snapshots.measure(scenarios, candidate, _EPISODES.value, _SEED.value + 1)
        for candidate in tqdm(candidates, desc="measuring", unit="policy")
    ]
    stride = max(1, len(known) // 200)
    folder = behaviour_snapshots.ship(
        spec,
        behaviour_snapshots.spread(measured, _SNAPSHOTS.value),
        Path(_OUT.value),
        _MEDIUM.value,
        {
            "command": (
                f"python examples/{Path(__file__).name} --scenario {_SCENARIO.value} "
                f"--steps {_STEPS.value} --seed {_SEED.value} --snapshots {_SNAPSHOTS.value} "
                f"--copies {_COPIES.value} --episodes {_EPISODES.value} --medium {_MEDIUM.value}"
            ),
            "seed": _SEED.value,
            "trained_steps": steps,
            "learning_curve": [
                [snapshot.steps, round(snapshot.mean_return, 1)] for snapshot in known[::stride]
            ],
        },
    )
    for scenario in scenarios:
        scenario.close()
    tqdm.write(f"shipped to {folder}")


if __name__ == "__main__":
    app.run(main)

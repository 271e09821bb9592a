"""Trains the behaviour policies that this repository ships, with TF-Agents' PPO.

    python examples/train_behaviour_policies.py --scenario mamujoco/HalfCheetah-2x3
    python examples/train_behaviour_policies.py --scenario smax/3m --copies 64 --episodes 128

Where a script plays the scenario, as it does SMAX, ``--lessons`` lets the policy learn
from it first; and the expert is the script, if no policy earns more.

Leaves SavedModels in TensorFlow Serving's layout and their index:

    saved_models/HalfCheetah-2x3-behaviour/behaviour.json
    saved_models/HalfCheetah-2x3-behaviour/VERSION/    VERSION = environment steps

Interrupt it (Ctrl-C) to end training early and ship what there is by then.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

from absl import app, flags, logging
from tqdm import tqdm

from logo_tf.config import override
from logo_tf.errors import LogoError
from logo_tf.scenarios.registry import make_scenario
from logo_tf.seeds import derive

_SCENARIO = flags.DEFINE_string("scenario", "mamujoco/HalfCheetah-2x3", "The scenario's name.")
_STEPS = flags.DEFINE_integer("steps", 600_000, "Environment steps to train for.", 1)
_LESSONS = flags.DEFINE_integer("lessons", 0, "How many of them are the script's lessons.", 0)
_SEED = flags.DEFINE_integer("seed", 0, "Fixes the whole run.", 0)
_OUT = flags.DEFINE_string("out", "saved_models", "Folder that the policies land in.")
_SNAPSHOTS = flags.DEFINE_integer("snapshots", 8, "How many policies to ship.", 2)
_COPIES = flags.DEFINE_integer("copies", 32, "Scenario copies that are stepped together.", 1)
_EPISODES = flags.DEFINE_integer(
    "episodes", 16, "Episodes to choose by; twice as many measure what ships.", 1
)
_MEDIUM = flags.DEFINE_float(
    "medium", 0.65, "The medium policy's return, as a share of the way to the expert's.", 0.0, 1.0
)
_SET = flags.DEFINE_multi_string(
    "set", [], "A setting of PPOSettings over those of the kind of action, such as epochs=3."
)
_THREADS = flags.DEFINE_integer("threads", 0, "TensorFlow's threads; 0 leaves it to choose.", 0)

# Returns are averaged over so many training episodes, or all that ended in a round.
_WINDOW = 16


def main(argv: list[str]) -> None:
    """Train, pick, measure, ship."""
    del argv
    logging.set_verbosity(logging.WARNING)  # TensorFlow announces every file it saves
    import tensorflow as tf

    from logo_tf.agents import behaviour_snapshots
    from logo_tf.agents.behaviour import default_settings, train_behaviour
    from logo_tf.scenarios.smax_qualities import scripted_epsilons
    from logo_tf.scenarios.smax_script import ScriptedPolicy

    if _THREADS.value:
        tf.config.threading.set_intra_op_parallelism_threads(_THREADS.value)
        tf.config.threading.set_inter_op_parallelism_threads(_THREADS.value)

    scenarios = [make_scenario(_SCENARIO.value) for _ in range(_COPIES.value)]
    spec = scenarios[0].spec
    settings = override(default_settings(spec), _SET.value)
    played = scripted_epsilons(spec.name, "expert") is not None
    script = ScriptedPolicy(spec) if played else None
    recent: deque[float] = deque(maxlen=_WINDOW)
    early: list[behaviour_snapshots.Snapshot] = []
    known: list[behaviour_snapshots.Snapshot] = []
    steps = 0
    with tqdm(total=_STEPS.value, desc="PPO", unit="step", unit_scale=True) as bar:
        try:
            for progress in train_behaviour(
                scenarios,
                _STEPS.value,
                _SEED.value,
                settings,
                teacher=script,
                lessons=_LESSONS.value,
            ):
                recent.extend(progress.returns)
                bar.update(progress.steps - steps)
                steps = progress.steps
                ended = progress.returns if len(progress.returns) > _WINDOW else tuple(recent)
                snapshot = behaviour_snapshots.Snapshot(
                    steps, progress.weights, behaviour_snapshots.Record(ended)
                )
                (known if recent else early).append(snapshot)
                if recent:
                    mean = behaviour_snapshots.rounded(snapshot.mean_return)
                    bar.set_postfix(mean_return=mean, refresh=False)
        except KeyboardInterrupt:
            bar.write(f"interrupted after {steps} steps; shipping what there is")
    if len(known) < 2:
        raise LogoError(f"no episode ended within {steps} steps; raise --steps")

    # A training return lags behind its policy, so twice as many candidates as needed are
    # measured afresh, with the first rounds, which have no return yet, and the last
    # third of training, where the expert should be.
    candidates = early[:: max(1, len(early) // 2)]
    late = known[-len(known) // 3 :]
    picked = behaviour_snapshots.spread(known, 2 * _SNAPSHOTS.value)
    picked += late[:: max(1, len(late) // _SNAPSHOTS.value)]
    candidates += sorted({one.steps: one for one in picked}.values(), key=lambda one: one.steps)

    def measure(
        snapshots: list[behaviour_snapshots.Snapshot], episodes: int, seed: int, what: str
    ) -> list[behaviour_snapshots.Snapshot]:
        return [
            behaviour_snapshots.measure(scenarios, snapshot, episodes, seed)
            for snapshot in tqdm(snapshots, desc=what, unit="policy")
        ]

    # Chosen by one set of episodes and published by another: the best of many candidates
    # owes part of its lead to luck.
    first, last = derive(_SEED.value, "choose"), derive(_SEED.value, "publish")
    chosen = behaviour_snapshots.spread(
        measure(candidates, _EPISODES.value, first, "choosing"), _SNAPSHOTS.value
    )
    scripted = [
        None if script is None else behaviour_snapshots.record(scenarios, script, episodes, seed)
        for episodes, seed in ((_EPISODES.value, first), (2 * _EPISODES.value, last))
    ]
    medium, expert = behaviour_snapshots.roles(chosen, _MEDIUM.value, scripted[0])
    published = measure(chosen, 2 * _EPISODES.value, last, "measuring")
    stride = max(1, len(known) // 200)
    folder = behaviour_snapshots.ship(
        spec,
        published,
        medium,
        expert,
        scripted[1],
        Path(_OUT.value),
        {
            "command": (
                f"python examples/{Path(__file__).name} --scenario {_SCENARIO.value} "
                f"--steps {_STEPS.value} --lessons {_LESSONS.value} --seed {_SEED.value} "
                f"--snapshots {_SNAPSHOTS.value} --copies {_COPIES.value} "
                f"--episodes {_EPISODES.value} --medium {_MEDIUM.value}"
                + "".join(f" --set {setting}" for setting in _SET.value)
            ),
            "seed": _SEED.value,
            "trained_steps": steps,
            "chosen_from": len(candidates),
            "returns_are_of": "exploring episodes that no policy was chosen by",
            "learning_curve": [
                [snapshot.steps, behaviour_snapshots.rounded(snapshot.mean_return)]
                for snapshot in known[::stride]
            ],
        },
    )
    for scenario in scenarios:
        scenario.close()
    tqdm.write(f"shipped to {folder}")


if __name__ == "__main__":
    app.run(main)

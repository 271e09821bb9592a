"""``logo-tf policy``: train and judge policies."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logo_tf.agents.config import PlanningConfig
from logo_tf.cli.parser import add_data, add_settings, add_strategy, verb

if TYPE_CHECKING:
    from logo_tf.agents.policy import TrainedPolicy
    from logo_tf.scenarios.protocol import TeamPolicy
    from logo_tf.world_model.protocol import Simulator


def add(verbs: Any) -> None:
    """Add the verb and the verbs below it."""
    group = verbs.add_parser("policy", help="train and judge policies")
    below = group.add_subparsers(title="verbs", metavar="VERB", required=True)

    parser = verb(
        below,
        "train",
        train,
        "train a policy on a dataset, and on what a world model imagines",
        "Killed or interrupted, the same command resumes.",
    )
    add_data(parser)
    parser.add_argument("--model", metavar="RUN", help="a world model; without it, real data alone")
    parser.add_argument(
        "--algorithm",
        metavar="A",
        help="bc, macql, cfcql, icq, omiga or, for vectors alone, matd3bc or omar; by default "
        "matd3bc for vectors, macql for choices",
    )
    parser.add_argument("--out", metavar="RUN", required=True, help="the policy's folder, new")
    add_strategy(parser)
    add_settings(parser, "width=256 imagination.horizon=5")

    parser = verb(
        below,
        "eval",
        evaluate,
        "play episodes with a policy and print its return",
        "example: logo-tf policy eval runs/macql --plan-with runs/logo --set planner.horizon=3",
    )
    parser.add_argument("path", metavar="RUN", help="the policy, or a bundle for devices")
    parser.add_argument("--scenario", metavar="S", help="the scenario (that of its data)")
    parser.add_argument(
        "--episodes", metavar="N", type=int, default=20, help="episodes to play (20)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--plan-with",
        metavar="RUN",
        help="a world model, or where one is served (grpc://HOST:PORT/NAME): play the same "
        "episodes once more with a central planner in it",
    )
    add_settings(parser, "planner.horizon=5, with --plan-with")


def train(arguments: argparse.Namespace) -> int:
    """Train or resume a policy."""
    from logo_tf.agents.registry import default_config, require_algorithm
    from logo_tf.cli.output import write_line
    from logo_tf.cli.quiet import import_replicas
    from logo_tf.cli.settings import resolve
    from logo_tf.config import require
    from logo_tf.data.store import load_dataset
    from logo_tf.scenarios.registry import scenario_names

    if arguments.algorithm is not None:
        require_algorithm(arguments.algorithm)
    dataset = load_dataset(arguments.data, holding=arguments.rows)
    base = default_config(arguments.algorithm, dataset.spec.action_kind)
    config = resolve(base, arguments)
    model = None if arguments.model is None else Path(arguments.model)
    require(
        model is None or config.algorithm != "bc",
        "--model: bc learns from real data alone; leave the model out, or choose macql",
    )
    strategy = import_replicas(arguments.strategy, "logo_tf.agents.learner")
    from logo_tf.agents.learner import train_policy

    path = train_policy(
        dataset,
        config,
        arguments.seed or 0,
        Path(arguments.out),
        world_model=model,
        strategy=strategy,
    )
    if dataset.spec.name in scenario_names():
        write_line(f"{path}: trained; judge it with: logo-tf policy eval {path}")
    else:
        write_line(
            f"{path}: trained; {dataset.spec.name} cannot be played here, so take it to where it "
            f"can: logo-tf export {path} --name NAME"
        )
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Play episodes and print the return, of the policy and of a planner around it."""
    from logo_tf.artifacts import verify
    from logo_tf.cli.output import write_json, write_pairs
    from logo_tf.cli.quiet import import_tensorflow, silence
    from logo_tf.cli.settings import resolve
    from logo_tf.config import require
    from logo_tf.evaluation.returns import evaluate_policy
    from logo_tf.scenarios.registry import scenario_spec

    require(arguments.episodes >= 1, f"--episodes must be at least 1, got {arguments.episodes}")
    require(
        arguments.plan_with is not None or not (arguments.set or arguments.config),
        "--set and --config are the planner's: add --plan-with RUN, a world model",
    )
    manifest = verify(arguments.path)
    bundle = manifest.kind == "export" and manifest.config.get("format") == "tflite"
    require(
        bundle or manifest.kind == "policy",
        f"{arguments.path}: is a {manifest.kind} artefact, expected a policy or a bundle for "
        "devices",
    )
    require(
        not bundle or arguments.plan_with is None,
        f"--plan-with: {arguments.path} is a bundle for devices, which cannot plan; "
        "name the policy that it was made from",
    )
    config = None
    if arguments.plan_with is not None:
        config = resolve(PlanningConfig(), arguments)
        if not _is_address(arguments.plan_with):
            manifest.scenario.require_fits(
                verify(arguments.plan_with, "world_model").scenario,
                f"the policy {arguments.path}",
                f"the world model {arguments.plan_with}",
            )
    scenario = arguments.scenario or manifest.scenario.name
    manifest.scenario.require_fits(
        scenario_spec(scenario), f"the policy {arguments.path}", f"the scenario {scenario}"
    )
    policy: TeamPolicy
    if bundle:
        from logo_tf.evaluation.edge_policy import EdgePolicy

        with silence():
            policy = EdgePolicy(arguments.path)
    else:
        import_tensorflow("logo_tf.agents.policy")
        from logo_tf.agents.policy import load_policy

        policy = load_policy(arguments.path)
        if config is not None:
            return _compare(arguments, scenario, policy, config)
    returns = evaluate_policy(scenario, policy, arguments.episodes, arguments.seed or 0)
    found = {"scenario": scenario, **returns.to_dict()}
    if arguments.json:
        write_json(found)
        return 0
    write_pairs({name: value for name, value in found.items() if name != "returns"})
    return 0


def _compare(
    arguments: argparse.Namespace, scenario: str, policy: TrainedPolicy, config: PlanningConfig
) -> int:
    """Play the same episodes with the policy and with a planner around it."""
    from logo_tf.agents.planner import planner_of
    from logo_tf.cli.output import write_json, write_line, write_table
    from logo_tf.config import to_dict
    from logo_tf.evaluation.returns import evaluate_policy, gain, shown
    from logo_tf.reproducible import reproducible_graphs

    episodes, seed = arguments.episodes, arguments.seed or 0
    # A planner's graph is large: rewritten, its first step would take half a minute.
    with _simulator(arguments.plan_with) as model, reproducible_graphs():
        planner = planner_of(policy, model, config.planner)
        bare = evaluate_policy(scenario, policy, episodes, seed, "policy")
        planned = evaluate_policy(scenario, planner, episodes, seed, "planner")
    difference = gain(planned, bare)
    if arguments.json:
        write_json(
            {
                "scenario": scenario,
                "settings": to_dict(config),
                "policy": bare.to_dict(),
                "planner": planned.to_dict(),
                **difference,
            }
        )
        return 0
    left, right = bare.to_dict(), planned.to_dict()
    rows = [(name, left[name], right[name]) for name in left if name != "returns"]
    write_table(("", "policy", "planner"), rows, scenario)
    gained, error = difference["gain_mean"], shown(difference["gain_error"], bare.high)
    mean = f"{shown(abs(gained), bare.high)} {'less' if gained < 0 else 'more'}"
    value = "its value" if policy.value is not None else "no value, as it learned none"
    write_line(
        f"Same episodes: the planner earns {mean}, standard error {error}. "
        f"Beyond the horizon it has {value}."
    )
    return 0


def _is_address(where: str) -> bool:
    return "://" in where


@contextlib.contextmanager
def _simulator(where: str) -> Iterator[Simulator]:
    """The world model of a folder or, at an address, of a server; what that refuses is one line."""
    if not _is_address(where):
        from logo_tf.world_model.artifact import load_world_model

        yield load_world_model(where)
        return
    from logo_tf.cli.serve import TOKEN
    from logo_tf.errors import LogoError
    from logo_tf.serving import Client, ClientConfig, RemoteWorldModel, ServingError

    address, _, name = where.rpartition("/")
    with Client(address, ClientConfig(token=os.environ.get(TOKEN))) as client:
        try:
            model = RemoteWorldModel(client, name)
            with model.errors():
                yield model
        except ServingError as error:
            raise LogoError(f"{where}: {error.code.name}: {error}") from None

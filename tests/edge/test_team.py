"""Teams on a device."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logo_tf.edge import Agent, BundleError, Team
from logo_tf.edge.team import main, measure
from logo_tf.export.bundle import write_bundle
from logo_tf.export.golden import golden_inputs

KINDS = ["continuous", "discrete"]


def play(policy: Any, team: Team, steps: int, tolerance: float = 1e-5) -> list[np.ndarray]:
    """An episode: what the team remembers is its own, what the policy does is handed on."""
    spec, n = policy.spec, policy.spec.num_agents
    memory = np.zeros((1, n, policy.memory_dim), np.float32)
    team.reset()
    taken = []
    for t in range(steps):
        golden = golden_inputs(spec, 1, seed=t)
        legal = golden.legal_actions if spec.discrete else None
        wanted, memory = policy.act_on(
            golden.observations, golden.legal_actions > 0.5, memory, np.random.default_rng(0)
        )
        actions = team.act(golden.observations[0], None if legal is None else legal[0])
        assert actions.dtype == wanted.dtype
        np.testing.assert_allclose(actions, wanted[0], atol=tolerance)
        taken.append(actions)
    return taken


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["agents", "shared"])
def test_a_team_acts_as_its_policy(
    kind: str, layout: Any, teams: dict[str, Any], tmp_path: Path
) -> None:
    policy = teams[kind]
    files = write_bundle(policy, policy.manifest, tmp_path / "b", layout=layout)
    names = ["team.tflite"] if layout == "shared" else [f"{a}.tflite" for a in policy.spec.agents]
    assert [file.name for file in files] == names
    team = Team.load(tmp_path / "b")
    taken = play(policy, team, 6)
    assert any(np.any(actions != taken[0]) for actions in taken)
    assert team.check() <= 1e-5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_rounded_weights_act_nearly_so_and_take_less_room(
    kind: str, precision: Any, teams: dict[str, Any], bundles: dict[str, Path], tmp_path: Path
) -> None:
    policy = teams[kind]
    (file, *_) = write_bundle(policy, policy.manifest, tmp_path / "b", precision=precision)
    assert file.stat().st_size < 0.8 * (bundles[kind] / file.name).stat().st_size
    team = Team.load(tmp_path / "b")
    difference = team.check()
    assert difference < 0.05
    if kind == "continuous":
        assert difference > 1e-6  # they are rounded


def test_an_agent_alone_acts_as_in_its_team(bundles: dict[str, Path]) -> None:
    team = Team.load(bundles["discrete"])
    by_name, by_index = (Agent.load(bundles["discrete"], who) for who in ("b", 1))
    rng = np.random.default_rng(1)
    for _ in range(4):
        seen = rng.normal(size=(3, 4)).astype(np.float32)
        legal = np.array([[0, 1, 1, 1], [0, 1, 0, 1], [1, 0, 0, 0]])
        together = team.act(seen, legal)
        assert by_name.act(seen[1], legal[1]) == by_index.act(list(seen[1]), legal[1])
        assert together[2] == 0
        np.testing.assert_array_equal(by_name.memory, team.agents[1].memory)


def test_a_memory_is_of_one_episode(bundles: dict[str, Path]) -> None:
    agent = Agent.load(bundles["discrete"], "a")
    agent.act(np.ones(4))
    first = agent.memory
    assert first.shape == (24,)
    agent.act(np.ones(4))
    assert np.any(agent.memory != first)
    agent.reset()
    agent.act(np.ones(4))
    np.testing.assert_array_equal(agent.memory, first)


def test_only_legal_actions_are_chosen_and_without_a_mask_all_are(
    bundles: dict[str, Path],
) -> None:
    agent, rng = Agent.load(bundles["discrete"], "c"), np.random.default_rng(2)
    free = set()
    for _ in range(50):
        seen = 10 * rng.normal(size=4)
        for only in range(4):
            assert agent.act(seen, np.eye(4)[only]) == only
        agent.reset()
        free.add(agent.act(seen))
    assert len(free) > 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda team: team.act(np.zeros((2, 4))), "observations: 2 rows, but the team has 3"),
        (lambda team: team.act(np.zeros((3, 3))), r"a: observation has shape \(3,\), expected"),
        (lambda team: team.act(np.full((3, 4), np.nan)), "a: observation holds a number that is"),
        (lambda team: team.act(np.zeros((3, 4)), np.zeros((3, 4))), "a: no action is legal"),
        (lambda team: team.act(np.zeros((3, 4)), np.zeros((2, 4))), "legal: 2 rows, but the"),
        (lambda team: team.agents[1].act(np.zeros(4), [1]), r"b: legal has shape \(1,\), exp"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    call: Callable[[Team], Any], message: str, bundles: dict[str, Path]
) -> None:
    with pytest.raises(BundleError, match=message):
        call(Team.load(bundles["discrete"]))


def edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        policy = json.loads((folder / "policy.json").read_text())
        change(policy)
        (folder / "policy.json").write_text(json.dumps(policy))

    return apply


def flip(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(bytes(content))

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip("b.tflite"), r"b\.tflite: is not the file that was exported"),
        (flip("samples.npz"), r"samples\.npz: is not the file that was exported"),
        (lambda folder: (folder / "a.tflite").unlink(), r"a\.tflite: cannot be read: No such"),
        (lambda folder: (folder / "policy.json").unlink(), "not a bundle"),
        (lambda folder: (folder / "policy.json").write_text("{"), "cannot be read: JSONDecodeErr"),
        (edit(lambda policy: policy.pop("agents")), r"cannot be read: KeyError\('agents'\)"),
        (edit(lambda policy: policy.update(agents=[])), "cannot be read: IndexError"),
        (edit(lambda policy: policy.update(version=2)), "version 2; this reads 1"),
        (edit(lambda policy: policy.update(format="x")), "says it is 'x', not a logo_tf edge"),
        (
            edit(lambda policy: policy["agents"][0].update(file="../a.tflite")),
            "'../a.tflite' is not one of the bundle's files",
        ),
    ],
)
def test_a_bundle_that_is_not_whole_is_refused(
    damage: Callable[[Path], Any], message: str, bundles: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(bundles["continuous"], tmp_path / "b")
    damage(tmp_path / "b")
    with pytest.raises(BundleError, match=message):
        Team.load(tmp_path / "b")


def test_an_agent_that_is_not_there_is_named(bundles: dict[str, Path]) -> None:
    with pytest.raises(BundleError, match="has no agent 'z'; it has a, b, c"):
        Agent.load(bundles["discrete"], "z")


def test_measuring_says_what_a_device_needs_to_know(bundles: dict[str, Path]) -> None:
    found = measure(bundles["discrete"], decisions=20)
    sizes = [(bundles["discrete"] / f"{name}.tflite").stat().st_size for name in "abc"]
    assert found["bytes"] == sum(sizes)
    assert (found["precision"], found["agents"], found["decisions"]) == ("float32", 3, 20)
    assert found["difference"] == 0.0
    assert 0 < found["p50_us"] <= found["p99_us"]
    with pytest.raises(BundleError, match="decisions must be at least 1, got 0"):
        measure(bundles["discrete"], 0)


_ALONE = """
import sys
sys.path[:0] = [sys.argv[1]]
import numpy as np
from team import Team
team = Team.load(sys.argv[1])
print(team.act(np.zeros((2, 4))).tolist(), team.check() < 1e-5)
heavy = {"tensorflow", "logo_tf", "keras", "tf_keras", "tf_agents"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""


def test_a_bundle_runs_alone(bundles: dict[str, Path]) -> None:
    """Isolated from this checkout; what is imported is what the bundle's own copy asks for."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", _ALONE, str(bundles["continuous"])],
        capture_output=True,
        text=True,
        check=True,
    )
    actions, modules = done.stdout.splitlines()
    assert actions.endswith("True")
    assert modules == "[]"


def test_the_file_itself_is_a_command(
    bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bundles["continuous"])]) == 0
    assert "p50_us" in capsys.readouterr().out
    assert main(["nowhere"]) == 2
    assert capsys.readouterr().err == "nowhere: not a bundle (it has no policy.json)\n"

"""``logo-tf model`` and ``logo-tf policy``: through the command, on tiny data."""

import contextlib
import io
import json
from typing import NamedTuple

import pytest

from logo_tf.cli.main import main
from logo_tf.data.store import load_dataset, write_dataset
from logo_tf.world_model.artifact import load_world_model

TINY_MODEL = [
    "width=8",
    "unroll=1",
    "steps=4",
    "batch_size=16",
    "log_every=2",
    "validate_every=4",
    "validation_windows=4",
]
TINY_WINDOWS = ["memory=4", "window=2", "burn_in=2", "imagination.horizon=2"]
TINY_POLICY = ["width=8", "steps=4", "batch_size=8", "log_every=2", "checkpoint_every=4"]


class Trained(NamedTuple):
    """Places of discrete data and what was trained on them, and what training the policy said."""

    data: str
    model: str
    policy: str
    out: str
    err: str


@pytest.fixture(scope="module")
def discrete(tmp_path_factory, discrete_spec, make_episodes):
    """A model and a policy that imagines, trained by the command."""
    folder = tmp_path_factory.mktemp("discrete")
    data, model, policy = (str(folder / name) for name in ("data", "model", "policy"))
    write_dataset(data, discrete_spec, make_episodes(discrete_spec, 20), config={}, provenance={})
    assert main(["model", "train", "--data", data, "--out", model, "--set", *TINY_MODEL]) == 0
    train = ["policy", "train", "--data", data, "--model", model, "--out", policy]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main([*train, "--set", *TINY_POLICY, *TINY_WINDOWS]) == 0
    return Trained(data, model, policy, out.getvalue(), err.getvalue())


def test_discrete_data_give_a_model_its_figures_and_a_policy(discrete, tmp_path, capsys):
    data, model, policy, out, err = discrete
    assert 'algorithm="macql" width=8 depth=1 memory=4' in err
    assert "toy/discrete cannot be played here" in out
    assert main(["model", "eval", model, "--data", data, "--horizon", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"1", "3"} <= set(found["state_nrmse"])
    assert 0 <= found["legal_actions_accuracy"] <= 1
    assert 0 <= found["termination_f1"] <= 1
    models, edge = str(tmp_path / "models"), str(tmp_path / "edge")
    assert main(["export", policy, "--name", "team", "--to", models, "--tflite", edge]) == 0
    said = capsys.readouterr().out
    assert f"{models}/team/1: differs from the original by at most" in said
    assert "a.tflite" in said
    assert main(["edge", "bench", edge, "--decisions", "10", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["agents"], found["decisions"], found["difference"]) == (3, 10, 0.0)
    assert main(["policy", "eval", edge, "--plan-with", model]) == 2
    assert "is a bundle for devices, which cannot plan" in capsys.readouterr().err
    assert main(["policy", "eval", model]) == 2
    assert "is a world_model artefact, expected a policy or a bundle" in capsys.readouterr().err
    assert main(["edge", "bench", data]) == 2
    assert "not a bundle (it has no policy.json)" in capsys.readouterr().err
    assert main(["policy", "eval", policy]) == 2
    assert "unknown scenario 'toy/discrete'" in capsys.readouterr().err
    other = ["policy", "train", "--data", data, "--out", str(tmp_path / "p2")]
    assert main([*other, "--algorithm", "bc", "--set", "memory=4"]) == 2
    assert "'bc' learns from single transitions" in capsys.readouterr().err
    assert main([*other, "--model", model, "--set", "window=7"]) == 2
    assert "imagination.horizon must equal policy.window" in capsys.readouterr().err
    assert main([*other, "--algorithm", "matd3bc"]) == 2
    assert "algorithm 'matd3bc' trains continuous actions" in capsys.readouterr().err
    assert not (tmp_path / "p2").exists()


@pytest.mark.parametrize("verb", ["model", "policy"])
def test_what_is_no_dataset_is_refused(verb, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    out = tmp_path / "out"
    assert main([verb, "train", "--data", str(tmp_path / "data"), "--out", str(out)]) == 2
    assert "not a logo_tf artefact" in capsys.readouterr().err
    assert not out.exists()


def test_a_model_of_another_spec_is_refused(discrete, tiny_dataset, tmp_path, capsys):
    continuous, model = str(tiny_dataset("continuous").path), discrete.model
    out = tmp_path / "policy"
    train = ["policy", "train", "--data", continuous, "--model", model, "--out", str(out)]
    assert main(train) == 2
    assert "does not fit the world model" in capsys.readouterr().err
    assert main(["model", "eval", model, "--data", continuous]) == 2
    assert "does not fit" in capsys.readouterr().err
    assert main([*train, "--algorithm", "bc"]) == 2
    assert "bc learns from real data alone" in capsys.readouterr().err
    assert not out.exists()


def test_a_planner_plays_the_policys_episodes(discrete, capsys, monkeypatch):
    """On a scenario that replays a toy episode's first frame, whatever is done."""
    dataset, model, policy = load_dataset(discrete.data), discrete.model, discrete.policy
    monkeypatch.setattr("logo_tf.scenarios.registry.scenario_spec", lambda name: dataset.spec)
    monkeypatch.setattr("logo_tf.evaluation.returns.make_scenario", lambda name: Still(dataset))
    evaluate = ["policy", "eval", policy, "--plan-with", model, "--episodes", "2"]
    settings = ["--set", "planner.horizon=2", "planner.candidates=4", "planner.elites=2"]
    assert main([*evaluate, *settings, "--json"]) == 0
    said = capsys.readouterr()
    assert "planner: horizon=2 candidates=4 elites=2" in said.err
    found = json.loads(said.out)
    assert found["policy"]["returns"] == [2.0, 2.0] == found["planner"]["returns"]
    assert (found["gain_mean"], found["gain_error"]) == (0.0, 0.0)
    assert found["settings"]["planner"]["horizon"] == 2

    def nearby(client, name):
        """Not served: tests/serving compares what is."""
        assert name == "model"
        found = load_world_model(model)
        found.errors = contextlib.nullcontext
        return found

    monkeypatch.setattr("logo_tf.serving.RemoteWorldModel", nearby)
    served = ["--plan-with", "grpc://127.0.0.1:1/model"]
    assert main([*evaluate, *served, *settings]) == 0
    said = capsys.readouterr().out
    assert "return_mean" in said
    assert "the planner earns 0.00 more, standard error 0.00" in said

    monkeypatch.undo()
    monkeypatch.setattr("logo_tf.scenarios.registry.scenario_spec", lambda name: dataset.spec)
    for where, message in (
        ("grpc://127.0.0.1:1/model", "grpc://127.0.0.1:1/model: UNAVAILABLE: "),
        ("ftp://127.0.0.1/model", "ftp://127.0.0.1: not the address of a server"),
    ):
        assert main(["policy", "eval", policy, "--plan-with", where]) == 2
        assert message in capsys.readouterr().err

    assert main([*evaluate, "--set", "planner.horizon=0"]) == 2
    assert "planner.horizon must be at least 1" in capsys.readouterr().err


def test_a_planner_in_a_model_of_another_spec_is_refused(discrete, tiny_dataset, tmp_path, capsys):
    continuous, model = str(tiny_dataset("continuous").path), discrete.model
    policy = str(tmp_path / "policy")
    train = ["policy", "train", "--data", continuous, "--algorithm", "bc", "--out", policy]
    assert main([*train, "--set", *TINY_POLICY]) == 0
    capsys.readouterr()
    assert main(["policy", "eval", policy, "--plan-with", model]) == 2
    assert "does not fit the world model" in capsys.readouterr().err
    assert main(["policy", "eval", policy, "--plan-with", policy]) == 2
    assert "world_model" in capsys.readouterr().err.splitlines()[-1]


class Still:
    """Two steps in one place, a reward of 1 for each."""

    def __init__(self, dataset):
        self.spec = dataset.spec
        self._row = {
            name: dataset.field(name)[0]
            for name in ("observations", "state", "legal_actions", "agent_mask")
        }

    def reset(self, seed=None):
        self._step = 0
        return self._frame(0.0)

    def step(self, actions):
        assert self._row["legal_actions"][range(len(actions)), actions].all()
        self._step += 1
        return self._frame(1.0)

    def close(self):
        pass

    def _frame(self, reward):
        from logo_tf.scenarios.protocol import Frame

        return Frame(**self._row, reward=reward, terminated=self._step == 2, truncated=False)

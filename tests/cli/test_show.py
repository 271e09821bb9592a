"""``logo-tf show``: any artefact, and its ancestors where they stand beside it."""

import json

import pytest

from logo_tf import artifacts
from logo_tf.artifacts import Manifest
from logo_tf.cli.main import main
from logo_tf.experiments.config import preset
from logo_tf.experiments.run_folder import opened


def made(path, spec, kind, parents=None, **fields):
    with artifacts.writing(path) as aside:
        (aside / "content.txt").write_text(kind)
        manifest = Manifest(kind=kind, spec=spec.to_dict(), parents=parents or {}, **fields)
        return artifacts.publish(path, manifest).hash


@pytest.fixture
def family(tmp_path, continuous_spec):
    """A dataset, a world model of it, a policy of both, and the policy's export."""
    data = made(tmp_path / "dataset", continuous_spec, "dataset")
    model = made(
        tmp_path / "world_model", continuous_spec, "world_model", {"dataset": data},
        config={"width": 3}, figures={"loss": 0.25},
    )  # fmt: skip
    both = {"dataset": data, "world_model": model}
    policy = made(tmp_path / "policy", continuous_spec, "policy", both)
    made(tmp_path / "saved_models" / "p" / "1", continuous_spec, "export", {"policy": policy})
    return tmp_path


def test_json_is_json_alone_and_walks_the_lineage(family, capsys):
    assert main(["show", str(family / "saved_models" / "p" / "1"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["kind"] == "export"
    assert [(line["depth"], line["role"]) for line in shown["lineage"]] == [
        (0, "policy"),
        (1, "dataset"),
        (1, "world_model"),
        (2, "dataset"),
    ]
    assert all(line["path"] for line in shown["lineage"])


def test_text_names_kind_config_figures_and_ancestors(family, capsys):
    assert main(["show", str(family / "world_model")]) == 0
    text = capsys.readouterr().out
    for part in ("a world_model artefact", "width", "3", "loss", "0.25", "dataset", "toy 1"):
        assert part in text


def test_an_ancestor_that_moved_away_is_said_to_be_missing(family, capsys):
    (family / "dataset").rename(family / "gone.partial")
    (family / "gone.partial" / "manifest.json").unlink()
    assert main(["show", str(family / "world_model")]) == 0
    assert "not found beside it" in capsys.readouterr().out


def test_a_file_inside_shows_its_artefact(family, capsys):
    assert main(["show", str(family / "dataset" / "content.txt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "dataset"


def test_a_run_shows_its_settings(tmp_path, capsys):
    with opened(preset("smoke"), tmp_path / "run"):
        pass
    assert main(["show", str(tmp_path / "run"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["kind"] == "run"
    assert shown["config"]["scenario"] == "mamujoco/HalfCheetah-2x3"


def test_another_format_version_is_refused(family, capsys):
    file = family / "dataset" / "manifest.json"
    file.write_text(file.read_text().replace('"format_version": 1', '"format_version": 7'))
    assert main(["show", str(family / "dataset")]) == 2
    assert "format version 7" in capsys.readouterr().err


def test_a_folder_of_something_else_is_refused(tmp_path, capsys):
    assert main(["show", str(tmp_path)]) == 2
    assert "not a logo_tf artefact" in capsys.readouterr().err


def test_export_of_a_dataset_is_refused(family, capsys):
    assert main(["export", str(family / "dataset"), "--name", "x"]) == 2
    assert "a world_model or a policy can be exported" in capsys.readouterr().err
    assert main(["export", str(family / "world_model"), "--tflite", "x"]) == 2
    assert "only a policy" in capsys.readouterr().err

"""``logo-tf model eval --plots`` and ``logo-tf model compare``, on tiny untrained models."""

import csv
import json

import pytest
from PIL import Image

from logo_tf import artifacts
from logo_tf.cli import model as model_verb
from logo_tf.cli.main import main
from logo_tf.config import to_dict
from logo_tf.data.standardisation import standardisation
from logo_tf.data.store import write_dataset
from logo_tf.world_model.artifact import save_weights, split_of
from logo_tf.world_model.calibration import calibrate
from logo_tf.world_model.config import WorldModelConfig
from logo_tf.world_model.diagnostics import auc_held_out_behaviour, evaluate_model
from logo_tf.world_model.registry import KINDS, build

PICTURES = [
    "agents.png",
    "calibration.png",
    "curves.png",
    "dimensions_1.png",
    "dimensions_far.png",
    "strip.png",
    "uncertainty.png",
]


def publish_model(dataset, out, kind, seed=0, calibrated=False):
    """An artefact such as a training leaves, of weights as they were born."""
    config = WorldModelConfig(kind=kind, width=8)
    units = standardisation(dataset)
    model = build(config, dataset.spec, units, seed)
    if calibrated:
        model.calibration = calibrate(model, dataset, None, seed=0, horizon=3)
    with artifacts.writing(out) as aside:
        save_weights(model, units, aside)
        artifacts.publish(
            out,
            artifacts.Manifest(
                kind="world_model",
                spec=dataset.spec.to_dict(),
                config={"model": to_dict(config), "seed": seed},
                parents={"dataset": dataset.manifest.hash},
                figures={"best_step": 4},
            ),
        )
    return model


@pytest.fixture(scope="module")
def built(tmp_path_factory, continuous_spec, discrete_spec, make_episodes):
    """Datasets and models on disk: (folder, discrete dataset, the monolithic model)."""
    folder = tmp_path_factory.mktemp("diagnostics")
    made = {
        name: write_dataset(folder / name, spec, make_episodes(spec, 20), config={}, provenance={})
        for name, spec in (("discrete", discrete_spec), ("continuous", continuous_spec))
    }
    dataset = made["discrete"]
    model = publish_model(dataset, folder / "mono", "monolithic", calibrated=True)
    publish_model(dataset, folder / "still", "persistence")
    tests = {s: set(split_of(dataset, WorldModelConfig(), s).test) for s in range(10)}
    other = next(seed for seed in tests if not tests[seed] & tests[0])
    publish_model(dataset, folder / "other", "persistence", seed=other)
    publish_model(made["continuous"], folder / "robot", "mamba")
    return folder, dataset, model


def test_eval_draws_every_picture_and_a_page_that_holds_them(built, tmp_path, capsys):
    folder, dataset, _ = built
    out = tmp_path / "new" / "plots"
    words = ["model", "eval", str(folder / "mono"), "--data", str(dataset.path)]
    words += ["--horizon", "3", "--plots", str(out), "--rivals", str(folder / "still"), "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["episodes"] == "held out by every training"
    assert sorted(file.name for file in out.iterdir()) == sorted(
        [*PICTURES, "trajectory.gif", "diagnostics.html"]
    )
    assert len(found["plots"]) == len(PICTURES) + 2
    for name in PICTURES:
        with Image.open(out / name) as picture:
            assert picture.format == "PNG"
            assert 500 < picture.width < 2200
    page = (out / "diagnostics.html").read_text()
    assert page.count("data:image/png;base64,") == len(PICTURES)
    assert page.count("data:image/gif;base64,") == 1
    assert 'src="http' not in page
    assert main(words) == 0  # pictures of the same names are replaced


def test_eval_of_a_model_with_a_memory_and_without_a_calibration(built, tmp_path, capsys):
    folder, _, _ = built
    words = ["model", "eval", str(folder / "robot"), "--data", str(folder / "continuous")]
    assert main([*words, "--horizon", "30", "--plots", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "state_nrmse.1" in said
    assert "curve" not in said.partition("plot:")[0]
    assert not (tmp_path / "dimensions_far.png").exists()  # no episode lasts 30 steps


def test_eval_says_how_well_uncertainty_tells_other_behaviour(built, capsys):
    folder, dataset, model = built
    words = ["model", "eval", str(folder / "mono"), "--data", str(dataset.path), "--json"]
    assert main([*words, "--horizon", "2", "--unlike", str(dataset.path)]) == 0
    found = json.loads(capsys.readouterr().out)
    held_out = split_of(dataset, WorldModelConfig(), 0).test
    expected = auc_held_out_behaviour(model, dataset, held_out, dataset)
    assert found["auc_held_out_behaviour"] == pytest.approx(expected)


def test_compare_as_json_and_csv_has_the_numbers_of_eval(built, tmp_path, capsys):
    folder, dataset, model = built
    file = tmp_path / "new" / "table.csv"
    runs = [str(folder / name) for name in ("mono", "still")]
    words = ["model", "compare", *runs, "--data", str(dataset.path)]
    assert main([*words, "--json", "--csv", str(file)]) == 0
    found = json.loads(capsys.readouterr().out)
    mono, still = found["models"]
    test = split_of(dataset, WorldModelConfig(), 0).test
    expected = evaluate_model(model, dataset, test, (1, 5, 15), seed=0)
    assert mono["state_nrmse_5"] == pytest.approx(expected["state_nrmse"]["5"])
    assert mono["coverage_1"] == pytest.approx(expected["coverage"]["coverage"][0])
    assert (mono["kind"], mono["best_step"], mono["promised"]) == ("monolithic", 4, 0.9)
    assert still["uncertainty_spearman"] is None
    assert still["state_nrmse_1"] == pytest.approx(1.0)
    best = min((mono, still), key=lambda row: row["reward_mae"])["run"]
    assert found["best"]["reward_mae"] == [best]
    with open(file, newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["run"] for row in rows] == ["mono", "still"]
    assert float(rows[0]["state_nrmse_1"]) == pytest.approx(mono["state_nrmse_1"])
    assert rows[1]["coverage_1"] == ""


@pytest.mark.parametrize("width", [200, 60])
def test_compare_prints_one_table_that_fits_the_terminal(built, width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    folder, _, _ = built
    words = ["model", "compare", str(folder / "robot"), "--data", str(folder / "continuous")]
    assert main(words) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()[:-1]  # the last one is prose
    assert max(map(len, lines)) <= width
    assert ("state @1" in lines[1]) == (width == 200)
    assert "state @1" in said
    assert "legal" not in said  # continuous actions have no such figure
    assert "held out by its training" in said


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["compare", "mono", "nowhere"], "nowhere: no such folder"),
        (["compare", "mono", "robot"], "does not fit the dataset"),
        (["compare", "mono", "other"], "train them with one seed, or compare"),
        (["compare", "mono", "mono"], "named twice"),
        (["compare", "mono", "discrete"], "is a dataset artefact"),
        (["compare", "mono", "--csv", "mono"], "--csv takes a file's name"),
        (["compare"], "the following arguments are required: RUN"),
        (["eval", "mono", "--rivals", "still"], "add --plots DIR"),
        (["eval", "mono", "--plots", "p", "--rivals", "robot"], "does not fit the dataset"),
        (["eval", "mono", "--plots", "p", "--rivals", "other"], "no episode was held out"),
        (["eval", "mono", "--plots", "mono/manifest.json"], "a file stands where the folder"),
        (["eval", "mono", "--plots", "p", "--unlike", "continuous"], "does not fit the dataset"),
    ],
)
def test_what_does_not_go_together_is_one_line(built, words, complaint, capsys, monkeypatch):
    folder, _, _ = built
    monkeypatch.chdir(folder)
    assert main(["model", *words, "--data", "discrete"]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
    assert not (folder / "p").exists()


def test_help_names_every_kind():
    assert all(kind in model_verb._KINDS for kind in KINDS)

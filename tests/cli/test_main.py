"""The command's own behaviour: help, errors of one line, exit codes, quiet imports."""

import subprocess
import sys

import pytest

from logo_tf.cli import main as entry
from logo_tf.cli.main import main
from logo_tf.errors import LogoError


def complaint(capsys):
    """What was written to standard error: exactly one line of ours."""
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert lines, captured
    assert lines[-1].startswith("logo-tf: ")
    assert "Traceback" not in captured.err
    return lines[-1]


def test_help_imports_no_tensorflow_and_lists_the_verbs():
    check = (
        "import sys; from logo_tf.cli.main import main; code = main(['--help']);"
        "heavy = {'tensorflow', 'keras', 'tf_agents', 'numpy', 'rich', 'matplotlib', 'mujoco'};"
        "assert code == 0 and not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for verb in ("run", "scenarios", "data", "model", "policy", "export", "show"):
        assert f"\n    {verb}" in done.stdout


def test_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "logo_tf", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.startswith("logo-tf 0.")


def test_no_words_print_help_and_fail(capsys):
    assert main([]) == 2
    assert "usage: logo-tf" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rn"], "unknown verb 'rn'; did you mean 'run'?"),
        (["data", "colect"], "unknown verb 'colect'; did you mean 'collect'?"),
        (["run", "--prest", "smoke"], "unknown option --prest; did you mean '--preset'?"),
        (["run", "stray"], "unexpected argument 'stray'"),
        (["run", "--seed", "one"], "argument --seed: invalid int value: 'one'"),
        (["run", "--preset", "smok"], "unknown preset 'smok'; did you mean 'smoke'?"),
        (["run", "--set", "world_model.widht=3"], "unknown key 'widht'; did you mean 'width'?"),
        (["run", "--set", "model.width=3"], "unknown key 'model'; did you mean 'world_model'?"),
        (["run", "--set", "seed"], "expected key=value"),
        (["run", "--set", "dataset.quality=mediun"], "did you mean 'medium'?"),
        (["run", "--config", "nowhere.json"], "nowhere.json: cannot read the config"),
        (["run", "--set", "policy.algorithm=bc"], "policy.algorithm is 'bc'"),
        (["run", "--seed", "-1"], "seed must not be negative"),
        (["data", "inspect", "nowhere"], "nowhere: no such folder"),
        (["data", "collect"], "the following arguments are required"),
        (["model", "train", "--data", "nowhere", "--out", "x", "--kind", "lgo"], "'logo'"),
        (["model", "eval", "nowhere", "--data", "nowhere"], "nowhere: no such folder"),
        (["policy", "train", "--data", "d", "--out", "x", "--algorithm", "maql"], "'macql'"),
        (["policy", "eval", "nowhere"], "nowhere: no such folder"),
        (["policy", "eval", "nowhere", "--episodes", "0"], "--episodes must be at least 1"),
        (["policy", "eval", "nowhere", "--set", "planner.horizon=2"], "add --plan-with RUN"),
        (["export", "nowhere"], "export needs --name NAME"),
        (["export", "nowhere", "--name", "x"], "nowhere: no such folder"),
        (["show", "nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_exit_code_2(
    words, said, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert said in complaint(capsys)
    assert list(tmp_path.iterdir()) == []


def test_unknown_scenario_leaves_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--preset", "smoke", "--set", "scenario=mamujoco/HalfCheeta-2x3"]) == 2
    assert "did you mean 'mamujoco/HalfCheetah-2x3'?" in complaint(capsys)
    words = ["data", "collect", "--scenario", "mamujoco/Hoper-3x1", "--quality", "random"]
    assert main([*words, "--steps", "10", "--out", "d"]) == 2
    assert "did you mean 'mamujoco/Hopper-3x1'?" in complaint(capsys)
    assert list(tmp_path.iterdir()) == []


def fails_with(monkeypatch, error):
    def fail(arguments):
        raise error

    monkeypatch.setattr("logo_tf.cli.scenarios.run", fail)


def test_debug_shows_the_traceback_of_an_error(capsys, monkeypatch):
    fails_with(monkeypatch, LogoError("mend\nthis"))
    assert main(["scenarios", "--debug"]) == 2
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert error.endswith("logo-tf: mend this\n")


def test_interrupt_says_how_to_resume(capsys, monkeypatch):
    fails_with(monkeypatch, KeyboardInterrupt())
    assert main(["scenarios"]) == 130
    assert complaint(capsys) == "logo-tf: interrupted; run the same command to resume"


def test_a_bug_is_not_hidden(monkeypatch):
    fails_with(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["scenarios"])


def test_a_log_level_that_the_user_set_is_kept(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    entry._quieten(debug=False)
    assert entry.os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    entry._quieten(debug=False)
    assert entry.os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"

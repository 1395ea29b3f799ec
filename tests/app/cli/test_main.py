"""The command line as a whole: what it offers, and how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.main import COMMANDS, main
from journey.errors import GateFailed, ProjectError


def ended(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


def test_every_command_is_offered_with_a_line_of_help(capsys):
    assert ended(["--help"]) == 0
    lines = capsys.readouterr().out.partition("Commands:")[2].strip().splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)
    assert all(len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example_of_itself(command, capsys):
    assert ended([command, "--help"]) == 0
    assert f"Example: journey {command}" in " ".join(capsys.readouterr().out.split())


def test_a_wrong_command_or_option_is_a_matter_of_usage():
    assert ended(["rnu"]) == 2
    assert ended(["run", "--wrokers", "2"]) == 2


def test_a_project_that_is_not_there_ends_in_one_message_and_no_traceback(tmp_path, capsys):
    assert ended(["run", "-p", str(tmp_path / "nowhere")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("journey: ")
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("error", "code"),
    [(ProjectError("expected this"), 1), (GateFailed("too low"), 3), (OSError("no room"), 1), (KeyError("what"), 1)],
)
def test_an_error_is_its_message_and_exit_code(error, code, monkeypatch, capsys):
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("pipelines.compile.kfp_yaml", fails)
    assert ended(["compile"]) == code
    told = capsys.readouterr().err
    assert str(error) in told
    assert "Traceback" not in told
    with pytest.raises(type(error)):
        main(["compile", "--debug"])


def test_help_and_a_cached_run_import_none_of_the_heavy_libraries():
    heavy = {"kfp", "feast", "mlflow", "sklearn", "pandas", "ibis", "skl2onnx", "duckdb", "onnxruntime"}
    code = "import sys, app.cli.main, app.cli.run, app.report.run, pipelines.submit; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert heavy & set(done.stdout.split()) == set()

"""`journey serve` and `journey predict` over a registered model."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.cli.main import main
from tests.serving.tiny import made_home, probability

ROOT = Path(__file__).resolve().parents[3]
PROJECT = """\
format: 1
name: tiny
sources: {payments: {files: payments.csv}}
tables:
  payments:
    key: payment_id
    columns:
      payment_id: {type: string}
      amount:     {type: float, range: [-100, 100]}
      channel:    {type: category, case: lower}
      limit:      {type: float, range: [0, 10], breach: clip}
      disputed:   {type: boolean}
spine: payments
predict: {label: disputed, task: binary, positive: true, metric: roc_auc}
split: {by: hash}
monitoring: {feedback: true}
"""


@pytest.fixture
def project(tmp_path):
    """A project's folder with a registered version in its home."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "project.yaml").write_text(PROJECT)
    home = made_home(folder / ".journey")
    home.register()
    home.ledger.close()
    return folder


def test_the_curl_line_that_serve_prints_works(project):
    command = [sys.executable, "-m", "app.cli.main", "serve", "-p", str(project), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=dict(os.environ)) as serving:
        try:
            assert serving.stdout is not None
            lines = [serving.stdout.readline() for _ in range(3)]
            assert lines[0].startswith("tiny version 1 (not promoted yet: the newest")
            name, *words = shlex.split(lines[2])
            url, body = next(word for word in words if word.startswith("http")), words[words.index("-d") + 1]
            answer = httpx.post(url, content=body, timeout=60, trust_env=False).json()
            assert name == "curl"
            assert answer["data"]["ndarray"][0][1] == pytest.approx(probability(1.5, "online", 1))
            assert answer["meta"]["tags"]["ids"]
        finally:
            serving.send_signal(signal.SIGTERM)
        assert serving.wait(60) == 0


def test_predict_writes_the_scored_file_and_says_how_many_rows_were_refused(project, tmp_path, capsys):
    (tmp_path / "new.csv").write_text("amount,channel,limit\n1.5,online,1\n500,online,1\n")
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(tmp_path / "new.csv"), "-o", str(tmp_path / "scored.csv"), "-p", str(project)])
    assert not ended.value.code
    assert "2 rows, 1 of them with an error, the first in row 2: column 'amount'" in capsys.readouterr().err
    assert len((tmp_path / "scored.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("arguments", [["serve"], ["predict", "new.csv", "-o", "scored.csv"]])
def test_without_a_registered_version_both_say_what_to_do(project, capsys, arguments):
    (project / ".journey" / "ledger.db").unlink()
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "-p", str(project)])
    assert ended.value.code == 1
    assert "Train one with `journey run`" in capsys.readouterr().err


def test_a_tampered_bundle_is_refused_in_one_line(project, capsys):
    (project / ".journey" / "artifacts" / "bundle-1" / "card.md").write_text("changed")
    with pytest.raises(SystemExit) as ended:
        main(["predict", "new.csv", "-o", "scored.csv", "-p", str(project)])
    assert ended.value.code == 1
    told = capsys.readouterr().err.splitlines()
    assert "changed after it was signed" in told[-1]
    assert json.dumps(told).count("Traceback") == 0

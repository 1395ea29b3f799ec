"""`journey secrets`: what it refuses before it asks the cluster."""

import shutil
from pathlib import Path

import pytest

from app.cli.main import main

PAYMENTS = Path(__file__).resolve().parents[3] / "examples" / "payments"


@pytest.fixture
def project(tmp_path: Path) -> str:
    shutil.copytree(PAYMENTS, tmp_path / "payments")
    return str(tmp_path / "payments")


def ended(words: list[str]) -> int:
    with pytest.raises(SystemExit) as ending:
        main(words)
    return int(ending.value.code or 0)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--target", "kind", "--source", "BANK"], "--source: expected some of BANK_URL, found BANK."),
        (["--target", "kind", "--given", "DATABASE"], "--given: expected some of LEDGER_URL"),
        (["--target", "kind", "--source", "BANK_URL"], "expected the environment variable BANK_URL to be set"),
        (["--target", "kind", "--login"], "found none for localhost:5000 or registry.payments.svc:5000. Call `docker login loc"),
        (["--target", "local"], "target 'local': expected the namespace of a cluster, found none (engine local)"),
        (["--target", "moon"], "found 'moon'"),
    ],
)
def test_a_wrong_word_is_refused_with_what_would_be_right(words, found, project, monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("BANK_URL", raising=False)
    for name in ("DOCKER_AUTH_CONFIG", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path)))
    assert ended(["secrets", "-p", project, *words]) == 1
    assert found in capsys.readouterr().err


def kubeconfig(folder: Path) -> Path:
    """Of a cluster that isn't there: whoever asks it fails, after some seconds."""
    path = folder / "kubeconfig"
    path.write_text(
        "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\nusers: [{name: u, user: {}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\ncurrent-context: c\n"
    )
    return path

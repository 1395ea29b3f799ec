"""The loop closes with no hands, on a machine that reaches nobody; and without drift nothing happens."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from journey.records.ledger import Ledger

pytestmark = [pytest.mark.acceptance, pytest.mark.alone, pytest.mark.timeout(900)]

NO_NETWORK = ["unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up && exec "$0" "$@"']


@pytest.fixture(scope="module")
def alone() -> list[str]:
    """What a command is prefixed with to run where only loopback is."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare (util-linux) and ip (iproute2) make the namespace without a network; they are not on this machine")
    if subprocess.run([*NO_NETWORK, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make a network namespace")
    return NO_NETWORK


def told(prefix: list[str], out: Path, *options: str) -> dict:
    command = [*prefix, str(Path(sys.executable).with_name("journey")), "demo", "--json", "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=700, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def drifted(alone: list[str], out: Path) -> dict:
    return told(alone, out)


def test_drift_is_noticed_learned_and_put_in_place_with_the_network_cut(drifted: dict) -> None:
    assert drifted["versions"] == [1, 2]
    assert 0 < drifted["detected_after_seconds"] < drifted["retrained_after_seconds"]


def test_traffic_is_never_interrupted_and_every_answer_is_what_its_version_says(drifted: dict) -> None:
    assert drifted["requests"] >= 10_000
    assert (drifted["failed_requests"], drifted["wrong_answers"]) == (0, 0)


def test_the_new_version_is_better_than_the_old_one_on_the_same_rows(drifted: dict) -> None:
    quality = drifted["quality"]
    assert quality["before"] > quality["during"] < quality["after"]
    gain = drifted["advantage"]
    assert quality["after"] - quality["old_on_after"] > 2 * gain["standard_error"]


def test_the_old_version_is_retired_and_the_audit_log_holds(drifted: dict, out: Path) -> None:
    [path] = out.rglob("ledger.db")
    with closing(Ledger.connect(f"sqlite:///{path}")) as ledger:
        ledger.verify_audit()
        [first, second] = sorted(ledger.versions("payments"), key=lambda version: version.version)
        assert first.retired is not None
        assert second.retired is None
        assert ledger.current("payments").version == 2
    [database] = out.rglob("mlflow.db")
    with closing(sqlite3.connect(database)) as store:
        tags = set(store.execute("select version, value from model_version_tags where name = 'payments' and key = 'retired'"))
        aliases = dict(store.execute("select alias, version from registered_model_aliases where name = 'payments'"))
    assert [version for version, _ in tags] == [1]
    assert aliases["champion"] == 2


def test_the_story_is_told_in_a_page(drifted: dict) -> None:
    assert "<svg" in Path(drifted["report"]).read_text(encoding="utf-8")


def test_steady_traffic_of_the_same_length_triggers_nothing(tmp_path: Path) -> None:
    steady = told([], tmp_path, "--no-drift")
    assert steady["versions"] == [1]
    assert (steady["failed_requests"], steady["wrong_answers"]) == (0, 0)
    later = (steady["detected_after_seconds"], steady["retrained_after_seconds"], steady["quality"]["during"], steady["quality"]["after"])
    assert later == (None, None, None, None)

"""What goes wrong ends in one clear message, exit code 1, no traceback, and nothing registered."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from journey.records.ledger import Ledger

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Broken:
    """A copy of the small project, to be broken and run."""

    folder: Path
    home: Path

    def edit(self, old: str, new: str, file: str = "project.yaml") -> None:
        path = self.folder / file
        text = path.read_text()
        assert re.search(old, text), f"{old} isn't in {file}: {text}"
        path.write_text(re.sub(old, new, text, count=1))

    @property
    def data(self) -> Path:
        [path] = [path for path in self.folder.rglob("*.csv") if ".journey" not in path.parts]
        return path

    def rewrite(self, change: Callable[[list[list[str]]], list[list[str]]]) -> None:
        rows = [line.split(",") for line in self.data.read_text().splitlines()]
        self.data.write_text("\n".join(",".join(row) for row in change(rows)) + "\n")


@pytest.fixture
def broken(small_project: Path, tmp_path: Path) -> Broken:
    folder = tmp_path / "loans"
    shutil.copytree(small_project, folder, ignore=shutil.ignore_patterns(".journey"))
    if not list(folder.rglob("*.csv")):                                  # init --from may leave the data where it was
        source = small_project.parent / "loans.csv"
        (folder / "data").mkdir(exist_ok=True)
        shutil.copy(source, folder / "data" / "loans.csv")
        text = (folder / "project.yaml").read_text()
        (folder / "project.yaml").write_text(re.sub(r'files: *"?[^"},\n]+"?', 'files: "data/loans.csv"', text, count=1))
    return Broken(folder, tmp_path / "home")


def refused(journey, broken: Broken, *says: str, code: int = 1) -> None:
    answer = journey("run", "-p", broken.folder, "--home", broken.home)
    assert answer.code == code, answer.err
    for part in says:
        assert part in answer.err, answer.err
    assert "Traceback" not in answer.err + answer.out
    assert registered(broken) == 0


def registered(broken: Broken) -> int:
    path = broken.home / "ledger.db"
    if not path.exists():
        return 0
    with closing(Ledger.connect(f"sqlite:///{path}")) as ledger:
        return len(ledger.versions("loans"))


def test_a_missing_file(journey, broken: Broken) -> None:
    name = broken.data.name
    broken.data.unlink()
    refused(journey, broken, name, "expected", "found")


def test_a_missing_column(journey, broken: Broken) -> None:
    broken.rewrite(lambda rows: [row[1:] for row in rows])
    refused(journey, broken, "'age'", "expected")


def test_a_column_none_of_whose_values_parse(journey, broken: Broken) -> None:
    broken.rewrite(lambda rows: [rows[0], *([f"x{row[0]}", *row[1:]] for row in rows[1:])])
    refused(journey, broken, "'age'", "expected", "none")


def test_an_empty_table(journey, broken: Broken) -> None:
    broken.rewrite(lambda rows: rows[:1])
    refused(journey, broken, "expected at least", "found 0")


def test_an_empty_file(journey, broken: Broken) -> None:
    broken.data.write_text("")
    refused(journey, broken, "expected")


def test_a_constant_label(journey, broken: Broken) -> None:
    broken.rewrite(lambda rows: [rows[0], *([*row[:-1], "no"] for row in rows[1:])])
    refused(journey, broken, "default", "expected")


def test_a_typo_in_project_yaml(journey, broken: Broken) -> None:
    broken.edit(r"(?m)^predict:", "perdict:")
    refused(journey, broken, "perdict", "predict", "project.yaml:")


def test_a_features_file_that_raises(journey, broken: Broken) -> None:
    (broken.folder / "features.py").write_text("raise RuntimeError('the disk is made of cheese')\n")
    refused(journey, broken, "features.py", "the disk is made of cheese")


def test_a_gate_that_says_no_ends_with_three(journey, broken: Broken) -> None:
    text = re.sub(r"(?m)^gates:.*\n(?:[ ]+.*\n)*", "", (broken.folder / "project.yaml").read_text())
    (broken.folder / "project.yaml").write_text(text + "gates: {model: {accuracy: {min: 0.999}}}\n")
    refused(journey, broken, "accuracy", "0.999", code=3)


@pytest.fixture
def trained(journey, broken: Broken) -> Broken:
    answer = journey("run", "-p", broken.folder, "--home", broken.home)
    assert answer.code == 0, answer.err
    return broken


def bundle_of(trained: Broken) -> Path:
    with closing(Ledger.connect(f"sqlite:///{trained.home / 'ledger.db'}")) as ledger:
        return Path(ledger.versions("loans")[0].uri)


def test_a_tampered_bundle_is_not_served(journey, trained: Broken) -> None:
    model = bundle_of(trained) / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.chmod(0o644)
    model.write_bytes(content)
    answer = journey("serve", "-p", trained.folder, "--home", trained.home, "--port", "0")
    assert answer.code == 1
    assert "model.onnx" in answer.err
    assert "Traceback" not in answer.err


def test_a_bundle_of_an_untrusted_key_is_not_served(journey, trained: Broken, tmp_path: Path) -> None:
    shutil.rmtree(trained.home / "keys")
    answer = journey("predict", trained.data, "-o", tmp_path / "scored.csv", "-p", trained.folder, "--home", trained.home)
    assert answer.code == 1
    assert "key" in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "scored.csv").exists()


def test_a_request_that_breaks_a_rule_is_told_column_expected_and_found(trained: Broken, served) -> None:
    import urllib.error
    import urllib.request

    body = json.dumps({"jsonData": {"rows": [{"age": "old", "income": 20.0, "home": "rent"}]}}).encode()
    with served(trained.folder, trained.home) as address, pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(
            urllib.request.Request(f"{address}/api/v1.0/predictions", body, {"Content-Type": "application/json"}), timeout=60
        )
    answer = raised.value.read().decode()
    assert raised.value.code == 400
    assert all(part in answer for part in ("age", "expected", "found", "old")), answer


def test_a_second_run_waits_or_says_who_holds_the_project(broken: Broken, journey) -> None:
    command = [str(Path(sys.executable).with_name("journey")), "run", "-p", str(broken.folder), "--home", str(broken.home)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        lock = broken.home / "run.lock"
        while not (lock.exists() and str(first.pid) in lock.read_text()):
            assert first.poll() is None
            time.sleep(0.05)
        second = journey("run", "-p", broken.folder, "--home", broken.home)
        assert second.code == 0 or (second.code == 1 and str(first.pid) in second.err), second.err
        assert "Traceback" not in second.err
    finally:
        assert first.wait(timeout=120) == 0
    assert registered(broken) == 1

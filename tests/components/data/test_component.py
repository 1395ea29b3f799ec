import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.data import component
from journey.artifacts import Curated, QualityReport
from journey.errors import DataError, ProjectError
from journey.parquet import digest_of
from journey.sections import CuratePlan, FilesSource, SqlSource, Table
from journey.values.carried import carried


@dataclass
class Artifact:
    path: str


@dataclass(frozen=True)
class Steps:
    """Runs the five steps as the pipeline does: sections carried as constants, artifacts as folders."""

    project: Path
    home: Path
    sources: dict[str, FilesSource | SqlSource]
    contracts: dict[str, Table]
    plan: CuratePlan

    def artifact(self, name: str) -> Artifact:
        self.home.mkdir(parents=True, exist_ok=True)
        return Artifact(str(self.home / name))

    def run(self, onset: str = "") -> dict[str, str]:
        contracts = {name: carried(contract) for name, contract in self.contracts.items()}
        raw, checks, cleaned, standardized, curated = map(self.artifact, ("raw", "checks", "cleaned", "standardized", "curated"))
        sources = {name: carried(source) for name, source in self.sources.items()}
        component.ingest_data.python_func(sources=sources, contracts=contracts, raw=raw)
        component.validate_data.python_func(contracts=contracts, raw=raw, checks=checks, profile=self.artifact("profile.html"))
        component.clean_data.python_func(contracts=contracts, raw=raw, checks=checks, cleaned=cleaned)
        component.standardize_data.python_func(contracts=contracts, cleaned=cleaned, standardized=standardized)
        component.curate_data.python_func(
            plan=carried(self.plan), contracts=contracts, code="digest", onset=onset,
            raw=raw, standardized=standardized, curated=curated, card=self.artifact("card.md"),
        )  # fmt: skip
        files = sorted(path for path in self.home.rglob("*") if path.is_file())
        return {str(path.relative_to(self.home)): digest_of(path) for path in files}


LABELS = """
import ibis

from journey import label


@label
def returned(orders: ibis.Table, returns: ibis.Table) -> ibis.Table:
    told = orders.left_join(returns, "order_id")
    return told.select("order_id", returned=told.returned_at.notnull(), known_at=ibis.coalesce(told.returned_at, told.ordered_at))
"""


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """A shop: orders in a CSV file, returns in a database, a label made of both."""
    project = tmp_path / "shop"
    project.mkdir()
    lines = [f"o{place},2026-01-{1 + place // 24:02d} {place % 24:02d}:00:00, {place % 50}.5,Paper" for place in range(240)]
    header, broken = "order_id,ordered_at,price,kind", "oX,2026-01-05 00:00:00,-1,Paper"
    (project / "orders.csv").write_text("\n".join([header, *lines, lines[3], broken]) + "\n")
    (project / "features.py").write_text(LABELS)
    connection = sqlite3.connect(project / "returns.db")
    connection.execute("CREATE TABLE returns (order_id TEXT, returned_at TEXT)")
    returned = [(f"o{place}", f"2026-01-{1 + place // 24:02d} {place % 24:02d}:30:00") for place in range(0, 240, 3)]
    connection.executemany("INSERT INTO returns VALUES (?, ?)", returned)
    connection.commit()
    connection.close()
    contracts = {
        "orders": Table.model_validate(
            {
                "key": "order_id",
                "columns": {
                    "order_id": {"type": "string"},
                    "ordered_at": {"type": "timestamp"},
                    "price": {"type": "float", "range": [0, None]},
                    "kind": {"type": "category", "case": "lower"},
                },
            }
        ),
        "returns": Table.model_validate(
            {"key": "order_id", "columns": {"order_id": {"type": "string"}, "returned_at": {"type": "timestamp"}}}
        ),
    }
    plan = CuratePlan.model_validate(
        {
            "spine": "orders", "time": "ordered_at", "entities": {}, "history": "1d", "lag": "0s", "seed": 1,
            "predict": {"label": "returned", "task": "binary", "positive": True, "metric": "roc_auc", "matures": "2h"},
            "split": {"by": "time", "validation": 0.2, "test": 0.2},
        }
    )  # fmt: skip
    sources: dict[str, FilesSource | SqlSource] = {
        "orders": FilesSource(files="orders.csv"),
        "returns": SqlSource(sql="${RETURNS}", table="returns"),
    }
    monkeypatch.setenv("JOURNEY_PROJECT", str(project))
    monkeypatch.setenv("RETURNS", "sqlite:///returns.db")
    return Steps(project, tmp_path / "home", sources, contracts, plan)


def test_five_steps_take_raw_sources_to_a_curated_spine_of_the_same_bytes_in_every_home(steps: Steps, tmp_path: Path) -> None:
    first = steps.run()
    second = Steps(steps.project, tmp_path / "elsewhere", steps.sources, steps.contracts, steps.plan).run()
    assert first == second
    curated = Curated.read(steps.home / "curated" / "curated.json")
    assert curated.rows == 240
    assert curated.left_out == {"before a boundary": 2, "history": 24, "immature": 2}
    orders = QualityReport.read(steps.home / "curated" / "quality.json").tables["orders"]
    assert (orders.rows_in, orders.duplicates, orders.quarantined, orders.rows_out) == (242, 1, {"price: range": 1}, 240)


def test_every_artifact_of_the_steps_is_there(steps: Steps) -> None:
    assert set(steps.run()) == {
        "raw/orders.parquet", "raw/returns.parquet", "raw/snapshot.json", "checks/quality.json", "profile.html",
        "cleaned/orders.parquet", "cleaned/returns.parquet", "cleaned/quality.json",
        "standardized/orders.parquet", "standardized/returns.parquet", "standardized/quarantine.parquet", "standardized/quality.json",
        "curated/orders.parquet", "curated/returns.parquet", "curated/curated.json", "curated/quality.json", "card.md",
    }  # fmt: skip


def test_a_snapshot_says_rows_types_and_digests(steps: Steps) -> None:
    digests = steps.run()
    tables = json.loads((steps.home / "raw" / "snapshot.json").read_text())["tables"]
    assert tables["orders"]["rows"] == 242
    assert tables["returns"]["columns"] == {"order_id": "text", "returned_at": "text"}
    assert tables["returns"]["digest"] == digests["raw/returns.parquet"]


def test_a_cursor_gives_the_watermark_of_the_snapshot_or_is_refused(steps: Steps) -> None:
    steps.sources["orders"] = FilesSource(files="orders.csv", cursor="ordered_at")
    steps.run()
    tables = json.loads((steps.home / "raw" / "snapshot.json").read_text())["tables"]
    assert tables["orders"]["watermark"] == "2026-01-10 23:00:00"
    steps.sources["orders"] = FilesSource(files="orders.csv", cursor="orderedat")
    expected = r"sources\.orders\.cursor: expected a column of the source, found 'orderedat', the nearest is 'ordered_at'"
    with pytest.raises(DataError, match=expected):
        steps.run()


def test_a_missing_file_and_an_unset_variable_are_told_by_their_key(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    (steps.project / "orders.csv").unlink()
    with pytest.raises(DataError, match=r"sources\.orders\.files: expected a file at .*orders\.csv, found none"):
        steps.run()
    monkeypatch.delenv("RETURNS")
    with pytest.raises(ProjectError, match=r"sources\.returns\.sql: expected the environment variable RETURNS to be set"):
        steps.run()


def test_a_features_file_that_raises_is_told_by_file_line_and_function(steps: Steps) -> None:
    (steps.project / "features.py").write_text(LABELS.replace("told =", "told = orders.colour\n    told ="))
    with pytest.raises(ProjectError, match=r"features\.py, line [0-9]+, in returned: expected it to run, found AttributeError"):
        steps.run()


def test_a_retraining_keeps_to_the_rows_from_its_onset(steps: Steps) -> None:
    steps.run(onset="2026-01-06T00:00:00+00:00")
    curated = Curated.read(steps.home / "curated" / "curated.json")
    assert curated.left_out["before the window"] == 96
    assert curated.counts["train"] == 70       # of 118 mature rows: the newest 47 and the one before them aside

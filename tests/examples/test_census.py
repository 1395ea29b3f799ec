"""The census example, from its raw file to the curated spine; the whole run is an acceptance test."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from components.data import component
from journey.artifacts import Curated, QualityReport
from journey.project import load_project
from journey.values.carried import carried

CENSUS = Path(__file__).resolve().parents[2] / "examples" / "census"


@dataclass
class Artifact:
    path: str


@pytest.fixture
def curated(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CENSUS_CSV", str(shared_data / "census.csv"))
    monkeypatch.setenv("JOURNEY_PROJECT", str(CENSUS))
    project = load_project(CENSUS)
    contracts = {name: carried(contract) for name, contract in project.tables.items()}
    sources = {name: carried(source) for name, source in project.sources.items()}
    names = ("raw", "checks", "cleaned", "standardized", "curated", "profile.html", "card.md")
    raw, checks, cleaned, standardized, curated, profile, card = (Artifact(str(tmp_path / name)) for name in names)
    component.ingest_data.python_func(sources=sources, contracts=contracts, raw=raw)
    component.validate_data.python_func(contracts=contracts, raw=raw, checks=checks, profile=profile)
    component.clean_data.python_func(contracts=contracts, raw=raw, checks=checks, cleaned=cleaned)
    component.standardize_data.python_func(contracts=contracts, cleaned=cleaned, standardized=standardized)
    component.curate_data.python_func(
        plan=carried(project.curate_plan()), contracts=contracts, code="", onset="",
        raw=raw, standardized=standardized, curated=curated, card=card,
    )  # fmt: skip
    return tmp_path / "curated"


def test_repeated_rows_and_question_marks_of_the_real_file_are_counted(curated: Path) -> None:
    seen = QualityReport.read(curated / "quality.json").tables["census"]
    assert (seen.rows_in, seen.duplicates, seen.rows_out) == (32_561, 24, 32_537)
    assert seen.quarantined == {}
    assert sum(column.null_tokens.get("?", 0) for column in seen.columns.values()) == 4_262


def test_every_row_has_a_side_and_both_classes_are_on_each(curated: Path) -> None:
    split = Curated.read(curated / "curated.json")
    assert split.classes == ("<=50K", ">50K")
    assert sum(split.counts.values()) == 32_537
    assert split.left_out == {}
    assert abs(split.counts["test"] / 32_537 - 0.15) < 0.01
    assert all(min(counts) > 1_000 for counts in split.class_counts.values())

"""Steps 6 and 7 as the pipeline calls them: constants as they come out of a pipeline, folders as artifacts."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from components.features.component import extract_features, select_features
from components.features.extract import Frame
from journey.artifacts import Curated
from journey.errors import DataError
from journey.project import Features, SelectPlan
from journey.values.carried import carried


def curated(folder: Path, training: tuple[int, int] = (6_000, 6_000)) -> None:
    """What curate says of the bank, told larger than it is: twelve rows are too few to train on."""
    Curated(
        spine="payments", label="disputed", task="binary", rows=24, watermark=None, onset=None, window=(None, None),
        boundaries=(None, None), counts={"train": sum(training), "validation": 2, "test": 2}, left_out={}, classes=(False, True),
        class_counts={"train": training, "validation": (1, 1), "test": (1, 1)}, training_labels=sum(map(bool, training)),
        trained_on=(None, None),
    ).write(folder / "curated.json")  # fmt: skip


def run_extract(bank, given, contracts, to: Path) -> None:
    extract_features.python_func(
        plan=carried(given.model_copy(update={"features": Features(refresh="12h")})),
        contracts={name: carried(table) for name, table in contracts.items()},
        code="digest of features.py and request_features.py",
        curated=SimpleNamespace(path=str(bank.folder)),
        frame=SimpleNamespace(path=str(to)),
    )


def test_the_components_write_what_the_next_ones_read(bank, given, contracts, frame, tmp_path, monkeypatch):
    monkeypatch.setenv("JOURNEY_PROJECT", str(bank.folder))
    curated(bank.folder)
    run_extract(bank, given, contracts, tmp_path / "frame")
    assert Frame.read(tmp_path / "frame").schema == frame.schema
    select_features.python_func(
        plan=carried(SelectPlan(task="binary", drop=("tries",), seed=1)),
        frame=SimpleNamespace(path=str(tmp_path / "frame")),
        selected=SimpleNamespace(path=str(tmp_path / "selected")),
        reasons=SimpleNamespace(path=str(tmp_path / "reasons.html")),
    )
    selected = Frame.read(tmp_path / "selected")
    assert "tries" not in selected.table.column_names
    assert {each.name: each.reason for each in selected.schema.dropped}["tries"] == "asked"
    assert "features.drop" in (tmp_path / "reasons.html").read_text()


def test_too_few_rows_are_refused_before_the_work(bank, given, contracts, tmp_path, monkeypatch):
    monkeypatch.setenv("JOURNEY_PROJECT", str(bank.folder))
    curated(bank.folder, (12_000, 0))
    with pytest.raises(DataError, match="expected labels that differ"):
        run_extract(bank, given, contracts, tmp_path / "frame")
    assert not (tmp_path / "frame").exists()


def test_a_frame_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match=r"frame.json"):
        Frame.read(tmp_path)

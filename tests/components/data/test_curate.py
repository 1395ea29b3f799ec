from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ibis
import numpy as np
import pytest

from components.data.card import data_card
from components.data.curate import Curation, Material, curate, onset_of
from components.data.split import training_rows
from journey.artifacts import GROUP, LABEL, ROW, SPLIT, TIME, QualityReport
from journey.clock import EPOCH
from journey.declarations import load_declarations
from journey.errors import DataError, ProjectError
from journey.sections import CuratePlan, Table

Raw = Callable[..., ibis.Table]
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

COLUMNS = {"id": {"type": "integer"}, "at": {"type": "timestamp"}, "kind": {"type": "category"}, "bad": {"type": "boolean"}}
TIMED = Table.model_validate({"key": "id", "columns": COLUMNS})
PLAIN = Table.model_validate({"columns": {"a": {"type": "integer"}, "b": {"type": "category"}, "y": {"type": "category"}}})


def plan(**section: object) -> CuratePlan:
    timed = {
        "spine": "t", "time": "at", "entities": {}, "predict": {"label": "bad", "task": "binary", "positive": True, "metric": "roc_auc"},
        "split": {"by": "time", "validation": 0.2, "test": 0.2}, "history": "0s", "lag": "0s", "seed": 1,
    }  # fmt: skip
    return CuratePlan.model_validate({**timed, **section})


def plain(**section: object) -> CuratePlan:
    predict = {"label": "y", "task": "binary", "positive": "yes", "metric": "roc_auc"}
    return plan(**{"time": None, "predict": predict, "split": {"by": "hash", "validation": 0.2, "test": 0.2}, **section})


def hours(raw: Raw, count: int) -> ibis.Table:
    """A row an hour; every third one is bad, kinds alternate."""
    return raw(
        id=list(range(count)), at=[START + place * HOUR for place in range(count)],
        kind=["a" if place % 2 else "b" for place in range(count)], bad=[place % 3 == 0 for place in range(count)],
    )  # fmt: skip


def curated(spine: ibis.Table, section: CuratePlan, contract: Table = TIMED, **more: object) -> tuple[Curation, list[dict[str, object]]]:
    result = curate(section, {"t": contract}, Material({"t": spine}, spine, **more))  # type: ignore[arg-type]
    return result, result.spine.order_by(ROW).to_pyarrow().to_pylist()


def predict(**more: object) -> dict[str, object]:
    return {"label": "bad", "task": "binary", "positive": True, "metric": "roc_auc", **more}


def test_the_newest_rows_are_test_and_those_before_them_validation(raw: Raw) -> None:
    result, rows = curated(hours(raw, 40), plan())
    assert [row[SPLIT] for row in rows] == ["train"] * 24 + ["validation"] * 8 + ["test"] * 8
    assert result.curated.boundaries == (START + 24 * HOUR, START + 32 * HOUR)
    assert result.curated.counts == {"train": 24, "validation": 8, "test": 8}
    assert rows[0][LABEL] == 1
    assert rows[1][LABEL] == 0
    assert rows[0][TIME] == START


def test_rows_before_a_boundary_wait_until_their_label_was_known(raw: Raw) -> None:
    result, rows = curated(hours(raw, 46), plan(predict=predict(matures="5h")))
    assert result.curated.watermark == START + 45 * HOUR
    assert [row[SPLIT] for row in rows[-5:]] == [None] * 5                      # immature
    edges = [edge for edge in result.curated.boundaries if edge]
    for row in rows[:-5]:
        waits = any(row[TIME] < edge < row[TIME] + 5 * HOUR for edge in edges)
        assert (row[SPLIT] is None) == waits
        assert (row[LABEL] is None) == waits
    assert result.curated.left_out == {"before a boundary": 8, "immature": 5}
    assert sum(result.curated.counts.values()) + sum(result.curated.left_out.values()) == result.curated.rows == 46


def test_a_source_that_lags_moves_the_watermark_back(raw: Raw) -> None:
    result, rows = curated(hours(raw, 40), plan(lag="3h"))
    assert result.curated.watermark == START + 36 * HOUR
    assert [row[SPLIT] for row in rows[-4:]] == ["test", None, None, None]


def test_history_and_window_leave_old_rows_out(raw: Raw) -> None:
    _, rows = curated(hours(raw, 60), plan(history="10h"))
    assert [row[SPLIT] is None for row in rows] == [True] * 10 + [False] * 50
    split = {"by": "time", "validation": 0.2, "test": 0.2, "window": "40h"}
    result, rows = curated(hours(raw, 60), plan(split=split))
    assert [row[SPLIT] is None for row in rows] == [True] * 19 + [False] * 41
    assert result.curated.left_out == {"before the window": 19}
    assert result.curated.trained_on == (START + 19 * HOUR, START + 51 * HOUR)


def test_a_retraining_learns_and_tests_only_from_the_onset_on(raw: Raw) -> None:
    onset = START + 30 * HOUR
    section = plan(predict=predict(matures="2h"))
    result, rows = curated(hours(raw, 100), section, onset=onset)
    used = [row for row in rows if row[SPLIT]]
    assert all(row[TIME] >= onset for row in used)
    assert result.curated.onset == result.curated.window[0] == onset
    times = np.array([int((row[TIME] - EPOCH) / timedelta(microseconds=1)) for row in rows[30:98]], dtype=np.int64)
    assert result.curated.counts["train"] == training_rows(times, section.split, 2 * 3600 * 10**6)


def test_a_retraining_that_still_waits_for_rows_is_told_how_many_there_are(raw: Raw) -> None:
    result, rows = curated(hours(raw, 40), plan(), onset=START + 50 * HOUR)
    assert result.curated.counts == {"train": 0, "validation": 0, "test": 0}
    assert all(row[SPLIT] is None for row in rows)
    with pytest.raises(DataError, match="expected at least 10 training rows, found 0"):
        result.curated.require_enough()


def test_an_onset_that_is_no_time_is_refused() -> None:
    assert onset_of("") is None
    assert onset_of("2026-01-01T01:00:00+01:00") == START
    with pytest.raises(DataError, match="onset: expected an ISO time"):
        onset_of("yesterday")


def test_only_chosen_rows_are_trained_on_and_the_others_stay(raw: Raw) -> None:
    result, rows = curated(hours(raw, 60), plan(spine={"table": "t", "only": {"kind": ["a"]}}))
    assert all((row[SPLIT] is not None) == (row["kind"] == "a") for row in rows)
    assert result.curated.left_out == {"filtered": 30}
    assert len(rows) == 60


def test_numbers_and_truth_values_are_chosen_by_what_they_say(raw: Raw) -> None:
    contract = Table.model_validate({"columns": {**PLAIN.columns, "n": {"type": "float"}, "t": {"type": "boolean"}}})
    columns = {"a": [str(place) for place in range(120)], "b": ["x"] * 120, "y": ["yes", "no"] * 60}
    rows = raw(**columns, n=[1.0, 2.0, 0.5] * 40, t=[True] * 60 + [False] * 60)
    result, _ = curated(rows, plain(spine={"table": "t", "only": {"n": [1, 0.5], "t": [True]}}), contract)
    assert result.curated.left_out == {"filtered": 80}


def test_a_number_is_on_the_same_side_whatever_type_its_source_gave_it(raw: Raw) -> None:
    same = {"b": ["x"] * 120, "y": ["yes", "no"] * 60}
    as_integers, as_doubles, as_texts = ([kind(place) for place in range(120)] for kind in (int, float, str))
    tables = [curated(raw(a=numbers, **same), plain(), PLAIN)[1] for numbers in (as_integers, as_doubles, as_texts)]
    sides = [[row[SPLIT] for row in rows] for rows in tables]
    assert sides[0] == sides[1] == sides[2]


def test_a_hash_keeps_a_row_on_its_side_when_others_come_and_go(raw: Raw) -> None:
    def rows_of(count: int) -> ibis.Table:
        return raw(a=[f"{place}" for place in range(count)], b=["x"] * count, y=["yes" if place % 2 else "no" for place in range(count)])

    _, few = curated(rows_of(100), plain(), PLAIN)
    result, many = curated(rows_of(400), plain(), PLAIN)
    assert [row[SPLIT] for row in few] == [row[SPLIT] for row in many[:100]]
    assert 50 < result.curated.counts["test"] < 110
    assert 50 < result.curated.counts["validation"] < 110


def test_rows_that_differ_in_their_label_alone_are_on_one_side(raw: Raw) -> None:
    texts = [str(place // 2) for place in range(200)]
    _, rows = curated(raw(a=texts, b=["x"] * 200, y=["yes", "no"] * 100), plain(), PLAIN)
    assert all(rows[place][SPLIT] == rows[place + 1][SPLIT] for place in range(0, 200, 2))


def test_a_group_is_never_torn_apart_and_a_missing_one_falls_back_on_the_row(raw: Raw) -> None:
    group = [None if place < 100 else f"g{place % 20}" for place in range(300)]
    split = {"by": "hash", "group": "b", "validation": 0.3, "test": 0.3}
    _, rows = curated(raw(a=[str(place) for place in range(300)], b=group, y=["yes", "no"] * 150), plain(split=split), PLAIN)
    assert all(len({row[SPLIT] for row in rows if row["b"] == f"g{place}"}) == 1 for place in range(20))
    assert len({row[SPLIT] for row in rows[:100]}) == 3
    names = [row[GROUP] for row in rows]                  # what folds go by
    assert len(set(names[:100])) == 100
    assert names[100:120] == names[280:]
    assert len(set(names)) == 120


def test_a_missing_value_and_an_empty_text_are_not_the_same_row(raw: Raw) -> None:
    _, rows = curated(raw(a=["", None] * 60, b=[str(place // 2) for place in range(120)], y=["yes", "no"] * 60), plain(), PLAIN)
    assert any(rows[place][SPLIT] != rows[place + 1][SPLIT] for place in range(0, 120, 2))


def test_a_constant_label_is_refused(raw: Raw) -> None:
    with pytest.raises(DataError, match=r"label 'y': expected labels that differ, found only 'yes' in all [0-9]+ training rows"):
        curated(raw(a=[str(place) for place in range(100)], b=["x"] * 100, y=["yes"] * 100), plain(), PLAIN)
    regression = {"label": "a", "task": "regression", "metric": "r2"}
    with pytest.raises(DataError, match="label 'a': expected labels that differ, found the same one"):
        curated(raw(a=[1] * 100, b=[str(place) for place in range(100)], y=["x"] * 100), plain(predict=regression), PLAIN)


def test_a_label_that_is_always_missing_is_refused_with_the_count(raw: Raw) -> None:
    rows = raw(a=[str(place) for place in range(100)], b=["x"] * 100, y=[None] * 100)
    with pytest.raises(DataError, match=r"found 0\. Of 100 rows left out: 100 unlabelled"):
        curated(rows, plain(), PLAIN)


def test_too_few_rows_are_refused(raw: Raw) -> None:
    with pytest.raises(DataError, match="expected at least 10 training rows, found"):
        curated(raw(a=["1", "2", "3"], b=["x"] * 3, y=["yes", "no", "no"]), plain(), PLAIN)


def test_the_positive_class_must_be_there_and_two_classes_at_most(raw: Raw) -> None:
    texts = [str(place) for place in range(90)]
    with pytest.raises(DataError, match="expected the positive class yes among its values, found no, nope"):
        curated(raw(a=texts, b=["x"] * 90, y=["no", "nope", "no"] * 30), plain(), PLAIN)
    with pytest.raises(DataError, match=r"expected two classes, found 3: a, b, c; say predict\.task: multiclass"):
        curated(raw(a=texts, b=["x"] * 90, y=["a", "b", "c"] * 30), plain(), PLAIN)


def test_the_positive_class_has_index_one_and_multiclass_labels_are_sorted(raw: Raw) -> None:
    texts = [str(place) for place in range(90)]
    result, rows = curated(raw(a=texts, b=["x"] * 90, y=["yes", "no", "yes"] * 30), plain(), PLAIN)
    assert result.curated.classes == ("no", "yes")
    assert [row[LABEL] for row in rows[:3]] == [1, 0, 1]
    section = plain(predict={"label": "y", "task": "multiclass", "metric": "log_loss"})
    result, rows = curated(raw(a=texts, b=["x"] * 90, y=["c", "a", "b"] * 30), section, PLAIN)
    assert result.curated.classes == ("a", "b", "c")
    assert [row[LABEL] for row in rows[:3]] == [2, 0, 1]
    assert sum(result.curated.class_counts["train"]) == result.curated.counts["train"]


def test_a_part_whose_labels_cannot_differ_is_refused(raw: Raw) -> None:
    rows = raw(a=list(range(90)), b=[str(place) for place in range(90)], y=["c", "a", "b"] * 30)
    section = plain(predict={"label": "y", "task": "multiclass", "metric": "log_loss"})
    found = curated(rows, section, PLAIN)[0].curated
    with pytest.raises(DataError, match="expected test rows with labels that differ"):
        found.model_copy(update={"class_counts": {**found.class_counts, "test": (0, 5, 0)}}).require_enough()
    found = curated(rows, plain(predict={"label": "a", "task": "regression", "metric": "r2"}), PLAIN)[0].curated
    with pytest.raises(DataError, match="expected validation rows with labels that differ"):
        found.model_copy(update={"counts": {**found.counts, "validation": 1}}).require_enough()


def features(folder: Path, body: str) -> Path:
    (folder / "features.py").write_text(f"import ibis\n\nfrom journey import label\n\n\n{body}")
    return folder


def test_a_computed_label_is_read_only_where_it_was_known_at_the_watermark(raw: Raw, tmp_path: Path) -> None:
    late = "known_at=ibis.ifelse(t.id == 20, ibis.timestamp('2026-02-01 00:00:00'), t['at'])"
    body = f"@label\ndef big(t: ibis.Table) -> ibis.Table:\n    return t.select('id', big=t.id % 2 == 0, {late})\n"
    labels = load_declarations(features(tmp_path, body)).labels
    result, rows = curated(hours(raw, 60), plan(predict=predict(label="big")), labels=labels)
    assert rows[20][LABEL] is None
    assert result.curated.left_out == {"unlabelled": 1}
    assert [row[LABEL] for row in rows[:4]] == [1, 0, 1, 0]


def test_a_computed_label_that_is_no_number_is_no_label(raw: Raw, tmp_path: Path) -> None:
    body = "@label\ndef big(t: ibis.Table) -> ibis.Table:\n    return t.select('id', big=(t.id - 2) / (t.id - 1) / (t.id - 2))\n"
    labels = load_declarations(features(tmp_path, body)).labels
    section = plan(predict={"label": "big", "task": "regression", "metric": "rmse"})
    result, rows = curated(hours(raw, 60), section, labels=labels)
    assert result.curated.left_out == {"unlabelled": 2}
    assert [row[LABEL] for row in rows[:4]] == [-1.0, None, None, 0.5]


def test_a_label_function_that_repeats_a_key_or_lacks_a_column_is_refused(raw: Raw, tmp_path: Path) -> None:
    twice = "@label\ndef big(t: ibis.Table) -> ibis.Table:\n    return t.union(t).select('id', big=ibis._.id % 2 == 0)\n"
    labels = load_declarations(features(tmp_path, twice)).labels
    with pytest.raises(ProjectError, match=r"features\.py, line [0-9]+, in big: expected one row per id, found 60 keys with several"):
        curated(hours(raw, 60), plan(predict=predict(label="big")), labels=labels)
    labels = load_declarations(features(tmp_path, "@label\ndef big(t: ibis.Table) -> ibis.Table:\n    return t.select('id')\n")).labels
    with pytest.raises(ProjectError, match="expected a table with the columns id, big and known_at, found id"):
        curated(hours(raw, 60), plan(predict=predict(label="big")), labels=labels)


def test_a_label_may_be_made_with_pandas(raw: Raw, tmp_path: Path) -> None:
    body = "import pandas\n\n\n@label\ndef big(t: pandas.DataFrame) -> pandas.DataFrame:\n"
    body += "    return pandas.DataFrame({'id': t['id'], 'big': t['id'] % 2 == 0, 'known_at': t['at']})\n"
    labels = load_declarations(features(tmp_path, body)).labels
    _, rows = curated(hours(raw, 60), plan(predict=predict(label="big")), labels=labels)
    assert [row[LABEL] for row in rows[:4]] == [1, 0, 1, 0]


def test_a_label_function_that_fails_when_it_is_worked_out_is_told_by_name(raw: Raw, tmp_path: Path) -> None:
    body = "@label\ndef big(t: ibis.Table) -> ibis.Table:\n    return t.select('id', big=t.kind.cast('int64') == 1)\n"
    labels = load_declarations(features(tmp_path, body)).labels
    with pytest.raises(ProjectError, match=r"features\.py.*in big: expected it to run, found ConversionException"):
        curated(hours(raw, 60), plan(predict=predict(label="big")), labels=labels)


def test_a_label_that_nothing_declares_names_the_nearest(raw: Raw) -> None:
    expected = r"predict\.label: expected a column of 't' or a @label function .*, found 'badd'; the nearest is 'bad'"
    with pytest.raises(ProjectError, match=expected):
        curated(hours(raw, 40), plan(predict=predict(label="badd")))


def test_the_data_card_shows_the_split_and_what_was_left_out(raw: Raw) -> None:
    result, _ = curated(hours(raw, 46), plan(predict=predict(matures="5h")))
    card = data_card(result.curated, QualityReport(tables={}))
    assert "| train | 21 |" in card
    assert "- immature: 5" in card

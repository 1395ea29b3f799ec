"""The leaderboard, the search, the choice, and the champion on the same rows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.models.champion import LEAST_ROWS, NotComparable, Rival, rival_of, unseen_rows
from components.models.choose import Chosen, best_of, choose, compare
from components.models.curves import write_curves
from components.models.evaluate import Evaluated, evaluate, value_of
from components.models.folds import CrossValidation
from components.models.gates import refuse_failed
from components.models.leaderboard import leaderboard_page
from components.models.rows import FrameRows
from components.models.train import train
from components.models.tune import tune
from components.models.validate import validate
from journey.artifacts import Board, CandidateSpec, Champion, Input, Metric
from journey.errors import DataError, GateFailed
from journey.model.bundle import BundleContent, BundleSignature, MadeFrom, OutputTensor, RequestColumn, write_bundle
from journey.model.keys import SigningKey, Trusted
from journey.model.onnx import to_onnx
from journey.model.spaces import stored
from journey.sections import Bound, Gates, ModelPlan, Search, Task
from journey.values.columns import ColumnRule

MakeFrame = Callable[..., FrameRows]
MakePlan = Callable[..., ModelPlan]

DUMMY = CandidateSpec(name="dummy", estimator="dummy")
LINEAR = {"binary": "logistic", "multiclass": "logistic", "regression": "ridge"}


def linear(task: Task) -> CandidateSpec:
    name = LINEAR[task]
    space = stored({"alpha" if name == "ridge" else "C": (0.01, 10.0, "log")})
    return CandidateSpec(name=name, estimator=name, search_space=space)


def evaluated(rows: FrameRows, plan: ModelPlan, gates: Gates = Gates(), specs: tuple[CandidateSpec, ...] = ()) -> Evaluated:  # noqa: B008
    folds = CrossValidation(rows, plan, 2)
    listed = specs or (DUMMY, linear(plan.task))
    scores = [validate(spec, plan, gates, folds, ()).scores for spec in listed]
    return evaluate(plan, rows, [train(spec, plan, rows, ()) for spec in listed], reversed(scores))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_leaderboard_has_the_best_first_with_curves_and_a_page(
    make_frame: MakeFrame, make_plan: MakePlan, task: Task, tmp_path: Path
) -> None:
    found = evaluated(make_frame(task), make_plan(task))
    assert [row.candidate.name for row in found.board.rows] == [LINEAR[task], "dummy"]
    for row in found.board.rows:
        assert all(metric.low <= metric.value <= metric.high for metric in row.metrics)
        assert len(row.fold_scores) == 2
        assert row.bytes > 1000
    write_curves(found.curves, tmp_path)
    table = pq.read_table(tmp_path / "curves.parquet")
    assert set(table["candidate"].to_pylist()) == {"dummy", LINEAR[task]}
    if task != "regression":
        counted = [rows for curve, rows in zip(table["curve"].to_pylist(), table["rows"].to_pylist(), strict=True) if curve == "confusion"]
        assert sum(counted) == 2 * 120
    page = leaderboard_page(found.board, found.curves)
    assert page.index(LINEAR[task]) < page.index("dummy")
    assert "http" not in page.replace("http-equiv", "")


def test_a_candidate_without_scores_is_told(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    with pytest.raises(DataError, match="candidate 'dummy': expected its scores in folds"):
        evaluate(make_plan(), make_frame(), [train(DUMMY, make_plan(), make_frame(), ())], [])


def test_a_search_tries_as_often_as_it_may_and_repeats_itself(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    rows, plan = make_frame(), make_plan()
    board = evaluated(rows, plan).board
    first, second = (tune(board, Search(trials=5, best=2, folds=2), plan, rows, ()) for _ in range(2))
    trials = [row for row in first.rows if row.source == "trial"]
    assert len(trials) == 5
    assert len({row.candidate.parameters["C"] for row in trials}) == 5
    assert all(0.01 <= row.candidate.parameters["C"] <= 10 for row in trials)
    assert [(row.candidate, row.metrics, row.fold_scores) for row in first.rows] == [
        (row.candidate, row.metrics, row.fold_scores) for row in second.rows
    ]
    values = [value_of(row, "roc_auc") for row in first.rows]
    assert values == sorted(values, reverse=True)


def test_a_search_without_budget_leaves_the_board_as_it_is(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    board = evaluated(make_frame(), make_plan()).board
    assert tune(board, Search(trials=0), make_plan(), make_frame(), ()) == board


def test_the_best_within_reach_of_the_gates_is_taken_and_the_dummy_only_alone(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    board = evaluated(make_frame(), make_plan()).board
    logistic, dummy = board.rows
    small = logistic.model_copy(update={"candidate": logistic.candidate.model_copy(update={"name": "small"}), "bytes": 10})
    asked = Gates(model={"roc_auc": Bound(min=0.8)})
    weak = (Metric(name="roc_auc", value=0.7, low=0.6, high=0.75),)
    outside = logistic.model_copy(update={"metrics": weak})
    three = Board(metric="roc_auc", rows=(logistic, small, dummy))
    assert best_of(three, Gates()) == logistic
    assert best_of(three, Gates(model={"bytes": Bound(max=100)})) == small
    assert best_of(Board(metric="roc_auc", rows=(outside, small)), asked) == small
    assert best_of(Board(metric="roc_auc", rows=(dummy, outside)), asked) == outside
    assert best_of(Board(metric="roc_auc", rows=(dummy,)), Gates()) == dummy
    with pytest.raises(DataError, match="expected candidates to choose from"):
        best_of(Board(metric="roc_auc", rows=()), Gates())


def chosen_of(rows: FrameRows, plan: ModelPlan, gates: Gates = Gates()) -> Chosen:  # noqa: B008
    return choose(evaluated(rows, plan, gates).board, gates, plan, rows, ())


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_choice_is_refitted_and_beats_the_dummy_on_test_rows(make_frame: MakeFrame, make_plan: MakePlan, task: Task) -> None:
    rows, plan = make_frame(task), make_plan(task)
    chosen = chosen_of(rows, plan)
    assert chosen.choice.trained_rows == 480
    assert chosen.choice.trained_on == ("2026-01-01T00:00:00+00:00", "2026-01-20T23:00:00+00:00")
    assert len(chosen.test) == len(chosen.ours) == 120
    over = compare(chosen, Gates(), plan, None).comparison.over_dummy
    assert 0 < over.low < over.value


def test_a_failed_gate_is_written_and_then_stops_the_run(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    gates = Gates(model={"roc_auc": Bound(min=0.999), "over_dummy": Bound(min=0.1), "bytes": Bound(max=1e6), "over_champion": Bound(min=0)})
    compared = compare(chosen_of(make_frame(), make_plan(), gates), gates, make_plan(), None)
    assert compared.comparison.gates["roc_auc"].startswith("failed: expected at least 0.999, found 0.9")
    assert compared.comparison.gates["over_dummy"].startswith("passed: found 0.")
    assert compared.comparison.gates["over_champion"] == "undecided: there is no champion"
    with pytest.raises(GateFailed, match=r"gate roc_auc failed: expected at least 0.999, found 0.9"):
        refuse_failed(compared.verdicts)


def test_over_dummy_looks_at_the_low_end_of_the_interval(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    chosen = chosen_of(make_frame(), make_plan())
    over = compare(chosen, Gates(), make_plan(), None).comparison.over_dummy
    between = Gates(model={"over_dummy": Bound(min=(over.low + over.value) / 2)})
    (verdict,) = compare(chosen, between, make_plan(), None).verdicts
    assert (verdict.passed, verdict.found) == (False, over.low)


def test_neither_choice_nor_model_depend_on_a_gates_number(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    first, second = (chosen_of(make_frame(), make_plan(), Gates(model={"roc_auc": Bound(min=least)})) for least in (0.5, 0.6))
    assert first.choice == second.choice
    assert first.model.content == second.model.content
    written = [compare(first, Gates(model={"roc_auc": Bound(min=least)}), make_plan(), None).comparison for least in (0.5, 0.6)]
    assert written[0] == written[1]


def champion_bundle(rows: FrameRows, plan: ModelPlan, root: Path, inputs: tuple[Input, ...] | None = None) -> Champion:
    """A signed bundle of a model fitted on the frame's training rows."""
    fitted = train(linear(plan.task), plan, rows, ())
    signature = BundleSignature(
        task=plan.task,
        classes=rows.schema.classes,
        request=tuple(RequestColumn(name=item.name, rule=ColumnRule(type=item.type)) for item in rows.schema.inputs),
        inputs=inputs or rows.schema.inputs,
        outputs=(OutputTensor(name="probability", shape=(-1, rows.classes)),),
    )
    made_from = MadeFrom(data="", project="", code="", lock="")
    content = BundleContent("tiny", "onnx", signature, {"model.onnx": to_onnx(fitted.pipeline, rows.schema)}, made_from)
    digest = write_bundle(root / "bundle", content, SigningKey.load_or_create(root / "keys"))
    return Champion(model="tiny", version=3, bundle=digest, uri=str(root / "bundle"), trained_on=rows.part("train").span())


def long_frame(make_frame: MakeFrame) -> FrameRows:
    return make_frame(rows=2600)          # 520 test rows


def test_the_champion_is_scored_on_the_test_rows_that_it_never_saw(make_frame: MakeFrame, make_plan: MakePlan, tmp_path: Path) -> None:
    rows, plan = long_frame(make_frame), make_plan()
    champion = champion_bundle(rows, plan, tmp_path)
    rival = rival_of(champion, Trusted.of(tmp_path / "keys"), unseen_rows(rows, plan), rows.schema)
    assert isinstance(rival, Rival)
    assert (rival.version, rival.predictions.shape) == (3, (520, 2))
    mine = train(linear("binary"), plan, rows, ())
    np.testing.assert_allclose(rival.predictions, mine.pipeline.predict_proba(rows.part("test").table), atol=1e-9)
    compared = compare(chosen_of(rows, plan), Gates(model={"over_champion": Bound(min=-0.05)}), plan, rival).comparison
    assert isinstance(compared.over_champion, Metric)
    assert compared.champion_version == 3
    assert abs(compared.over_champion.value) < 0.01
    assert compared.gates["over_champion"].startswith("passed")


def test_a_champion_is_better_than_a_challenger_that_learned_nothing(make_frame: MakeFrame, make_plan: MakePlan, tmp_path: Path) -> None:
    rows, plan = long_frame(make_frame), make_plan()
    rival = rival_of(champion_bundle(rows, plan, tmp_path), Trusted.of(tmp_path / "keys"), unseen_rows(rows, plan), rows.schema)
    chosen = chosen_of(rows, plan)
    compared = compare(replace(chosen, ours=chosen.dummy), Gates(model={"over_champion": Bound(min=0)}), plan, rival)
    with pytest.raises(GateFailed, match=r"gate over_champion failed: expected at least 0, found -0.4"):
        refuse_failed(compared.verdicts)


def test_few_unseen_rows_are_left_to_a_person(make_frame: MakeFrame, make_plan: MakePlan, tmp_path: Path) -> None:
    rows, plan = long_frame(make_frame), make_plan()
    later = champion_bundle(rows, plan, tmp_path).model_copy(update={"trained_on": (None, None)})
    first, _ = rows.part("train").span()
    _, last = rows.part("test").span()
    saw_all = later.model_copy(update={"trained_on": (first, last)})
    found = rival_of(saw_all, Trusted.of(tmp_path / "keys"), unseen_rows(rows, plan), rows.schema)
    assert isinstance(found, NotComparable)
    assert str(found) == f"not comparable: 0 test rows outside the champion's training rows, at least {LEAST_ROWS} are needed"
    gates = Gates(model={"over_champion": Bound(min=0)})
    compared = compare(chosen_of(rows, plan), gates, plan, found)
    assert compared.comparison.champion_note == str(found)
    refuse_failed(compared.verdicts)
    by_hash = make_plan(by_time=False)        # a row's side is the same for ever: all test rows are unseen
    assert isinstance(rival_of(saw_all, Trusted.of(tmp_path / "keys"), unseen_rows(rows, by_hash), rows.schema), Rival)


def test_a_champion_that_needs_other_inputs_or_cannot_be_trusted_is_not_comparable(
    make_frame: MakeFrame, make_plan: MakePlan, tmp_path: Path
) -> None:
    rows, plan = long_frame(make_frame), make_plan()
    champion = champion_bundle(rows, plan, tmp_path)
    trusted = Trusted.of(tmp_path / "keys")
    fewer = rows.schema.model_copy(update={"inputs": rows.schema.inputs[::2]})
    without = replace(rows, table=rows.table.drop_columns(["useless"]), schema=fewer)
    found = rival_of(champion, trusted, unseen_rows(without, plan), without.schema)
    assert str(found) == "not comparable: the champion's inputs useless are not in the frame"
    renamed = rows.schema.model_copy(update={"classes": ("no", "maybe")})
    assert "the champion predicts binary" in str(rival_of(champion, trusted, unseen_rows(rows, plan), renamed))
    (tmp_path / "bundle" / "model.onnx").write_bytes(b"changed")
    assert "version 3 can't be scored: bundle" in str(rival_of(champion, trusted, unseen_rows(rows, plan), rows.schema))

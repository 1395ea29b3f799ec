"""Which candidates there are, how they are fitted, and how folds are cut."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from components.models.folds import CrossValidation, folds_of
from components.models.gates import judged, refuse_failed
from components.models.identify import identify
from components.models.rows import FrameRows
from components.models.train import Fitted, train
from components.models.validate import Validated, validate
from journey.artifacts import GROUP, LABEL, CandidateSpec
from journey.declarations import Candidate
from journey.errors import DataError, GateFailed, ProjectError
from journey.model.spaces import Choices, Range, read
from journey.sections import Bound, Gates, ModelPlan, Task
from journey.values.carried import carried, restored

MakeFrame = Callable[..., FrameRows]
MakePlan = Callable[..., ModelPlan]
ChangeColumn = Callable[[FrameRows, str, object], FrameRows]


def own(name: str, make: Callable[..., object], **tunes: object) -> tuple[Candidate, ...]:
    return (Candidate(name, tunes, "models.py", 1, make),)


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("binary", ["dummy", "logistic", "hist_gradient_boosting", "random_forest"]),
        ("multiclass", ["dummy", "logistic", "hist_gradient_boosting", "random_forest"]),
        ("regression", ["dummy", "ridge", "hist_gradient_boosting", "random_forest"]),
    ],
)
def test_automatic_candidates_fit_the_task(make_frame: MakeFrame, make_plan: MakePlan, task: Task, names: list[str]) -> None:
    assert [spec.name for spec in identify([], make_plan(task), make_frame(task), ())] == names


def test_a_listed_candidate_has_its_parameters_and_no_search_over_them(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    listed = ["logistic", {"random_forest": {"min_samples_leaf": 12}}, "logistic"]
    dummy, logistic, forest, again = identify(listed, make_plan(), make_frame(), ())
    assert (dummy.name, logistic.name, again.name) == ("dummy", "logistic", "logistic-2")
    assert forest.parameters == {"min_samples_leaf": 12}
    assert list(forest.search_space) == ["max_features"]


def test_a_candidate_comes_through_a_pipeline_as_it_was(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    tunes = own("mine", lambda task, seed: LogisticRegression(), C=(1.0, 10.0, "log"), max_iter=(100, 200), class_weight=[None, "balanced"])
    for spec in identify(["hist_gradient_boosting", "models.mine"], make_plan(), make_frame(), tunes):
        again = CandidateSpec.model_validate(restored(carried(spec)))
        assert again == spec
        spaces = read(again.search_space)
        assert spaces == read(spec.search_space)
    assert spaces == {
        "C": Range(low=1, high=10, log=True),
        "class_weight": Choices(choices=(None, "balanced")),
        "max_iter": Range(low=100, high=200, whole=True),
    }


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("hist_gradient_bosting", "did you mean 'hist_gradient_boosting'"),
        ("ridge", "expected the name of an estimator for binary, found 'ridge'"),
        ({"logistic": {"max_itr": 1}}, "found 'max_itr'; did you mean 'max_iter'"),
        ("models.absent", "expected 'models.absent' to be a @candidate of models.py, found none there"),
    ],
)
def test_a_candidate_that_cannot_be_is_refused_before_anything_is_fitted(
    make_frame: MakeFrame, make_plan: MakePlan, listed: object, message: str
) -> None:
    with pytest.raises(ProjectError, match=message):
        identify([listed], make_plan(), make_frame(), ())


def test_a_label_with_nothing_to_learn_is_refused(
    make_frame: MakeFrame, make_plan: MakePlan, change_column: Callable[[FrameRows, str, object], FrameRows]
) -> None:
    constant = change_column(make_frame(), LABEL, [0] * 600)
    with pytest.raises(DataError, match=r"expected rows of every class among the 360 training rows, found none of 'yes'"):
        identify([], make_plan(), constant, ())


def test_a_fitted_candidate_is_the_same_bytes_each_time_and_read_again(make_frame: MakeFrame, make_plan: MakePlan, tmp_path) -> None:
    spec = CandidateSpec(name="hist_gradient_boosting", estimator="hist_gradient_boosting", parameters={"max_iter": 10})
    first, second = (train(spec, make_plan(), make_frame(), ()) for _ in range(2))
    assert first.content == second.content
    first.write(tmp_path)
    read_again = Fitted.read(tmp_path, 1.5)
    assert (read_again.candidate, read_again.content, read_again.seconds) == (spec, first.content, 1.5)


def test_an_own_candidate_that_raises_is_told_by_name(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    mine = own("mine", lambda task, seed: LogisticRegression(C=-1.0))
    with pytest.raises(ProjectError, match=r"models.py, candidate mine: expected it to fit 360 rows, found InvalidParameterError"):
        train(CandidateSpec(name="models.mine", estimator="models.mine"), make_plan(), make_frame(), mine)


def test_an_own_candidate_that_raises_in_a_fold_is_told_by_name(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    mine = own("mine", lambda task, seed: LogisticRegression(C=-1.0))
    folds = CrossValidation(make_frame(), make_plan(), 2)
    with pytest.raises(ProjectError, match=r"models.py, candidate mine: expected it to fit 1[0-9]+ rows, found InvalidParameterError"):
        validate(CandidateSpec(name="models.mine", estimator="models.mine"), make_plan(), Gates(), folds, mine)


def test_a_fold_whose_rows_are_all_of_one_class_is_left_out(
    make_frame: MakeFrame, make_plan: MakePlan, change_column: ChangeColumn
) -> None:
    labels = [1 if place % 3 == 0 and not 180 <= place < 270 else 0 for place in range(600)]
    rows = change_column(make_frame(), LABEL, labels)
    part = rows.part("train")
    folds = folds_of(part, make_plan(), 3)
    assert [(fold.look.min(), fold.look.max()) for fold in folds] == [(90, 179), (270, 359)]
    found = validate(CandidateSpec(name="logistic", estimator="logistic"), make_plan(), Gates(), CrossValidation(rows, make_plan(), 3), ())
    assert np.isfinite(found.scores.fold_scores).all()


def test_folds_go_forward_in_time_with_a_gap_in_which_labels_mature(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    part = make_frame().part("train")
    folds = folds_of(part, make_plan(), 3)
    assert len(folds) == 3
    for fold in folds:
        assert part.times[fold.fit].max() + np.timedelta64(6, "h") <= part.times[fold.look].min()
        assert part.times[fold.look].min() - part.times[fold.fit].max() == np.timedelta64(6, "h")
    assert sorted(np.concatenate([fold.look for fold in folds])) == list(range(90, 360))


def test_folds_by_chance_hold_every_row_once_and_each_class_evenly(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    part = make_frame(timed=False).part("train")
    plan = make_plan(by_time=False)
    folds = folds_of(part, plan, 3)
    assert sorted(np.concatenate([fold.look for fold in folds])) == list(range(360))
    assert np.ptp([part.labels[fold.look].sum() for fold in folds]) <= 1
    assert all(not set(fold.fit) & set(fold.look) for fold in folds)
    np.testing.assert_array_equal(folds[0].look, folds_of(part, plan, 3)[0].look)
    assert folds[0].look.tolist() != folds_of(part, make_plan(by_time=False, seed=8), 3)[0].look.tolist()


def test_a_group_is_never_on_both_sides_of_a_fold(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    rows = make_frame(timed=False)
    names = [f"g{place % 40}" for place in range(len(rows.table))]
    part = FrameRows(rows.schema, rows.table.append_column(GROUP, [names])).part("train")
    folds = folds_of(part, make_plan(by_time=False), 3)
    assert sorted(np.concatenate([fold.look for fold in folds])) == list(range(360))
    for fold in folds:
        assert not {names[row] for row in fold.fit} & {names[row] for row in fold.look}
        assert len({names[row] for row in fold.look}) in (13, 14)
    shares = [part.labels[fold.look].mean() for fold in folds]
    assert np.ptp(shares) < 0.1                     # groups of one mean label are spread over the folds


def test_one_group_makes_no_folds_and_that_is_told(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    rows = make_frame(timed=False)
    alone = FrameRows(rows.schema, rows.table.append_column(GROUP, [["g"] * len(rows.table)]))
    with pytest.raises(DataError, match=r"split\.group makes 1 groups of them"):
        folds_of(alone.part("train"), make_plan(by_time=False), 3)


def test_rows_that_mature_too_late_for_any_fold_are_told(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    with pytest.raises(DataError, match=r"`matures` \(60d\) leaves too few rows before the edges"):
        folds_of(make_frame().part("train"), make_plan(matures="60d"), 3)


def scores_of(make_frame: MakeFrame, make_plan: MakePlan, **bounds: Bound) -> Validated:
    spec = CandidateSpec(name="logistic", estimator="logistic")
    plan = make_plan()
    return validate(spec, plan, Gates(model=bounds), CrossValidation(make_frame(), plan, 3), ())


def test_validation_scores_each_fold_and_marks_what_is_out_of_reach(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    found = scores_of(make_frame, make_plan, roc_auc=Bound(min=0.8), log_loss=Bound(max=0.001), over_dummy=Bound(min=0.9))
    assert len(found.scores.fold_scores) == 3
    assert min(found.scores.fold_scores) > 0.85
    assert found.out_of_reach == ("log_loss",)


def test_a_gate_that_moves_leaves_the_scores_as_they_are(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    low, high = (scores_of(make_frame, make_plan, roc_auc=Bound(min=least)) for least in (0.5, 0.999))
    assert low.scores == high.scores
    assert (low.out_of_reach, high.out_of_reach) == ((), ("roc_auc",))


def test_a_gate_that_nobody_looks_at_is_refused(make_frame: MakeFrame, make_plan: MakePlan) -> None:
    with pytest.raises(ProjectError, match=r"expected gates for binary .* found 'r2'"):
        scores_of(make_frame, make_plan, r2=Bound(min=0.5))


def test_verdicts_name_limits_only_where_they_failed() -> None:
    gates = Gates(model={"roc_auc": Bound(min=0.9), "bytes": Bound(max=1000), "over_champion": Bound(min=0)})
    verdicts = judged(gates, {"roc_auc": 0.85, "bytes": 900}, {"over_champion": "not comparable: 12 rows"})
    assert [verdict.text for verdict in verdicts] == [
        "passed: found 900",
        "undecided: not comparable: 12 rows",
        "failed: expected at least 0.9, found 0.85",
    ]
    refuse_failed(verdicts[:2])
    with pytest.raises(GateFailed, match=r"gate roc_auc failed: expected at least 0.9, found 0.85"):
        refuse_failed(verdicts)


def test_a_value_that_is_not_a_number_passes_no_gate() -> None:
    (verdict,) = judged(Gates(model={"roc_auc": Bound()}), {"roc_auc": float("nan")}, {})
    assert not verdict.passed

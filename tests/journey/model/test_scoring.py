"""Raw rows in, predictions out, through a bundle made by hand."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from journey.errors import DataError, ProjectError, RequestError
from journey.model.scoring import Scorer

ROW = {"payment_id": "p1", "amount": "2500", "channel": " E-Com", "paid_at": "2026-03-01T03:00:00Z", "card_id": "c1"}


def predicted(scorer: Scorer, row: dict[str, object], **found: object) -> float:
    return float(scorer.score(scorer.predict(scorer.inputs([row], [found])))[0])


def test_a_raw_row_goes_through_rules_request_features_lookups_and_model(workshop, expected: Callable[..., float]) -> None:
    scorer = Scorer(workshop.bundle())
    assert predicted(scorer, ROW, payments_30d=4) == pytest.approx(expected(amount=25, night=1, payments=4, online=1), abs=1e-12)


def test_many_rows_give_what_each_gives_alone(workshop) -> None:
    scorer = Scorer(workshop.bundle())
    rows = [{**ROW, "amount": amount, "channel": channel} for amount in (None, 100, "1e4") for channel in ("online", "phone", None)]
    found = [{"payments_30d": number} for number in range(9)]
    together = scorer.predict(scorer.inputs(rows, found))
    alone = [scorer.predict(scorer.inputs([row], [values]))[0] for row, values in zip(rows, found, strict=True)]
    assert together.shape == (9, 2)
    np.testing.assert_array_equal(together, alone)


def test_a_column_that_a_request_lacks_is_missing(workshop, expected: Callable[..., float]) -> None:
    scorer = Scorer(workshop.bundle())
    assert predicted(scorer, {"card_id": "c1"}, payments_30d=1) == pytest.approx(expected(payments=1), abs=1e-12)


def test_a_looked_up_row_that_is_absent_gives_the_defaults(workshop, expected: Callable[..., float]) -> None:
    scorer = Scorer(workshop.bundle())
    assert predicted(scorer, ROW) == pytest.approx(expected(amount=25, night=1, payments=0, online=1), abs=1e-12)


def test_a_looked_up_value_that_is_missing_stays_missing_and_is_not_the_default(workshop) -> None:
    lookup = workshop.signature.lookups[0]
    defaulted = lookup.model_copy(update={"features": (lookup.features[0].model_copy(update={"default": 7}),)})
    scorer = Scorer(workshop.bundle(signature=workshop.signature.model_copy(update={"lookups": (defaulted,)})))
    assert np.isnan(scorer.inputs([ROW], [{"payments_30d": None}]).numbers[0, 2])
    assert scorer.inputs([ROW], [{}]).numbers[0, 2] == 7


def test_a_bundle_that_refuses_absent_lookups_names_the_column_and_hides_what_is_personal(workshop) -> None:
    scorer = Scorer(workshop.bundle(signature=workshop.signature.model_copy(update={"missing": "refuse"})))
    with pytest.raises(RequestError, match="'card_id': expected a card with a fresh row in view 'card_history', found none for this value"):
        scorer.inputs([ROW], [{}])


def test_a_misspelled_column_is_refused_with_the_nearest_name(workshop) -> None:
    scorer = Scorer(workshop.bundle())
    with pytest.raises(RequestError, match=r"column 'amont': .* found an unknown one; did you mean 'amount'"):
        scorer.values({**ROW, "amont": 3})


def test_a_value_that_breaks_its_rule_is_refused_by_column(workshop) -> None:
    scorer = Scorer(workshop.bundle())
    with pytest.raises(RequestError, match="column 'amount'"):
        scorer.values({**ROW, "amount": "lots"})
    with pytest.raises(RequestError, match="column 'card_id'"):
        scorer.values({**ROW, "card_id": None})


def test_positional_rows_are_rows_by_name(workshop) -> None:
    scorer = Scorer(workshop.bundle())
    assert scorer.rows(["amount", "card_id"], [[1, "a"], [2, "b"]]) == [{"amount": 1, "card_id": "a"}, {"amount": 2, "card_id": "b"}]
    with pytest.raises(RequestError, match="expected each column once, found twice: 'amount'"):
        scorer.rows(["amount", "amount"], [[1, 2]])
    with pytest.raises(RequestError, match="expected 2 values a row, one for each of names, found 1 in row 1"):
        scorer.rows(["amount", "card_id"], [[1, "a"], [2]])


def test_breaches_that_pass_are_counted(workshop) -> None:
    signature = workshop.signature
    amount = signature.request[0]
    clipped = amount.model_copy(update={"rule": amount.rule.model_copy(update={"breach": "clip"})})
    counts: list[tuple[str, str]] = []
    bundle = workshop.bundle(signature=signature.model_copy(update={"request": (clipped, *signature.request[1:])}))
    scorer = Scorer(bundle, lambda column, breach: counts.append((column, breach)))
    assert scorer.inputs([{**ROW, "amount": 1e9}], [{}]).numbers[0, 0] == 20000
    assert counts == [("amount", "range")]


def test_a_request_feature_that_raises_is_named(workshop) -> None:
    broken = b"from datetime import datetime\n\n\ndef night(paid_at: datetime) -> bool:\n    return 1 / 0 > 1\n"
    scorer = Scorer(workshop.bundle(files={**workshop.files, "request_features.py": broken}))
    with pytest.raises(ProjectError, match="in night"):
        scorer.inputs([ROW], [{}])


def test_a_bundle_without_a_function_that_its_signature_names_is_refused(workshop) -> None:
    empty = b"def other(amount: float) -> float:\n    return amount\n"
    with pytest.raises(DataError, match=r"expected function 'night' in request_features.py, found other"):
        Scorer(workshop.bundle(files={**workshop.files, "request_features.py": empty}))


@pytest.mark.parametrize(("task", "score"), [("binary", [0.3, 0.9]), ("multiclass", [0.7, 0.9]), ("regression", [0.7, 0.1])])
def test_a_score_is_one_number_a_row(workshop, task: str, score: list[float]) -> None:
    scorer = Scorer(workshop.bundle())
    scorer.signature = scorer.signature.model_copy(update={"task": task})
    assert scorer.score(np.array([[0.7, 0.3], [0.1, 0.9]])).tolist() == score


def test_scoring_imports_nothing_that_a_server_lacks() -> None:
    lacking = ("pandas", "pyarrow", "ibis", "duckdb", "sklearn", "mlflow", "kfp", "feast", "skops")
    program = f"import sys, journey.model.scoring, journey.records.ledger; print([m for m in {lacking} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

"""The project's own tests: the check-code step runs them before a model is trained."""

from datetime import datetime

import ibis
from features import card_history, disputed
from request_features import log_amount, night

PAYMENTS = {
    "payment_id": ["p1", "p2", "p3"],
    "card_id": ["c1", "c1", "c1"],
    "paid_at": [datetime(2026, 2, 1), datetime(2026, 2, 3), datetime(2026, 2, 9)],
    "amount": [10.0, 30.0, 50.0],
    "distance_km": [1.0, None, 3.0],
}


def tables() -> tuple[ibis.Table, ibis.Table, ibis.Table]:
    """Three payments of one card, the second of them disputed."""
    cards = ibis.memtable({"card_id": ["c1"], "issued_at": [datetime(2020, 1, 1)], "credit_limit": [2000]})
    disputes = ibis.memtable({"dispute_id": ["d1"], "payment_id": ["p2"], "opened_at": [datetime(2026, 2, 3, 5)]})
    return ibis.memtable(PAYMENTS), cards, disputes


def test_a_habit_is_the_median_of_the_last_seven_days() -> None:
    """Row by row, the row itself included: it is known from its own time on."""
    payments, cards, _ = tables()
    rows = card_history(payments, cards).order_by("paid_at").to_pyarrow().to_pylist()
    assert [row["usual_amount"] for row in rows] == [10.0, 20.0, 40.0]
    assert [row["payments_7d"] for row in rows] == [1, 2, 2]


def test_only_the_disputed_payment_is_positive() -> None:
    """One dispute, one positive; the others are known to be none after six hours."""
    payments, _, disputes = tables()
    rows = disputed(payments, disputes).order_by("payment_id").to_pyarrow().to_pylist()
    assert [row["disputed"] for row in rows] == [False, True, False]
    assert rows[0]["known_at"] == datetime(2026, 2, 1, 6)
    assert rows[1]["known_at"] == datetime(2026, 2, 3, 5)


def test_night_ends_at_six() -> None:
    """Six itself is day."""
    assert night(datetime(2026, 2, 1, 5, 59))
    assert not night(datetime(2026, 2, 1, 6))


def test_log_amount_turns_factors_into_steps() -> None:
    """By ln 2 for twice as much."""
    assert round(log_amount(20.0) - log_amount(10.0), 6) == 0.693147

"""What was known of a card before a payment, and what became of the payment."""

import ibis

from journey import feature_view, label


@feature_view(entity="card", time="paid_at", ttl="7d", defaults={"payments_7d": 0})
def card_history(payments: ibis.Table, cards: ibis.Table) -> ibis.Table:
    """The card's habits over the seven days up to each of its payments: medians, so that one odd payment doesn't make a habit."""
    week = ibis.range_window(group_by="card_id", order_by="paid_at", preceding=ibis.interval(days=7), following=0)
    habits = payments.select(
        "card_id",
        "paid_at",
        payments_7d=payments.count().over(week),
        usual_amount=payments.amount.median().over(week),
        usual_distance_km=payments.distance_km.median().over(week),
    )
    return habits.inner_join(cards.select("card_id", "credit_limit"), "card_id")


@label
def disputed(payments: ibis.Table, disputes: ibis.Table) -> ibis.Table:
    """True where the holder disputed the payment; known when the dispute is opened, and for all others after six hours."""
    opened = disputes.group_by("payment_id").aggregate(opened_at=disputes.opened_at.min())
    told = payments.left_join(opened, "payment_id")
    return told.select(
        "payment_id",
        disputed=told.opened_at.notnull(),
        known_at=ibis.coalesce(told.opened_at, told.paid_at + ibis.interval(hours=6)),
    )

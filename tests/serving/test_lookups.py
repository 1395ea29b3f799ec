"""Looked-up features in the server: shown, bounded by their age, switched in without a restart."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STANDING_CLOCK = f"{NOW.isoformat()}@1767225600x0.000001"


def asked(**row: object) -> dict:
    return {"jsonData": {"rows": [row]}, "meta": {"tags": {"explain": True}}}


def probability(answer) -> float:
    return answer.json()["data"]["ndarray"][0][1]


def logit(amount: float, seen: float) -> float:
    return 1 / (1 + np.exp(-(amount + 0.5 * seen)))


@pytest.fixture
def looking(home, serve):
    """Starts a server whose model looks up `seen` by card."""

    def start(missing: str):
        home.promote(home.register(missing))
        return serve(JOURNEY_CLOCK=STANDING_CLOCK)

    return start


def test_a_looked_up_value_reaches_the_model_and_is_shown(home, looking, write_store):
    store = home.path / "feast" / "online.db"
    write_store(store, {"c1": 2.0}, NOW - timedelta(minutes=30))
    server = looking("default")
    answer = server.post(asked(amount=1, card=" c1 "))
    assert answer.json()["meta"]["tags"]["lookups"] == [{"seen": 2.0}]
    assert probability(answer) == pytest.approx(logit(1, 2))
    write_store(store, {"c1": 3.0}, NOW - timedelta(minutes=5))
    assert server.post(asked(amount=1, card="c1")).json()["meta"]["tags"]["lookups"] == [{"seen": 3.0}]


def test_an_absent_or_stale_row_is_counted_and_the_default_stands_in(home, looking, write_store):
    write_store(home.path / "feast" / "online.db", {"old": 2.0}, NOW - timedelta(hours=2))
    server = looking("default")
    for card in ("old", "unknown", None):
        answer = server.post(asked(amount=1, card=card))
        assert answer.json()["meta"]["tags"]["lookups"] == [{}]
        assert probability(answer) == pytest.approx(logit(1, 0))
    families = text_string_to_metric_families(server.get("/metrics").text)
    values = {sample.name: sample.value for family in families for sample in family.samples}
    assert values["journey_lookup_misses_total"] == 3
    assert values["journey_lookup_seconds_count"] == 3


def test_where_the_policy_says_so_a_missing_row_is_refused_alone(home, looking, write_store):
    write_store(home.path / "feast" / "online.db", {"c1": 2.0}, NOW)
    server = looking("refuse")
    refused = server.post(asked(amount=1, card="c2"))
    assert refused.status_code == 400
    assert "column 'card': expected a card with a fresh row in view 'history', found" in refused.json()["status"]["info"]
    assert server.post(asked(amount=1, card="c1")).status_code == 200


def test_a_store_that_is_no_store_is_said_to_be_unavailable(home, looking):
    store = home.path / "feast" / "online.db"
    store.parent.mkdir()
    store.write_bytes(b"no database, but long enough to be looked at as one" * 20)
    answer = looking("default").post(asked(amount=1, card="c1"))
    assert answer.status_code == 503
    assert "online store" in answer.json()["status"]["info"]

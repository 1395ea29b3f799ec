"""Answers and labels, from the request to the ledger and the metrics."""

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

import serving.recorder
from journey.errors import Unavailable
from journey.records.entries import FeedbackRecord, PredictionRecord
from serving.models import Surroundings, open_model
from serving.recorder import Recorder

FEEDBACK = "/api/v1.0/feedback"


def rows(*given: dict) -> dict:
    return {"jsonData": {"rows": list(given)}}


def samples(server, name: str) -> dict[tuple, float]:
    families = text_string_to_metric_families(server.get("/metrics").text)
    return {tuple(sample.labels.values()): sample.value for family in families for sample in family.samples if sample.name == name}


def written(server) -> bool:
    return samples(server, "journey_records_waiting") == {(): 0}


@pytest.fixture
def keeping(home, serve):
    """A server that keeps answers and labels."""
    home.promote(home.register())
    return serve("--feedback", JOURNEY_CLOCK="2026-03-01T00:00:00+00:00@1767225600x1.0")


def test_an_answer_is_written_to_the_ledger_under_the_id_that_it_names(home, keeping, eventually):
    answer = keeping.post(rows({"amount": 1, "payment_id": " p1 "}, {"amount": 2})).json()
    ids = answer["meta"]["tags"]["ids"]
    assert len(set(ids)) == 2
    eventually(lambda: written(keeping))
    first, second = (home.ledger.prediction(name) for name in ids)
    assert (first.model, first.version, first.key) == ("tiny", 1, "p1")
    assert first.score == pytest.approx(answer["data"]["ndarray"][0][1])
    assert first.event_time > datetime(2026, 3, 1, tzinfo=UTC)
    assert second.key is None


def test_a_label_is_counted_once_by_score_bin_and_a_different_second_one_is_refused(home, keeping, eventually):
    before = samples(keeping, "journey_feedback_total")
    assert set(before.values()) == {0.0}
    assert {key[-1] for key in before} == {"false", "true"}
    (name,) = keeping.post(rows({"amount": 1})).json()["meta"]["tags"]["ids"]
    for label in (True, "true", "false "):
        assert keeping.post({"feedback": [{"prediction": name, "label": label, "source": "bank"}]}, FEEDBACK).status_code == 200
    assert keeping.post({"feedback": [{"prediction": "unheard of", "label": True}]}, FEEDBACK).status_code == 200
    eventually(lambda: written(keeping))
    counted = {key: value for key, value in samples(keeping, "journey_feedback_total").items() if value}
    assert [(key[-1], value) for key, value in counted.items()] == [("true", 1.0)]
    assert samples(keeping, "journey_feedback_refused_total") == {("different",): 1, ("unknown",): 1}
    (labelled,) = home.ledger.labelled("tiny", datetime(2026, 1, 1, tzinfo=UTC))
    assert (labelled.prediction.id, labelled.label) == (name, True)


def test_seldons_form_of_feedback_is_taken(home, keeping, eventually):
    answer = keeping.post(rows({"amount": 1}, {"amount": 2})).json()
    sent = keeping.post({"response": answer, "truth": {"data": {"ndarray": [[True], [False]]}}}, "/send-feedback")
    assert sent.json() == {"meta": {"tags": {"received": 2}}}
    eventually(lambda: written(keeping))
    assert len(home.ledger.labelled("tiny", datetime(2026, 1, 1, tzinfo=UTC))) == 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"feedback": [{"prediction": "x", "label": "maybe"}]}, ["feedback[0].label", "'false' or 'true'", "maybe"]),
        ({"feedback": [{"prediction": "x", "label": None}]}, ["feedback[0].label"]),
        ({"feedback": [{"label": True}]}, ["feedback[0]", "prediction"]),
        ({"feedback": []}, ["feedback", "at least one"]),
        ({"response": {}, "truth": {"data": {"ndarray": [1]}}}, ["response.meta.tags.ids"]),
    ],
)
def test_wrong_feedback_is_told_what_was_expected(keeping, body, says):
    answer = keeping.post(body, FEEDBACK)
    assert answer.status_code == 400
    for word in says:
        assert word in answer.json()["status"]["info"]


def test_what_waits_is_written_when_the_server_ends(home, keeping):
    names = [name for _ in range(20) for name in keeping.post(rows(*[{"amount": 1}] * 10)).json()["meta"]["tags"]["ids"]]
    assert keeping.stop() == 0
    assert all(home.ledger.prediction(name) is not None for name in names)


def test_a_label_that_the_version_does_not_know_or_rows_that_cannot_be_written_stop_nobody(home, eventually):
    """As after a promotion of a version that tells more classes apart, and a label for an answer of the one before."""
    home.promote(home.register())
    model = open_model(home.ledger.version("tiny", 1), Surroundings(home.path / "keys", str(home.path / "none.db"), 0.02))
    model.count_label(0.7, "perhaps")
    assert set(model.labels.values()) == {0}
    model.count_label(0.7, True)
    assert sum(model.labels.values()) == 1

    recorder = Recorder(lambda: home.ledger)
    recorder.start(lambda prediction, label: 1 / 0)
    record = PredictionRecord("one", "tiny", 1, datetime(2026, 3, 1, tzinfo=UTC), None, 0.7)
    recorder.put([record, FeedbackRecord("one", True, datetime(2026, 3, 1, tzinfo=UTC), "bank")])
    eventually(lambda: not recorder.waiting)
    assert recorder.dropped == 0, "both are in the ledger, whatever became of the count"
    wrong = replace(record, id="nothing", score=float("nan"))
    recorder.put([replace(record, id="two"), wrong, replace(record, id="three")])
    eventually(lambda: home.ledger.prediction("three") is not None)
    recorder.stop()
    assert home.ledger.prediction("two") is not None
    assert recorder.dropped == 1, "a row that the ledger can't take keeps no other from it"


def test_a_ledger_that_cannot_be_opened_yet_loses_nothing(home, eventually):
    home.promote(home.register())
    away = [PermissionError("a read-only volume"), Unavailable("the ledger is away")]

    def connect():
        if away:
            raise away.pop()
        return home.ledger

    recorder = Recorder(connect)
    recorder.start(lambda prediction, label: None)
    recorder.put([PredictionRecord("one", "tiny", 1, datetime(2026, 3, 1, tzinfo=UTC), None, 0.7)])
    eventually(lambda: home.ledger.prediction("one") is not None)
    recorder.stop()
    assert recorder.dropped == 0


def test_nothing_is_lost_however_the_threads_take_turns(monkeypatch):
    class Ledger:
        def record_predictions(self, records: list[PredictionRecord]) -> None:
            kept.extend(records)

    monkeypatch.setattr(serving.recorder, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(serving.recorder, "BATCH", 1)
    kept, given, turn = [], 0, sys.getswitchinterval()
    recorder = Recorder(Ledger)
    record = PredictionRecord("", "tiny", 1, datetime(2026, 3, 1, tzinfo=UTC), None, 0.7)
    sys.setswitchinterval(1e-5)
    try:
        recorder.start(lambda prediction, label: None)
        until = time.monotonic() + 2
        while time.monotonic() < until:
            if recorder.waiting < 5_000:
                recorder.put([record])
                given += 1
    finally:
        sys.setswitchinterval(turn)
        recorder.stop()
    assert (recorder.dropped, recorder.waiting) == (0, 0)
    assert len(kept) == given


def test_a_key_that_no_database_would_index_is_not_kept(home, keeping, eventually):
    long = "x" * 4_000
    [name] = keeping.post(rows({"amount": 1, "payment_id": long})).json()["meta"]["tags"]["ids"]
    eventually(lambda: written(keeping))
    assert home.ledger.prediction(name).key is None

"""The server as a process: real requests over real connections."""

import json
import signal
import socket
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

import serving.__main__
from journey.records.entries import Retirement

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PREDICTIONS = "/api/v1.0/predictions"


def rows(*given: dict) -> dict:
    return {"jsonData": {"rows": list(given)}}


def metric(text: str, name: str, **labels: str) -> dict[tuple, float]:
    """The samples of a metric whose labels hold these, by their other labels' values."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                found[tuple(value for key, value in sample.labels.items() if key not in labels)] = sample.value
    return found


def test_raw_rows_are_answered_by_the_champion_which_names_itself(standing, tiny):
    answer = standing.post(rows({"amount": " 1.5 ", "channel": " Online ", "limit": 1}, {"amount": -1, "channel": "phone"})).json()
    assert answer["meta"]["tags"] == {"version": 1, "model": "tiny"}
    assert answer["data"]["names"] == ["false", "true"]
    assert [row[1] for row in answer["data"]["ndarray"]] == pytest.approx([tiny(1.5, "online", 1), tiny(-1, "phone", 1)])
    assert all(sum(row) == pytest.approx(1) for row in answer["data"]["ndarray"])


@pytest.mark.parametrize("path", ["/predict", "/api/v0.1/predictions"])
def test_seldons_other_paths_answer_the_same(standing, path):
    asked = rows({"amount": 1})
    assert standing.post(asked, path).json() == standing.post(asked).json()


def test_names_with_cells_are_the_same_rows(standing):
    expected = standing.post(rows({"amount": 1, "channel": "phone"}, {"amount": 2, "channel": None})).json()
    assert standing.post({"data": {"names": ["channel", "amount"], "ndarray": [["phone", 1], [None, 2]]}}).json() == expected
    tensor = {"names": ["amount", "limit"], "tensor": {"shape": [2, 2], "values": [1, 1, 2, 1]}}
    assert standing.post({"data": tensor}).json() == standing.post(rows({"amount": 1}, {"amount": 2})).json()


def test_a_missing_column_is_a_missing_value_and_a_declared_one_that_is_not_needed_is_accepted(standing, tiny):
    answer = standing.post(rows({"payment_id": "p1"})).json()
    assert answer["data"]["ndarray"][0][1] == pytest.approx(tiny(None, None, 1))


def test_a_request_may_name_any_version_that_is_held(standing, tiny):
    answer = standing.post(rows({"amount": 1}) | {"meta": {"tags": {"version": 2}}}).json()
    assert answer["meta"]["tags"]["version"] == 2
    assert answer["data"]["ndarray"][0][1] == pytest.approx(tiny(1, None, 2))


def test_lookups_are_shown_where_they_are_asked_for(standing):
    answer = standing.post(rows({"amount": 1}, {}) | {"meta": {"tags": {"explain": True}}}).json()
    assert answer["meta"]["tags"]["lookups"] == [{}, {}]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (rows({"amount": 500}), ["column 'amount'", "-100", "found 500"]),
        (rows({"amount": "much"}), ["column 'amount'", "expected", "much"]),
        (rows({"amount": [1]}), ["column 'amount'", "expected"]),
        (rows({"amount": 1}, {"amount": {"a": 1}}), ["column 'amount'", "row 1"]),
        (rows({"amont": 1}), ["column 'amont'", "did you mean 'amount'"]),
        (rows({"amount": 1}) | {"meta": {"tags": {"version": 7}}}, ["meta.tags.version", "1, 2", "found 7"]),
        (rows({"amount": 1}) | {"meta": {"tags": {"version": "2"}}}, ["meta.tags.version", "whole number"]),
        (rows({"amount": 1}) | {"meta": {"tags": {"explain": 1}}}, ["meta.tags.explain"]),
        (rows({"amount": 1}) | {"meta": 3}, ["meta.tags"]),
        (rows(), ["at least one row"]),
        ({"jsonData": {"rows": {}}}, ["jsonData.rows"]),
        ({"jsonData": {"rows": [3]}}, ["jsonData.rows[0]", "object"]),
        ({"strData": "x"}, ["body", "'strData'"]),
        ({"data": {"ndarray": [[1]]}}, ["data.names"]),
        ({"data": {"names": ["amount"], "ndarray": [1]}}, ["data.ndarray[0]"]),
        ({"data": {"names": ["amount"], "ndarray": [[1, 2]]}}, ["data.ndarray[0]", "1 values", "found 2"]),
        ({"data": {"names": ["amount", "amount"], "ndarray": [[1, 2]]}}, ["data.names", "once"]),
        ({"data": {"names": ["amount"], "tensor": {"shape": [2, 1], "values": [1]}}}, ["data.tensor"]),
        ([1], ["body", "a list"]),
    ],
)
def test_a_wrong_request_is_told_where_it_is_wrong_what_was_expected_and_what_was_found(standing, body, says):
    answer = standing.post(body)
    assert answer.status_code == 400
    status = answer.json()["status"]
    assert (status["code"], status["status"]) == (400, "FAILURE")
    for word in [*says, "expected", "found"]:
        assert word in status["info"]


def test_what_is_no_json_is_refused(standing):
    for content in (b"", b"{", b"\xff\xfe", b'{"jsonData": NaN}'):
        answer = standing.client.post(PREDICTIONS, content=content)
        assert answer.status_code == 400
        assert "body: expected JSON" in answer.json()["status"]["info"]


def test_more_rows_or_bytes_than_one_request_may_hold_are_refused(standing):
    assert standing.post(rows(*[{"amount": 1}] * 51)).status_code == 413
    assert standing.post(rows({"channel": "x" * 20_000})).status_code == 413
    chunked = standing.client.post(PREDICTIONS, content=(b"x" * 1000 for _ in range(30)))
    assert chunked.status_code == 413
    assert "at most 20000 bytes" in chunked.json()["status"]["info"]


def test_a_chunked_body_is_read(standing):
    body = json.dumps(rows({"amount": 1})).encode()
    answer = standing.client.post(PREDICTIONS, content=(bytes([byte]) for byte in body))
    assert answer.json() == standing.post(rows({"amount": 1})).json()


def test_other_paths_and_methods_are_refused(standing):
    assert standing.get("/nowhere").status_code == 404
    assert standing.get(PREDICTIONS).status_code == 405
    assert standing.post({}, "/metrics").status_code == 405
    assert standing.post({"feedback": []}, "/api/v1.0/feedback").status_code == 404


def test_a_function_that_raises_fails_its_own_request_and_no_other(standing):
    assert standing.post(rows({"amount": 13})).status_code == 500
    assert "unlucky" not in standing.post(rows({"amount": 12})).text


KEYS = st.sampled_from(["rows", "names", "ndarray", "amount", "channel"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(body=JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(("jsonData", "data", "meta", "feedback"), JSON)))
def test_no_body_makes_the_server_fail(standing, body):
    for path in (PREDICTIONS, "/api/v1.0/feedback"):
        answer = standing.client.post(path, content=json.dumps(body))
        assert answer.status_code in (200, 400, 404), answer.text
        assert answer.status_code == 200 or answer.json()["status"]["status"] == "FAILURE"


def test_health_and_metadata_say_what_answers(standing):
    assert standing.get("/health/ping").text == "pong"
    assert standing.get("/health/status").json()["meta"]["tags"] == {"model": "tiny", "version": 1, "held": [1, 2]}
    metadata = standing.get("/metadata").json()
    assert (metadata["name"], metadata["versions"], metadata["version"]) == ("tiny", ["1", "2"], 1)
    assert [column["name"] for column in metadata["signature"]["request"]] == ["amount", "channel", "limit"]
    assert metadata["outputs"][0]["schema"]["names"] == ["false", "true"]


def test_every_bin_is_exposed_at_zero_before_the_first_request_and_counted_exactly_after(home, serve):
    home.promote(home.register())
    server = serve()
    before = metric(server.get("/metrics").text, "journey_feature_bin_total", model="tiny", version="1")
    assert set(before.values()) == {0.0}
    assert {feature for feature, _ in before} == {"amount", "squared", "channel", "score"}
    server.post(rows({"amount": 99, "channel": "ONLINE"}, {"amount": None, "channel": "fax"}, {"channel": ""}))
    text = server.get("/metrics").text
    after = metric(text, "journey_feature_bin_total", model="tiny", version="1")
    assert before.keys() == after.keys()
    counted = {key: value for key, value in after.items() if value}
    assert counted[("amount", "nan")] == counted[("squared", "nan")] == 2
    assert counted[("amount", "13")] == 1
    assert (counted[("channel", "00")], counted[("channel", "nan")], counted[("channel", "other")]) == (1, 1, 1)
    for feature in ("amount", "squared", "channel", "score"):
        assert sum(value for (name, _), value in after.items() if name == feature) == 3
    assert before.keys() == metric(text, "journey_feature_reference_probability", model="tiny", version="1").keys()
    assert metric(text, "journey_feature_psi_limit", feature="amount") == {("tiny", "1", "1h"): 0.1, ("tiny", "1", "1d"): 0.05}
    assert metric(text, "journey_feature_reference_rows", feature="score") == {("tiny", "1"): 200}


def test_requests_are_counted_by_outcome_timed_and_breaches_by_column(home, serve):
    home.promote(home.register())
    server = serve("--latency-ms", "33000")      # an edge that no answer of a busy machine is beyond
    server.post(rows({"amount": 1, "limit": 50}))
    server.post(rows({"amount": 500}))
    server.post(rows({"amount": 13}))
    server.post([])
    text = server.get("/metrics").text
    outcomes = metric(text, "journey_predictions_total", model="tiny")
    assert outcomes == {("1", "rest", "answered"): 1, ("1", "rest", "refused"): 1, ("1", "rest", "failed"): 1}
    assert metric(text, "journey_predictions_total", model="") == {("", "rest", "refused"): 1}
    assert metric(text, "journey_prediction_seconds_count") == {("tiny", "1"): 1}
    assert metric(text, "journey_prediction_seconds_bucket", le="33.0") == {("tiny", "1"): 1}
    assert metric(text, "journey_rule_breaches_total") == {("tiny", "1", "limit", "range"): 1}
    assert metric(text, "journey_requests_in_flight") == {(): 0}
    info = metric(text, "journey_model_info")
    assert [key[-1] for key in info] == ["champion"]
    assert metric(text, "process_resident_memory_bytes")[()] > 1e6


def test_the_server_waits_for_a_first_promotion_and_then_answers_without_a_restart(home, serve, eventually):
    server = serve()
    assert server.get("/health/status").status_code == 503
    assert server.get("/metadata").status_code == 503
    refused = server.post(rows({"amount": 1}))
    assert refused.status_code == 503
    assert "journey promote" in refused.json()["status"]["info"]
    home.promote(home.register())
    eventually(lambda: server.get("/health/status").status_code == 200)
    assert server.post(rows({"amount": 1})).json()["meta"]["tags"]["version"] == 1


def test_asked_to_the_server_answers_with_the_newest_where_none_is_promoted(home, serve):
    home.register()
    home.register()
    server = serve("--newest")
    assert server.ready["versions"] == [1, 2]
    assert server.post(rows({"amount": 1})).json()["meta"]["tags"]["version"] == 2


def test_a_promotion_takes_over_without_a_lost_or_wrong_answer(home, serve, tiny, eventually):
    home.promote(home.register())
    server = serve()
    answers: list[tuple[int, dict, float]] = []
    done = threading.Event()

    def answered() -> set[int]:
        """The versions that have answered so far."""
        return {answer["meta"]["tags"]["version"] for status, answer, _ in list(answers) if status == 200}

    def ask(number: int) -> None:
        with server.new_client() as client:
            while not done.is_set():
                amount = number + len(answers) % 7 / 10
                answer = client.post(PREDICTIONS, json=rows({"amount": amount, "channel": "phone"}))
                answers.append((answer.status_code, answer.json(), amount))

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in asking:
        thread.start()
    try:
        for _ in range(2):
            eventually(lambda: home.versions[-1] in answered())
            version = home.register()
            home.promote(version)
            eventually(lambda: server.get("/health/status").json()["meta"]["tags"]["version"] == version)  # noqa: B023
        eventually(lambda: home.versions[-1] in answered())
    finally:
        done.set()
        for thread in asking:
            thread.join(120)
    assert {status for status, _, _ in answers} == {200}
    named = [answer["meta"]["tags"]["version"] for _, answer, _ in answers]
    assert set(named) == {1, 2, 3}
    for version, (_, answer, amount) in zip(named, answers, strict=True):
        assert answer["data"]["ndarray"][0][1] == pytest.approx(tiny(amount, "phone", version), abs=1e-9)


def test_the_replaced_version_stays_held_though_retired_until_another_takes_its_place(home, serve, eventually):
    for _ in range(2):
        home.promote(home.register())
    home.ledger.retire(Retirement("tiny", 1, "test", "replaced", NOW))
    server = serve()
    assert server.ready["versions"] == [1, 2]
    assert server.post(rows({"amount": 1}) | {"meta": {"tags": {"version": 1}}}).status_code == 200
    home.promote(home.register())
    home.ledger.retire(Retirement("tiny", 2, "test", "replaced", NOW))
    eventually(lambda: server.get("/health/status").json()["meta"]["tags"] == {"model": "tiny", "version": 3, "held": [2, 3]})


def test_a_promoted_version_that_was_tampered_with_is_refused_and_the_old_one_goes_on(home, serve, eventually):
    home.promote(home.register())
    server = serve("--hold", "0")      # opens the next version once it is promoted, not before it was tampered with
    version = home.register()
    (home.path / "artifacts" / f"bundle-{version}" / "card.md").write_text("changed")
    home.promote(version)
    eventually(lambda: "version 2 is not held" in server.text())
    assert server.post(rows({"amount": 1})).json()["meta"]["tags"]["version"] == 1
    assert metric(server.get("/metrics").text, "journey_model_failures_total") == {(): 1}
    assert "Traceback" not in server.text()


def test_a_server_does_not_start_with_a_champion_that_was_tampered_with(home, serve):
    home.promote(home.register())
    (home.path / "artifacts" / "bundle-1" / "model.onnx").write_bytes(b"changed")
    server = serve()
    assert server.process.wait(60) == 1
    assert "it was changed after it was signed" in server.text()
    assert "Traceback" not in server.text()


def test_a_taken_port_is_said_to_be_taken(home, serve):
    home.promote(home.register())
    first = serve()
    second = serve("--port", str(first.ready["port"]))
    assert second.process.wait(60) == 1
    assert "expected a free port" in second.text()
    assert first.post(rows({"amount": 1})).status_code == 200


def test_a_process_whose_server_ended_ends_too_so_that_it_is_started_again(home, monkeypatch, capsys):
    async def serve(self):
        raise OSError("no room")

    monkeypatch.setattr("serving.listening.Server.serve", serve)
    home.promote(home.register())
    assert serving.__main__.main(["--home", str(home.path), "--model", "tiny"]) == 1
    said = capsys.readouterr()
    assert "expected the server to go on, found that it ended: no room" in said.err
    assert not said.out


def test_who_leaves_in_the_middle_of_a_body_is_no_failure(home, serve, eventually):
    home.promote(home.register())
    server = serve()
    with socket.create_connection(("127.0.0.1", server.ready["port"])) as leaving:
        leaving.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        eventually(lambda: "journey_requests_in_flight 1" in server.get("/metrics").text)
    eventually(lambda: "journey_requests_in_flight 0" in server.get("/metrics").text)
    assert "Traceback" not in server.text()


def test_requests_in_flight_are_answered_before_the_server_ends(home, serve, eventually):
    home.promote(home.register())
    server = serve()
    body = json.dumps(rows({"amount": 1})).encode()
    with socket.create_connection(("127.0.0.1", server.ready["port"]), timeout=60) as connection:
        connection.sendall(b"POST /api/v1.0/predictions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body[:10])
        eventually(lambda: metric(server.get("/metrics").text, "journey_requests_in_flight") == {(): 1})
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.process.poll() is None
        connection.sendall(body[10:])
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    assert server.process.wait(60) == 0
    with pytest.raises(httpx.ConnectError):
        server.get("/health/ping")


def test_latency_buckets_never_fall(standing):
    standing.post(rows({"amount": 1}))
    buckets = metric(standing.get("/metrics").text, "journey_prediction_seconds_bucket", model="tiny", version="1")
    assert all(first <= second for first, second in pairwise(buckets.values()))
    assert list(buckets)[-1] == ("+Inf",)

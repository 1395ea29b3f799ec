"""One version from a folder: verified, named, and left without a lost request."""

import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

import serving.__main__
from journey.model.bundle import bundle_digest
from serving.listening import QUIET_SECONDS
from tests.serving.tiny import write_tiny_bundle

ROOT = Path(__file__).resolve().parents[2]
PREDICTIONS = "/api/v1.0/predictions"
ASKED = {"jsonData": {"rows": [{"amount": 1.5, "channel": "online"}]}}


@pytest.fixture
def fixed(home, serve):
    """Starts a server of a bundle of weight 3 as version 7: fixed("--feedback")."""
    write_tiny_bundle(home.path / "bundle", home.path / "keys", 3.0)

    def start(*options: str, quiet_seconds: float | None = None):
        served = ("--bundle", str(home.path / "bundle"), "--version", "7", "--keys", str(home.path / "keys"))
        return serve(*served, *options, quiet_seconds=quiet_seconds)

    return start


def test_one_version_answers_under_its_number_with_no_ledger(home, fixed, tiny):
    server = fixed("--model", "tiny")
    assert server.ready["versions"] == [7]
    answer = server.post(ASKED).json()
    assert answer["meta"]["tags"] == {"version": 7, "model": "tiny"}
    assert answer["data"]["ndarray"][0][1] == pytest.approx(tiny(1.5, "online", 3))
    digest = bundle_digest(home.path / "bundle")
    metrics = server.get("/metrics").text
    assert f'journey_model_info{{model="tiny",version="7",bundle="{digest}",role="champion"}} 1' in metrics
    assert 'journey_predictions_total{model="tiny",version="7",protocol="rest",outcome="answered"} 1' in metrics
    assert server.get("/health/status").json()["meta"]["tags"] == {"model": "tiny", "version": 7, "held": [7]}


def test_a_server_of_one_version_loads_no_database_library():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, serving.__main__; print([name for name in ('sqlalchemy', 'redis') if name in sys.modules])"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )
    assert loaded.stdout.strip() == "[]"


def test_a_url_is_resolved_in_the_process_and_never_shown(home, serve, write_store):
    write_tiny_bundle(home.path / "looking", home.path / "keys", 1.0, "default")
    write_store(home.path / "online.db", {"c1": 2.0}, datetime(2026, 3, 1, tzinfo=UTC) - timedelta(minutes=5))
    options = ("--bundle", str(home.path / "looking"), "--version", "1", "--online", "${STORE}")
    clock = "2026-03-01T00:00:00+00:00@1767225600x0.000001"
    server = serve(*options, STORE=str(home.path / "online.db"), JOURNEY_KEYS=str(home.path / "keys"), JOURNEY_CLOCK=clock)
    asked = {"jsonData": {"rows": [{"amount": 1, "card": "c1"}]}, "meta": {"tags": {"explain": True}}}
    assert server.post(asked).json()["meta"]["tags"]["lookups"] == [{"seen": 2.0}]
    unset = serve(*options, JOURNEY_KEYS=str(home.path / "keys"))
    assert (unset.ready, unset.stop()) == ({}, 1)
    assert "expected the environment variable STORE to be set" in unset.text()


def test_answers_and_labels_go_to_a_ledger_that_comes_later(home, fixed, eventually):
    """Who waits for answers need not wait for the database that keeps them."""
    place = home.path / "later.db"
    place.mkdir()      # no database can be there
    server = fixed("--feedback", "--ledger", f"sqlite:///{place}")
    ids = server.post(ASKED).json()["meta"]["tags"]["ids"]
    eventually(lambda: "the ledger can't be opened, trying again" in server.text())
    place.rmdir()
    eventually(lambda: "journey_records_waiting 0" in server.get("/metrics").text)
    label = {"feedback": [{"prediction": ids[0], "label": True, "source": "bank"}]}
    assert server.post(label, "/api/v1.0/feedback").status_code == 200
    eventually(lambda: 'label="true"} 1' in server.get("/metrics").text)


def tampered(home) -> list[str]:
    (home.path / "bundle" / "card.md").write_text("# another")
    return []


def untrusted(home) -> list[str]:
    return ["--keys", str(home.path / "nobody")]


def another(home) -> list[str]:
    return ["--model", "other"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (tampered, "it was changed after it was signed"),
        (untrusted, "expected a signature by a trusted key (none)"),
        (another, "expected one of model 'other', found model 'tiny'. Give another --bundle"),
        (lambda home: ["--bundle", str(home.path / "gone")], "expected a folder with manifest.json, found none"),
        (lambda home: ["--home", str(home.path)], "expected either --home"),
        (lambda home: ["--feedback"], "expected --ledger, where --feedback keeps answers and labels, found none"),
    ],
)
def test_a_version_that_cannot_be_served_as_asked_is_refused_with_what_to_do(home, capsys, wrong, says):
    write_tiny_bundle(home.path / "bundle", home.path / "keys")
    given = ["--bundle", str(home.path / "bundle"), "--version", "7", "--keys", str(home.path / "keys"), *wrong(home)]
    assert serving.__main__.main(given) == 1
    assert says in capsys.readouterr().err


def test_a_model_that_looks_features_up_is_not_served_without_a_place_for_them(home, capsys):
    write_tiny_bundle(home.path / "bundle", home.path / "keys", missing="default")
    assert serving.__main__.main(["--bundle", str(home.path / "bundle"), "--version", "1", "--keys", str(home.path / "keys")]) == 1
    assert "expected --online, because the model looks up features of history, found none" in capsys.readouterr().err


def test_who_keeps_connections_open_is_sent_elsewhere_before_they_are_cut(fixed, eventually):
    """As after a rollout: SIGTERM comes while eight clients ask on without a pause, each over one connection."""
    server, asked, lost, told = fixed(), set(), [], []

    def ask(client: httpx.Client) -> None:
        before = begun = time.monotonic()
        try:
            while True:
                before, begun = begun, time.monotonic()
                answer = client.post(PREDICTIONS, json=ASKED)
                assert answer.status_code == 200
                asked.add(client)
                if answer.headers.get("connection") == "close":
                    told.append(answer)
                    return
                time.sleep(0.01)
        except (httpx.TransportError, AssertionError) as error:
            # who was kept from asking for as long as the server waits finds its connection closed, by then or under its request,
            # and nobody to open another one to; one that was left without an answer (a time-out) is lost however long that took
            cut = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
            paused = cut and time.monotonic() - before >= QUIET_SECONDS
            (told if paused else lost).append(error)

    clients = [server.new_client() for _ in range(8)]
    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    eventually(lambda: len(asked) == 8)
    server.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(60)
    for client in clients:
        client.close()
    assert (lost, len(told)) == ([], 8)
    assert server.process.wait(60) == 0


def test_a_server_that_leaves_says_so_to_who_asks_whether_it_can_answer(fixed, eventually):
    server = fixed(quiet_seconds=600.0)
    with server.new_client() as client:
        assert client.get("/health/status").status_code == 200
        server.process.send_signal(signal.SIGTERM)

        def says_so() -> bool:
            with server.new_client() as other:      # while it leaves, it goes on answering
                assert other.post(PREDICTIONS, json=ASKED).status_code == 200
            return client.get("/health/status").status_code == 503

        try:
            eventually(says_so)
        finally:
            server.process.kill()      # else it would leave for all of that time

"""The ledger on a real SQLite file and on a real Postgres."""

import multiprocessing
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect

from journey.errors import Conflict, DataError, Unavailable, Untrusted
from journey.records import database, versions
from journey.records.entries import (
    PredictionRecord,
    PromotionRequest,
    Registration,
    Retirement,
    Retraining,
    RunRecord,
    SnapshotRecord,
)
from journey.records.ledger import Ledger
from journey.records.schema import METADATA
from tests.postgres import PASSWORD, Postgres, running_postgres

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'home'}/ledger.db"
    return request.getfixturevalue("postgres").database()


@pytest.fixture
def ledger(url: str) -> Ledger:
    ledger = Ledger.connect(url)
    yield ledger
    ledger.close()


def execute(ledger: Ledger, statement: str) -> None:
    """What somebody does to the database behind our back."""
    with ledger.database.writing() as connection:
        connection.exec_driver_sql(statement)


def registration(bundle: str, model: str = "income") -> Registration:
    return Registration(model, bundle, f"/bundles/{bundle}", "run-1", ("2026-01-01T00:00:00", None), NOON, "register")


def promotion(version: int, replaces: int, **changes: object) -> PromotionRequest:
    values = {"model": "income", "version": version, "replaces_seq": replaces, "actor": "ada", "reason": "better", "at": NOON, **changes}
    return PromotionRequest(**values)


def test_migrations_make_the_tables_that_the_code_speaks_of(ledger: Ledger) -> None:
    with ledger.database.reading() as connection:
        inspector = inspect(connection)
        made = {name: {column["name"] for column in inspector.get_columns(name)} for name in inspector.get_table_names()}
    assert made == {table.name: set(table.columns.keys()) for table in METADATA.tables.values()}


def test_opening_again_keeps_everything(url: str) -> None:
    first = Ledger.connect(url)
    first.register_version(registration("aa"))
    first.close()
    again = Ledger.connect(url)
    assert [version.bundle for version in again.versions("income")] == ["aa"]
    again.close()


def test_a_ledger_of_a_newer_journey_is_refused_by_name(url: str, ledger: Ledger) -> None:
    execute(ledger, "INSERT INTO schema_migrations VALUES (99, 'tomorrow')")
    with pytest.raises(DataError, match="found schema 99: made by a newer Journey"):
        Ledger.connect(url)


def test_a_ledger_from_before_images_were_recorded_learns_to(url: str, ledger: Ledger) -> None:
    ledger.register_version(registration("aa"))
    execute(ledger, "DROP TABLE images")
    execute(ledger, "DELETE FROM schema_migrations WHERE number = 2")
    ledger.close()
    again = Ledger.connect(url)
    again.record_image("income", 1, "localhost:5000/income@sha256:1", NOON)
    assert again.image("income", 1) == "localhost:5000/income@sha256:1"
    assert [version.bundle for version in again.versions("income")] == ["aa"]
    again.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is no database, however long one looks at it " * 100)
    with pytest.raises(Unavailable, match="expected it to answer"):
        Ledger.connect(f"sqlite:///{tmp_path}/ledger.db")
    with pytest.raises(Unavailable, match="expected a URL"):
        Ledger.connect("nothing://here")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://journey:{PASSWORD}@127.0.0.1:1/journey",
        f"postgresql://127.0.0.1:1/journey?user=journey&password={PASSWORD}",
        f"postgresql://journey:{PASSWORD}/with-a-slash@127.0.0.1/journey",
        f"mysql://journey:{PASSWORD}@127.0.0.1/journey",
        f"postgresql+asyncpg://journey:{PASSWORD}@127.0.0.1/journey",
    ],
)
def test_no_error_shows_a_password(url: str) -> None:
    with pytest.raises(Unavailable) as raised:
        Ledger.connect(url)
    assert PASSWORD not in str(raised.value)
    assert str(raised.value).startswith("ledger")


def test_a_wrong_password_is_told_of_and_not_shown(postgres: Postgres) -> None:
    with pytest.raises(Unavailable, match="password authentication failed") as raised:
        Ledger.connect(postgres.url("postgres").replace(PASSWORD, "another-secret"))
    assert "another-secret" not in str(raised.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_no_user_need_know_the_driver(postgres: Postgres, scheme: str) -> None:
    ledger = Ledger.connect(postgres.database().replace("postgresql", scheme))
    assert ledger.versions("income") == ()
    ledger.close()


def test_a_database_without_an_encoding_keeps_text(postgres: Postgres) -> None:
    postgres.execute("postgres", "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
    ledger = Ledger.connect(postgres.url("ascii"))
    ledger.register_version(registration("ä-✓"))
    assert ledger.version("income", 1).bundle == "ä-✓"
    assert ledger.verify_audit() == 1
    ledger.close()


def test_a_ledger_whose_database_is_restarted_is_unavailable_and_then_back() -> None:
    with running_postgres() as server:
        ledger = Ledger.connect(server.database())
        ledger.register_version(registration("aa"))
        server.stop()
        for _ in range(2):
            with pytest.raises(Unavailable, match="expected it to answer, found"):
                ledger.versions("income")
        server.start()
        assert [version.bundle for version in ledger.versions("income")] == ["aa"]
        assert ledger.register_version(registration("bb")) == 2
        ledger.close()


def test_a_writer_that_is_kept_out_for_long_is_told(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres.database()
    one = Ledger.connect(url)                 # its own patience stays long: the database must not cut it off while the other waits
    monkeypatch.setattr(database, "BUSY_SECONDS", 1)
    other = Ledger.connect(url)
    with one.database.writing(), pytest.raises(Unavailable, match="lock timeout"):
        other.register_version(registration("aa"))
    assert other.register_version(registration("aa")) == 1
    one.close()
    other.close()


def test_a_writer_sees_what_the_one_before_it_wrote_whatever_the_database_does_by_default(postgres: Postgres) -> None:
    url = postgres.database()
    name = url.rpartition("/")[2]
    postgres.execute("postgres", f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    one, other = Ledger.connect(url), Ledger.connect(url)
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(other.register_version(registration("bb"))))
    with one.database.writing() as connection:
        versions.register(connection, registration("aa"))
        waiting.start()
        _wait_for_a_writer(one)
    waiting.join(120)
    assert found == [2]
    assert one.verify_audit() == 2
    one.close()
    other.close()


def _wait_for_a_writer(ledger: Ledger) -> None:
    """Until somebody waits at the lock of Postgres' writers."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with ledger.database.reading() as connection:
            if connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").scalar():
                return
        time.sleep(0.01)
    raise AssertionError("expected a writer to wait, found none")


def _open(url: str, start: object, results: object) -> None:
    start.wait()
    ledger = Ledger.connect(url)
    results.put(len(ledger.runs()))
    ledger.close()


def test_processes_that_open_an_empty_ledger_at_once_make_its_tables_once(url: str) -> None:
    assert _at_once(_open, [(url,)] * 2) == [0, 0]


def test_a_known_bundle_gets_its_version_again_and_another_the_next(ledger: Ledger) -> None:
    assert [ledger.register_version(registration(bundle)) for bundle in ("aa", "bb", "aa")] == [1, 2, 1]
    assert ledger.register_version(registration("aa", model="fraud")) == 1
    assert ledger.version("income", 2).trained_on == ("2026-01-01T00:00:00", None)


def test_a_known_bundle_is_found_where_it_lies_now(ledger: Ledger) -> None:
    ledger.register_version(registration("aa"))
    assert ledger.register_version(replace(registration("aa"), uri="/moved/aa", run="run-2")) == 1
    version = ledger.version("income", 1)
    assert (version.uri, version.run) == ("/moved/aa", "run-1")
    assert ledger.verify_audit() == 1


def test_an_unknown_version_is_refused_with_those_that_are_known(ledger: Ledger) -> None:
    ledger.register_version(registration("aa"))
    with pytest.raises(DataError, match=r"expected one of its versions \(1\), found 7"):
        ledger.version("income", 7)


def test_a_promotion_names_what_it_replaces(ledger: Ledger) -> None:
    ledger.register_version(registration("aa"))
    ledger.register_version(registration("bb"))
    first = ledger.promote(promotion(1, 0))
    second = ledger.promote(promotion(2, first.seq))
    assert ledger.current("income") == second
    assert ledger.current("income", "challenger") is None
    assert ledger.current("fraud") is None
    assert [item.version for item in ledger.promotions("income")] == [1, 2]


def test_a_promotion_that_was_overtaken_is_refused_and_leaves_no_trace(ledger: Ledger) -> None:
    ledger.register_version(registration("aa"))
    ledger.register_version(registration("bb"))
    ledger.promote(promotion(1, 0))
    lines = ledger.audit_trail()
    with pytest.raises(Conflict, match=r"expected promotion none to be the newest of role champion, found promotion 1 \(version 1, by ada"):
        ledger.promote(promotion(2, 0))
    assert ledger.audit_trail() == lines
    assert ledger.current("income").version == 1


def _race(url: str, version: int, start: object, results: object) -> None:
    ledger = Ledger.connect(url)
    start.wait()
    try:
        results.put(ledger.promote(promotion(version, 0)).version)
    except Conflict:
        results.put(None)
    ledger.close()


def _at_once(target: object, arguments: list[tuple[object, ...]]) -> list[object]:
    """What the processes answer that are let go in one moment."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(len(arguments), timeout=120), context.Queue()
    processes = [context.Process(target=target, args=(*each, start, results), daemon=True) for each in arguments]
    for process in processes:
        process.start()
    answers = [results.get(timeout=180) for _ in processes]
    for process in processes:
        process.join()
    return answers


def test_of_promoters_that_race_exactly_one_wins(url: str, ledger: Ledger) -> None:
    for bundle in ("aa", "bb"):
        ledger.register_version(registration(bundle))
    winners = [outcome for outcome in _at_once(_race, [(url, version) for version in (1, 2)]) if outcome is not None]
    assert len(winners) == 1
    assert ledger.current("income").version == winners[0]
    assert ledger.verify_audit() == 3


def test_a_retired_version_comes_back_only_by_a_rollback(ledger: Ledger) -> None:
    ledger.register_version(registration("aa"))
    ledger.register_version(registration("bb"))
    ledger.promote(promotion(2, ledger.promote(promotion(1, 0)).seq))
    retired = ledger.retire(Retirement("income", 1, "ada", "replaced", NOON))
    assert retired.retired == NOON
    assert ledger.retire(Retirement("income", 1, "eve", "again", NOON + timedelta(days=1))) == retired
    with pytest.raises(DataError, match="found version 1, which is retired"):
        ledger.promote(promotion(1, 2))
    ledger.promote(promotion(1, 2, reinstate=True))
    assert ledger.version("income", 1).retired is None
    assert [entry.action for entry in ledger.audit_trail("income")] == [
        "register",
        "register",
        "promote champion",
        "promote champion",
        "retire",
        "reinstate",
        "promote champion",
    ]


def test_the_champion_is_not_retired(ledger: Ledger) -> None:
    ledger.register_version(registration("aa"))
    ledger.promote(promotion(1, 0))
    with pytest.raises(Conflict, match=r"found the champion 1\. Promote another one first"):
        ledger.retire(Retirement("income", 1, "ada", "old", NOON))


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit SET reason = 'asked nicely' WHERE seq = 2",
        "UPDATE audit SET actor = 'nobody' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit",
        "UPDATE promotions SET version = 2",
        "UPDATE versions SET retired = '2026-03-01T12:00:00.000000+00:00' WHERE version = 2",
    ],
)
def test_the_audit_notices(ledger: Ledger, tampering: str) -> None:
    ledger.register_version(registration("aa"))
    ledger.register_version(registration("bb"))
    ledger.promote(promotion(1, 0))
    assert ledger.verify_audit() == 3
    execute(ledger, tampering)
    with pytest.raises(Untrusted, match="audit log: expected"):
        ledger.verify_audit()


def test_a_retraining_is_asked_for_once_and_moves_only_forward(ledger: Ledger) -> None:
    wanted = Retraining("k1", "income", 1, "drift", NOON, onset=NOON - timedelta(hours=2))
    assert [ledger.request_retraining(wanted) for _ in range(3)] == [True, False, False]
    assert ledger.advance_retraining("k1", "running", run="run-2")
    assert not ledger.advance_retraining("k1", "waiting")
    assert ledger.advance_retraining("k1", "running", reason="taken up again")
    assert ledger.advance_retraining("k1", "promoted", reason="beats the champion")
    assert not ledger.advance_retraining("k1", "failed")
    (found,) = ledger.retrainings("income")
    assert (found.state, found.run, found.reason, found.onset) == ("promoted", "run-2", "beats the champion", NOON - timedelta(hours=2))
    with pytest.raises(DataError, match="retraining 'k9'"):
        ledger.advance_retraining("k9", "running")


def test_a_run_is_noted_from_start_to_end(ledger: Ledger) -> None:
    ledger.start_run(RunRecord("r1", "income", "training", "local", NOON))
    ledger.start_run(RunRecord("r2", "income", "training", "local", NOON + timedelta(hours=1)))
    ledger.end_run("r1", "done", NOON + timedelta(minutes=3), bundle="aa")
    newest, oldest = ledger.runs("income")
    assert (newest.id, newest.state, newest.ended) == ("r2", "running", None)
    assert (oldest.state, oldest.ended, oldest.bundle) == ("done", NOON + timedelta(minutes=3), "aa")
    assert ledger.runs("fraud") == ()


def test_the_newest_snapshot_of_a_table_is_found_and_not_written_twice(ledger: Ledger) -> None:
    for digest in ("d1", "d1", "d2"):
        ledger.record_snapshot(SnapshotRecord("income", "people", digest, None, NOON))
    assert ledger.newest_snapshot("income", "people").digest == "d2"
    assert ledger.newest_snapshot("income", "cards") is None
    with ledger.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM snapshots").scalar() == 2


def test_feedback_keeps_the_first_label_and_meets_its_prediction(ledger: Ledger) -> None:
    records = [PredictionRecord(f"p{n}", "income", 1 + n % 2, NOON + timedelta(minutes=n), f"key-{n}", n / 10) for n in range(10)]
    assert ledger.record_predictions(records) == 10
    assert ledger.record_predictions(records[:3]) == 0
    assert ledger.record_feedback("p3", True, NOON, "bank") == "stored"
    assert ledger.record_feedback("p3", True, NOON, "bank") == "known"
    assert ledger.record_feedback("p3", False, NOON, "bank") == "refused"
    assert ledger.record_feedback("p4", False, NOON, "bank") == "stored"
    assert [(item.prediction.id, item.label) for item in ledger.labelled("income", NOON)] == [("p3", True), ("p4", False)]
    assert [item.prediction.id for item in ledger.labelled("income", NOON, version=1)] == ["p4"]
    assert ledger.prediction_of("income", "key-3") == records[3]
    assert ledger.prediction("p9") == records[9]
    assert ledger.forget_predictions(NOON + timedelta(minutes=4)) == 4
    assert [item.prediction.id for item in ledger.labelled("income", NOON)] == ["p4"]


def test_a_key_that_postgres_has_no_character_for_keeps_no_answer_out(ledger: Ledger) -> None:
    records = [PredictionRecord(f"p{n}", "income", 1, NOON, key, 0.5) for n, key in enumerate(("a", "b\0", None))]
    assert ledger.record_predictions(records) == 3
    assert ledger.prediction_of("income", "b\0").id == "p1"


def test_the_image_that_serves_a_version_is_the_newest(ledger: Ledger) -> None:
    ledger.register_version(registration("aa"))
    assert ledger.image("income", 1) is None
    for digest in ("1", "2", "2"):
        ledger.record_image("income", 1, f"localhost:5000/income@sha256:{digest}", NOON)
    assert ledger.image("income", 1) == "localhost:5000/income@sha256:2"
    with pytest.raises(DataError, match=r"expected one of its versions \(1\), found 2"):
        ledger.record_image("income", 2, "localhost:5000/income@sha256:1", NOON)


def test_a_reader_sees_one_state_while_others_write(url: str, ledger: Ledger) -> None:
    other = Ledger.connect(url)
    with ledger.database.reading() as connection:
        assert versions.every(connection, "income") == ()
        other.register_version(registration("aa"))
        assert versions.every(connection, "income") == ()
    assert len(ledger.versions("income")) == 1
    other.close()


def test_a_reader_is_not_kept_waiting_by_a_writer(ledger: Ledger) -> None:
    ledger.register_version(registration("aa"))
    with ledger.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM audit")
        assert len(ledger.versions("income")) == 1

"""A registered bundle through mlflow.pyfunc, raw rows in."""

import sqlite3
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import mmh3
import numpy as np
import pandas as pd
import pytest

from journey.artifacts import Board
from journey.errors import DataError, Unavailable, Untrusted
from journey.model.bundle import open_bundle
from journey.model.feast_layout import entity_key, key_prefix
from journey.model.keys import Trusted
from journey.model.redis_place import POINTER, InUse
from journey.model.scoring import Scorer
from journey.records.registry import Registry, RegistryEntry
from tests.redis_server import RedisServer

pytestmark = pytest.mark.filterwarnings(          # of MLflow, while it is imported
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::PendingDeprecationWarning",
    "ignore:.*Any type hint is inferred as AnyType:UserWarning",
)

ROWS = pd.DataFrame(
    {
        "payment_id": ["p1", "p2", "p3"],
        "amount": [2500, np.nan, 100],
        "channel": [" E-Com", None, "phone"],
        "paid_at": pd.to_datetime(["2026-03-01 03:00", "2026-03-01 12:00", None]),
        "card_id": ["c1", "c2", "c1"],
    },
    index=[10, 20, 30],
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def kept(workshop, home: Path) -> Path:
    """The bundle, kept in an MLflow registry of an installation."""
    registry = Registry.at(home)
    directory = workshop.write("packaged")
    (home / "keys").mkdir(exist_ok=True)
    for path in workshop.keys.glob("*.pub"):
        (home / "keys" / path.name).write_bytes(path.read_bytes())
    return registry.keep("payments", directory)


def online_store(path: Path, card: str, payments: int) -> Path:
    """Feast's SQLite layout for one card of view card_history."""
    word = struct.Struct("<I").pack
    key = word(1) + word(2) + word(7) + b"card_id" + word(2) + word(len(card)) + card.encode()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE journey_card_history (entity_key BLOB, feature_name TEXT, value BLOB, event_ts timestamp)")
        now = int(datetime.now().timestamp())
        row = (key, "payments_30d", bytes([0x20, payments]), now)
        connection.execute("INSERT INTO journey_card_history VALUES (?, ?, ?, ?)", row)
    connection.close()
    return path


def test_mlflow_predicts_what_the_scorer_predicts(kept: Path, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import mlflow

    monkeypatch.setenv("JOURNEY_HOME", str(home))
    monkeypatch.setenv("JOURNEY_ONLINE_STORE", str(online_store(tmp_path / "online.db", "c1", 4)))
    predictions = mlflow.pyfunc.load_model(str(kept)).predict(ROWS)
    scorer = Scorer(open_bundle(kept / "bundle", Trusted.of(home / "keys")))
    raw = [
        {"amount": 2500, "channel": " E-Com", "paid_at": "2026-03-01T03:00:00", "card_id": "c1"},
        {"amount": None, "channel": None, "paid_at": "2026-03-01T12:00:00", "card_id": "c2"},
        {"amount": 100, "channel": "phone", "paid_at": None, "card_id": "c1"},
    ]
    expected = scorer.predict(scorer.inputs(raw, [{"payments_30d": 4}, {}, {"payments_30d": 4}]))
    assert predictions.columns.tolist() == ["False", "True"]
    assert predictions.index.tolist() == [10, 20, 30]
    np.testing.assert_array_equal(predictions.to_numpy(), expected)


def test_the_online_store_may_be_a_redis_whose_password_stays_in_the_environment(
    kept: Path, home: Path, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer
) -> None:
    import mlflow

    monkeypatch.setenv("JOURNEY_HOME", str(home))
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    monkeypatch.setenv("JOURNEY_ONLINE_STORE", "${REDIS_URL}")
    now, key = datetime.now(UTC), entity_key(key_prefix("card_id"), "c1")
    assert key is not None
    with redis_server.client as client:
        field = struct.pack("<I", mmh3.hash("card_history:payments_30d", signed=False))
        client.hset(key + b"journey_x", mapping={field: bytes([0x20, 4]), "_ts:card_history": encoded_time(now)})
        client.set(POINTER, InUse("journey_x", now, now).text())
    predictions = mlflow.pyfunc.load_model(str(kept)).predict(ROWS)
    scorer = Scorer(open_bundle(kept / "bundle", Trusted.of(home / "keys")))
    raw = {"amount": 2500, "channel": " E-Com", "paid_at": "2026-03-01T03:00:00", "card_id": "c1"}
    np.testing.assert_array_equal(predictions.to_numpy()[:1], scorer.predict(scorer.inputs([raw], [{"payments_30d": 4}])))


def encoded_time(moment: datetime) -> bytes:
    from google.protobuf.timestamp_pb2 import Timestamp

    return bytes(Timestamp(seconds=int(moment.timestamp())).SerializeToString())


def test_without_an_online_store_the_missing_policy_is_followed_with_a_warning(
    kept: Path, monkeypatch: pytest.MonkeyPatch, expected: Callable[..., float]
) -> None:
    import mlflow

    monkeypatch.delenv("JOURNEY_HOME", raising=False)
    monkeypatch.delenv("JOURNEY_ONLINE_STORE", raising=False)
    with pytest.warns(UserWarning, match=r"JOURNEY_ONLINE_STORE isn't set: features of card_history follow .* \(default\)"):
        model = mlflow.pyfunc.load_model(str(kept))
    assert model.predict(ROWS)["True"].iloc[0] == pytest.approx(expected(amount=25, night=1, online=1), abs=1e-12)


def test_rows_that_break_their_rules_are_named(kept: Path, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import mlflow

    monkeypatch.setenv("JOURNEY_HOME", str(home))
    monkeypatch.setenv("JOURNEY_ONLINE_STORE", str(online_store(tmp_path / "online.db", "c1", 4)))
    model = mlflow.pyfunc.load_model(str(kept))
    with pytest.raises(DataError, match=r"row 1: column 'amount': .* \(1 of 3 rows are refused\)"):
        model.predict(ROWS.assign(amount=["1", "lots", "2"]))


def test_a_store_that_is_not_there_is_named(kept: Path, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import mlflow

    monkeypatch.setenv("JOURNEY_HOME", str(home))
    monkeypatch.setenv("JOURNEY_ONLINE_STORE", str(tmp_path / "nowhere.db"))
    with pytest.raises(Unavailable, match="expected the path of an online store or a redis:// URL, found no file"):
        mlflow.pyfunc.load_model(str(kept))


def test_a_bundle_of_a_stranger_is_not_loaded(kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import mlflow

    monkeypatch.setenv("JOURNEY_HOME", str(tmp_path / "stranger"))
    with pytest.raises(Untrusted, match="expected a signature by a trusted key"):
        mlflow.pyfunc.load_model(str(kept))


def test_a_registered_version_is_found_by_its_alias(workshop, home: Path, monkeypatch: pytest.MonkeyPatch, kept: Path) -> None:
    import mlflow

    from journey.artifacts import CandidateSpec

    registry = Registry.at(home)
    entry = RegistryEntry("payments", kept / "bundle", Board(metric="roc_auc", rows=()), CandidateSpec(name="x", estimator="x"))
    version = registry.register(entry)
    mlflow.MlflowClient(registry.uri, registry.uri).set_registered_model_alias("payments", "champion", version)
    monkeypatch.setenv("JOURNEY_HOME", str(home))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry.uri)
    with pytest.warns(UserWarning, match="JOURNEY_ONLINE_STORE"):
        model = mlflow.pyfunc.load_model("models:/payments@champion")
    assert len(model.predict(ROWS)) == 3

"""A tiny signed model in a ledger: enough of a bundle for a real server, made in milliseconds."""

import secrets
import sqlite3
import struct
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import mmh3
import numpy as np
import onnx
from google.protobuf.timestamp_pb2 import Timestamp
from onnx import TensorProto, helper
from redis import Redis

from journey.artifacts import Derived, FrameSchema, Input, Lookup, LookupFeature
from journey.model.bundle import BundleContent, BundleSignature, MadeFrom, OutputTensor, RequestColumn, write_bundle
from journey.model.feast_layout import entity_key, key_prefix
from journey.model.keys import SigningKey
from journey.model.redis_place import POINTER, InUse
from journey.records.entries import PromotionRequest, Registration
from journey.records.ledger import Ledger
from journey.values.columns import ColumnRule
from journey.watching.bins import Reference, reference_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INPUTS = (
    Input(name="amount", type="float", origin="spine"),
    Input(name="squared", type="float", origin="request"),
    Input(name="channel", type="category", origin="spine"),
)
REQUEST_FEATURES = b'''"""Request features."""


def squared(amount: float) -> float:
    """Squared; an unlucky amount shows what a function that raises does."""
    if amount == 13:
        raise ValueError("unlucky")
    return amount * amount
'''
WORDS = {"online": 1.0, "phone": -1.0}


def probability(amount: float | None, channel: str | None, weight: float) -> float:
    """What the tiny model of a weight answers: a missing number counts as 0, an unknown word as 0."""
    number = amount or 0.0
    return float(1 / (1 + np.exp(-(weight * number + 0.5 * number * number + WORDS.get(channel or "", 0.0)))))


def tiny_onnx(weight: float) -> bytes:
    """sigmoid(weight * amount + 0.5 * amount² + word of channel), missing numbers as 0."""
    constants = {
        "weights": np.array([[weight], [0.5], [1.0]]),
        "zero": np.zeros(1),
        "one": np.ones(1),
    }
    nodes = [
        helper.make_node("IsNaN", ["numbers"], ["gone"]),
        helper.make_node("Where", ["gone", "zero", "numbers"], ["known"]),
        helper.make_node(
            "LabelEncoder", ["categories"], ["coded"], domain="ai.onnx.ml",
            keys_strings=list(WORDS), values_floats=list(WORDS.values()), default_float=0.0,
        ),
        helper.make_node("Cast", ["coded"], ["words"], to=TensorProto.DOUBLE),
        helper.make_node("Concat", ["known", "words"], ["all"], axis=1),
        helper.make_node("MatMul", ["all", "weights"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["yes"]),
        helper.make_node("Sub", ["one", "yes"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["probability"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, [None, 2]),
            helper.make_tensor_value_info("categories", TensorProto.STRING, [None, 1]),
        ],
        [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, [None, 2])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def tiny_reference() -> Reference:
    random = np.random.default_rng(7)
    arrays = SimpleNamespace(numbers=random.normal(size=(500, 2)), categories=np.array([["online"], ["phone"]] * 250, dtype=object))
    return reference_of(arrays, FrameSchema(task="binary", classes=(False, True), inputs=INPUTS), random.random(200), ("1h", "1d"))


def with_lookup(signature: BundleSignature, missing: Literal["default", "refuse"]) -> BundleSignature:
    """The tiny model with a view's feature `seen` in place of the request feature."""
    seen = LookupFeature(name="seen", type="float", default=0.0)
    card = RequestColumn(name="card", rule=ColumnRule(type="string"), example="c1")
    return signature.model_copy(
        update={
            "request": (*signature.request, card),
            "derived": (),
            "lookups": (Lookup(view="history", entity="card", column="card", ttl_seconds=3600, features=(seen,)),),
            "missing": missing,
            "inputs": (INPUTS[0], Input(name="seen", type="float", origin="view"), INPUTS[2]),
        }
    )


def write_tiny_store(path: Path, seen: Mapping[str, float], at: datetime) -> None:
    """An online store as Feast lays it out: `seen` by card."""

    def text(value: str) -> bytes:
        return struct.pack("<II", 2, len(value)) + value.encode()

    fresh = path.with_suffix(".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(fresh)) as store, store:
        store.execute("CREATE TABLE journey_history (entity_key BLOB, feature_name TEXT, value BLOB, event_ts INTEGER)")
        local = int(at.replace(tzinfo=None).timestamp())      # as Feast writes a UTC time
        for card, value in seen.items():
            key = struct.pack("<II", 1, 2) + struct.pack("<I", 4) + b"card" + text(card)
            store.execute("INSERT INTO journey_history VALUES (?, ?, ?, ?)", (key, "seen", b"\x29" + struct.pack("<d", value), local))
    fresh.replace(path)


def fill_tiny_redis(client: Redis, seen: Mapping[str, float], at: datetime) -> None:
    """The same in a Redis, switched in."""
    project = f"journey_{secrets.token_hex(4)}"
    for card, value in seen.items():
        key = entity_key(key_prefix("card"), card)
        assert key is not None
        field = struct.pack("<I", mmh3.hash("history:seen", signed=False))
        seconds = Timestamp(seconds=int(at.timestamp())).SerializeToString()
        client.hset(key + project.encode(), mapping={field: b"\x29" + struct.pack("<d", value), "_ts:history": seconds})
    client.set(POINTER, InUse(project, at, at).text())


def write_tiny_bundle(directory: Path, keys: Path, weight: float = 1.0, missing: Literal["default", "refuse"] | None = None) -> str:
    """Writes a signed bundle of the tiny model and returns its digest; with a lookup where the policy `missing` is given."""
    signature = BundleSignature(
        task="binary",
        classes=(False, True),
        positive=True,
        request=(
            RequestColumn(name="amount", rule=ColumnRule(type="float", range=(-100.0, 100.0)), example=1.5),
            RequestColumn(name="channel", rule=ColumnRule(type="category", case="lower"), example="online"),
            RequestColumn(name="limit", rule=ColumnRule(type="float", range=(0.0, 10.0), breach="clip"), example=1),
        ),
        ignored=("payment_id",),
        key="payment_id",
        derived=(Derived(name="squared", function="squared", arguments=("amount",), type="float"),),
        inputs=INPUTS,
        outputs=(OutputTensor(name="probability", shape=(-1, 2)),),
    )
    if missing is not None:
        signature = with_lookup(signature, missing)
    files = {
        "model.onnx": tiny_onnx(weight),
        "request_features.py": REQUEST_FEATURES,
        "reference.json": (tiny_reference().model_dump_json()).encode(),
        "card.md": b"# tiny\n",
    }
    content = BundleContent("tiny", "onnx", signature, files, MadeFrom(data="0", project="0", code="0", lock="0"))
    return write_bundle(directory, content, SigningKey.load_or_create(keys))


@dataclass
class Home:
    """A home with tiny versions: version n answers with weight n."""

    path: Path
    ledger: Ledger
    versions: list[int] = field(default_factory=list)

    def register(self, missing: Literal["default", "refuse"] | None = None) -> int:
        weight = len(self.versions) + 1
        directory = self.path / "artifacts" / f"bundle-{weight}"
        digest = write_tiny_bundle(directory, self.path / "keys", float(weight), missing)
        registration = Registration("tiny", digest, str(directory), "run", (None, None), NOW, "test")
        self.versions.append(self.ledger.register_version(registration))
        return self.versions[-1]

    def promote(self, version: int) -> None:
        current = self.ledger.current("tiny")
        self.ledger.promote(PromotionRequest("tiny", version, current.seq if current else 0, "test", "a test asks", NOW))


def made_home(path: Path) -> Home:
    path.mkdir(parents=True)
    return Home(path, Ledger.connect(f"sqlite:///{path}/ledger.db"))

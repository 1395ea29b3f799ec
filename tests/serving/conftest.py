"""A tiny signed model in a ledger, and real servers on free ports, always stopped."""

import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from journey.artifacts import Derived, FrameSchema, Input, Lookup, LookupFeature
from journey.model.bundle import BundleContent, BundleSignature, MadeFrom, OutputTensor, RequestColumn, write_bundle
from journey.model.keys import SigningKey
from journey.records.entries import PromotionRequest, Registration
from journey.records.ledger import Ledger
from journey.values.columns import ColumnRule
from journey.watching.bins import Reference, reference_of

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = made_home(tmp_path / "home")
    yield made
    made.ledger.close()


@dataclass
class Server:
    """A running `python -m serving`."""

    process: subprocess.Popen[str]
    ready: dict[str, object]
    errors: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ready['port']}"

    def text(self) -> str:
        return self.errors.read_text()

    @cached_property
    def client(self) -> httpx.Client:
        return self.new_client()

    def new_client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def post(self, body: object, path: str = "/api/v1.0/predictions") -> httpx.Response:
        return self.client.post(path, json=body)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def stop(self) -> int:
        if "client" in self.__dict__:
            self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        finally:
            self.process.kill()


Serve = Callable[..., Server]


@contextmanager
def starting(home: Home) -> Iterator[Serve]:
    """Gives a function that starts servers over a home; all are stopped in the end."""
    started: list[Server] = []

    def start(*options: str, python: str = sys.executable, **environment: str) -> Server:
        errors = home.path / f"server-{len(started)}.log"
        inherited = {name: value for name, value in os.environ.items() if name != "JOURNEY_CLOCK"}
        with errors.open("w") as log:
            process = subprocess.Popen(
                [python, "-m", "serving", "--home", str(home.path), "--model", "tiny", *options],
                stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT, env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        server = Server(process, json.loads(line) if line else {}, errors)
        started.append(server)
        return server

    try:
        yield start
    finally:
        for server in started:
            server.stop()
            assert server.process.stdout is not None
            server.process.stdout.close()


@pytest.fixture
def serve(home: Home) -> Iterator[Serve]:
    """Starts servers over `home`: serve("--feedback")."""
    with starting(home) as start:
        yield start


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two versions, the first promoted, for tests that only ask."""
    home = made_home(tmp_path_factory.mktemp("standing") / "home")
    home.promote(home.register())
    home.register()
    with starting(home) as start:
        yield start("--most-rows", "50", "--most-bytes", "20000")
    home.ledger.close()


@pytest.fixture(scope="session")
def tiny() -> Callable[..., float]:
    """The tiny model's own arithmetic: tiny(amount, channel, weight) is the probability of True."""
    return probability


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """Waits until something holds: eventually(lambda: …, seconds=10)."""

    def wait(holds: Callable[[], bool], seconds: float = 10) -> None:
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, "it didn't come true in time"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def write_store() -> Callable[..., None]:
    """Writes an online store: write_store(path, {"c1": 2.0}, at)."""
    return write_tiny_store

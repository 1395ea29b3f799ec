"""A tiny payments bundle: one spine number and category, one request feature, one looked-up feature, and an ONNX model made by hand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from journey.artifacts import Derived, Input, Lookup, LookupFeature
from journey.model.bundle import Bundle, BundleContent, BundleSignature, MadeFrom, OutputTensor, RequestColumn, open_bundle, write_bundle
from journey.model.keys import SigningKey, Trusted
from journey.values.columns import ColumnRule

NIGHT = b'''"""Request features of the tiny bundle."""

from datetime import datetime


def night(paid_at: datetime) -> bool:
    return paid_at.hour < 6
'''

SIGNATURE = BundleSignature(
    task="binary",
    classes=(False, True),
    positive=True,
    request=(
        RequestColumn(name="amount", rule=ColumnRule(type="float", scale=0.01, range=(0, 20000)), example=1250),
        RequestColumn(name="channel", rule=ColumnRule(type="category", case="lower", spellings={"e-com": "online"}), example="online"),
        RequestColumn(name="paid_at", rule=ColumnRule(type="timestamp"), example="2026-03-01T12:00:00Z"),
        RequestColumn(name="card_id", rule=ColumnRule(type="string", required=True, pii=True), example="card_id-1"),
    ),
    ignored=("payment_id",),
    key="payment_id",
    time="paid_at",
    derived=(Derived(name="night", function="night", arguments=("paid_at",), type="boolean"),),
    lookups=(
        Lookup(
            view="card_history",
            entity="card",
            column="card_id",
            ttl_seconds=2592000,
            features=(LookupFeature(name="payments_30d", type="integer", default=0),),
        ),
    ),
    inputs=(
        Input(name="amount", type="float", origin="spine"),
        Input(name="night", type="boolean", origin="request"),
        Input(name="payments_30d", type="integer", origin="view"),
        Input(name="channel", type="category", origin="spine"),
    ),
    outputs=(OutputTensor(name="probability", shape=(-1, 2)),),
)


@dataclass(frozen=True)
class Workshop:
    """Where bundles are made: a key, and the folder of keys."""

    keys: Path
    root: Path
    signature = SIGNATURE

    @property
    def files(self) -> dict[str, bytes]:
        return dict(content().files)

    def write(self, name: str = "bundle", **changes: object) -> Path:
        directory = self.root / name
        write_bundle(directory, replace(content(), **changes), SigningKey.load_or_create(self.keys))
        return directory

    def bundle(self, name: str = "bundle", **changes: object) -> Bundle:
        return open_bundle(self.write(name, **changes), Trusted.of(self.keys))


def content() -> BundleContent:
    files = {"model.onnx": onnx_model(), "request_features.py": NIGHT, "card.md": b"# payments\n"}
    digests = MadeFrom(data="d" * 64, project="p" * 64, code="", lock="1" * 64)
    return BundleContent(name="payments", engine="onnx", signature=SIGNATURE, files=files, made_from=digests)


def onnx_model() -> bytes:
    """P(positive) = sigmoid(amount/100 + night - payments_30d/10 + [channel is online]); a missing number counts as nothing."""
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, value: np.ndarray) -> object:
        return numpy_helper.from_array(value, name)

    nodes = [
        helper.make_node("IsNaN", ["numbers"], ["gone"]),
        helper.make_node("Where", ["gone", "zero", "numbers"], ["whole"]),
        helper.make_node("MatMul", ["whole", "weights"], ["linear"]),
        helper.make_node("Equal", ["categories", "online"], ["is_online"]),
        helper.make_node("Cast", ["is_online"], ["extra"], to=TensorProto.DOUBLE),
        helper.make_node("Add", ["linear", "extra"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["positive"]),
        helper.make_node("Sub", ["one", "positive"], ["negative"]),
        helper.make_node("Concat", ["negative", "positive"], ["probability"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, [None, 3]),
            helper.make_tensor_value_info("categories", TensorProto.STRING, [None, 1]),
        ],
        [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, [None, 2])],
        [
            constant("zero", np.array(0.0)),
            constant("one", np.array(1.0)),
            constant("weights", np.array([[0.01], [1.0], [-0.1]])),
            helper.make_tensor("online", TensorProto.STRING, [1], [b"online"]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    return model.SerializeToString()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "keys", tmp_path)


@pytest.fixture
def expected() -> Callable[..., float]:
    def probability(amount: float = 0, night: float = 0, payments: float = 0, online: float = 0) -> float:
        return float(1 / (1 + np.exp(-(0.01 * amount + night - 0.1 * payments + online))))

    return probability

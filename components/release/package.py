"""Package model: the bundle, signed, after the server's way and training's way gave the same answers."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from components.release.card import CardFacts, card_of
from components.release.lock import SERVING, SHAPING, SKOPS, pinned
from components.release.parity import HELD_OUT_ROWS, HeldOut, agreed_inputs, close
from components.release.signature import signature_of
from journey.artifacts import ROW, SPLIT, Choice, Curated, Document, FrameSchema, Snapshot
from journey.errors import DataError
from journey.model import bundle as files
from journey.model.bundle import BundleContent, BundleSignature, Engine, MadeFrom, open_bundle, write_bundle
from journey.model.canonical import loads
from journey.model.fitting import one_thread
from journey.model.inputs import matrix
from journey.model.keys import SigningKey
from journey.model.onnx import NotExportable, to_onnx
from journey.model.scoring import Arrays, Scorer, Values
from journey.model.scoring_tables import frame_arrays, rows_of_table
from journey.request_features import load_request_features
from journey.sections import PackagePlan, Table
from journey.watching.bins import reference_of


@dataclass(frozen=True)
class Material:
    """What a bundle is made of.

    Attributes:
        raw: the spine's raw rows, in source order.
        frame: the rows that were trained and tested on, with ROW and the model's inputs.
        model: canonical skops.
        request_features: the project's request_features.py; empty where there is none.
        code: digest of the project's files that reach the bundle.
    """

    plan: PackagePlan
    contract: Table
    raw: pa.Table
    snapshot: Snapshot
    curated: Curated
    frame: pa.Table
    schema: FrameSchema
    model: bytes
    choice: Choice
    request_features: bytes
    code: str


@dataclass(frozen=True)
class Folders:
    """Where the artifacts of the steps before lie; `request_features` is the project's file, None where there is none."""

    raw: Path
    curated: Path
    frame: Path
    model: Path
    choice: Path
    request_features: Path | None


@dataclass(frozen=True)
class Packaged:
    """A bundle that was written: its digest, its engine and, where that isn't onnx, why."""

    digest: str
    engine: Engine
    why: str


@dataclass(frozen=True)
class _Parts:
    """What the bundle holds whichever engine runs it."""

    signature: BundleSignature
    files: dict[str, bytes]
    made_from: MadeFrom
    pipeline: Pipeline
    held_out: HeldOut


def read_material(plan: PackagePlan, contract: Table, folders: Folders, code: str) -> Material:
    """Reads what a bundle is made of.

    Raises:
        DataError: an artifact is missing or damaged.
    """
    return Material(
        plan=plan,
        contract=contract,
        raw=pq.read_table(folders.raw / f"{plan.spine.table}.parquet"),
        snapshot=Snapshot.read(folders.raw / "snapshot.json"),
        curated=Curated.read(folders.curated / "curated.json"),
        frame=pq.read_table(folders.frame / "frame.parquet"),
        schema=FrameSchema.read(folders.frame / "frame.json"),
        model=(folders.model / "model.skops").read_bytes(),
        choice=Choice.read(folders.choice / "choice.json"),
        request_features=folders.request_features.read_bytes() if folders.request_features else b"",
        code=code,
    )


def package(material: Material, directory: Path, signer: SigningKey) -> Packaged:
    """Writes the bundle to an empty folder.

    Serving runs the model as ONNX; where that isn't faithful to scikit-learn, the bundle says so and serving runs skops.

    Raises:
        DataError: training and serving make different inputs of the same raw value, or there are no held-out rows.
        ProjectError: a request feature raises for a row with a missing or unseen value.
    """
    parts = _parts(material)
    why = ""
    try:
        model = to_onnx(parts.pipeline, material.schema)
        if _agrees(material, parts, {files.ONNX: model}, signer):
            return Packaged(_written(material, parts, {files.ONNX: model}, directory, signer), "onnx", why)
        why = "its ONNX form gives other predictions than scikit-learn"
    except NotExportable as error:
        why = str(error)
    if not _agrees(material, parts, {}, signer):
        raise DataError(
            f"model '{material.plan.name}': expected the packaged model to predict what the fitted one predicts, found other predictions "
            "with scikit-learn too. Is one of the candidate's predictions random?"
        )
    return Packaged(_written(material, parts, {}, directory, signer), "skops", why)


def _parts(material: Material) -> _Parts:
    held_out = _held_out(material)
    signature = signature_of(material.plan, material.contract, material.schema, rows_of_table(held_out.raw))
    pipeline = loads(material.model)
    reference = reference_of(_fitted_rows(material), material.schema, _test_scores(material, pipeline), material.plan.windows)
    requirements = pinned(*SERVING, *SKOPS)
    content = {
        files.SKOPS: material.model,
        files.REFERENCE: _json(reference),
        files.CARD: card_of(CardFacts(material.plan, material.schema, material.choice, material.curated)).encode(),
        files.REQUIREMENTS: requirements.encode(),
    }
    if signature.derived:
        content[files.REQUEST_FEATURES] = material.request_features
    lock = hashlib.sha256(pinned(*SERVING, *SKOPS, *SHAPING).encode()).hexdigest()
    made_from = MadeFrom(data=_data_digest(material.snapshot), project=material.plan.sections, code=material.code, lock=lock)
    return _Parts(signature, content, made_from, pipeline, held_out)


def _agrees(material: Material, parts: _Parts, model: dict[str, bytes], signer: SigningKey) -> bool:
    """The parity gate on a trial bundle; raises where inputs differ, False where predictions do."""
    with tempfile.TemporaryDirectory(prefix="journey-package-") as scratch:
        trial = Path(scratch, "bundle")
        _written(material, parts, model, trial, signer)
        scorer = Scorer(open_bundle(trial, signer.trusted))
        functions = {function.name: function for function in load_request_features(material.request_features)}
        inputs = agreed_inputs(scorer, parts.held_out, functions)
        return close(_predictions(parts.pipeline, inputs, material.schema), scorer.predict(inputs))


def _written(material: Material, parts: _Parts, model: dict[str, bytes], directory: Path, signer: SigningKey) -> str:
    engine: Engine = "onnx" if model else "skops"
    content = BundleContent(material.plan.name, engine, parts.signature, {**parts.files, **model}, parts.made_from)
    return write_bundle(directory, content, signer)


def _held_out(material: Material) -> HeldOut:
    """Test rows, evenly spread over all of them, raw and as the frame has them."""
    test = material.frame.filter(pc.equal(material.frame[SPLIT], "test"))
    if not len(test):
        raise DataError("frame: expected held-out rows (split test) to compare serving with training on, found none. Raise split.test.")
    places = np.unique(np.linspace(0, len(test) - 1, min(HELD_OUT_ROWS, len(test))).astype(np.int64))
    rows = test.take(pa.array(places))
    declared = [name for name in material.contract.columns if name in material.raw.column_names]
    raw = material.raw.select(declared).take(rows[ROW].combine_chunks())
    return HeldOut(raw, frame_arrays(rows, material.schema), _looked_up(rows, material.schema))


def _looked_up(rows: pa.Table, schema: FrameSchema) -> list[Values]:
    names = [item.name for item in schema.inputs if item.origin == "view"]
    columns = [rows[name].to_pylist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)] if names else [{}] * len(rows)


def _fitted_rows(material: Material) -> Arrays:
    """The rows of the final fit: training and validation."""
    return frame_arrays(material.frame.filter(pc.not_equal(material.frame[SPLIT], "test")), material.schema)


def _test_scores(material: Material, pipeline: Pipeline) -> NDArray[np.float64]:
    """One score a test row; scores of rows that the model has seen would look surer than any new ones."""
    test = frame_arrays(material.frame.filter(pc.equal(material.frame[SPLIT], "test")), material.schema)
    predictions = _predictions(pipeline, test, material.schema)
    if material.schema.task == "binary":
        return predictions[:, 1]
    return predictions.max(axis=1) if material.schema.task == "multiclass" else predictions[:, 0]


def _predictions(pipeline: Pipeline, inputs: Arrays, schema: FrameSchema) -> NDArray[np.float64]:
    """The training path's predictions: [n, classes], or [n, 1] for regression."""
    table = matrix(inputs.numbers, inputs.categories)
    with one_thread():
        if schema.task == "regression":
            return np.asarray(pipeline.predict(table), dtype=np.float64).reshape(len(table), 1)
        return np.asarray(pipeline.predict_proba(table), dtype=np.float64)


def _data_digest(snapshot: Snapshot) -> str:
    lines = "".join(f"{name} {table.digest}\n" for name, table in sorted(snapshot.tables.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _json(document: Document) -> bytes:
    return (document.model_dump_json(indent=2) + "\n").encode()

"""Packaging, with its gate, of a model that was fitted for real."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from components.release.package import Material, package
from components.release.parity import close
from journey.errors import DataError, ProjectError
from journey.model.bundle import open_bundle
from journey.model.canonical import loads
from journey.model.inputs import matrix
from journey.model.keys import SigningKey
from journey.model.scoring import Scorer
from journey.model.scoring_tables import frame_arrays, rows_of_table
from journey.values.columns import ColumnRule

Materials = Callable[..., Material]


def with_rule(material: Material, column: str, rule: ColumnRule) -> Material:
    columns = {**material.contract.columns, column: rule}
    return replace(material, contract=material.contract.model_copy(update={"columns": columns}))


@pytest.mark.parametrize("estimator", ["logistic", "hist_gradient_boosting"])
def test_the_bundle_predicts_from_raw_rows_what_the_pipeline_predicts(
    material_of: Materials, signer: SigningKey, tmp_path: Path, estimator: str
) -> None:
    material = material_of(estimator)
    packaged = package(material, tmp_path / "bundle", signer)
    assert (packaged.engine, packaged.why) == ("onnx", "")
    scorer = Scorer(open_bundle(tmp_path / "bundle", signer.trusted))
    looked_up = [{"payments_30d": value} for value in material.frame["payments_30d"].to_pylist()]
    served = scorer.predict(scorer.inputs(rows_of_table(material.raw), looked_up))
    arrays = frame_arrays(material.frame, material.schema)
    expected = loads(material.model).predict_proba(matrix(arrays.numbers, arrays.categories))
    assert close(expected, served)
    assert np.ptp(served[:, 1]) > 0.2


def test_the_same_material_gives_the_same_digest_whoever_signs(material_of: Materials, signer: SigningKey, tmp_path: Path) -> None:
    material = material_of()
    first = package(material, tmp_path / "one", signer)
    second = package(material, tmp_path / "two", SigningKey.load_or_create(tmp_path / "other-keys"))
    assert first.digest == second.digest


def test_a_bundle_holds_all_that_serving_needs_and_nothing_personal(material_of: Materials, signer: SigningKey, tmp_path: Path) -> None:
    package(material_of(), tmp_path / "bundle", signer)
    bundle = open_bundle(tmp_path / "bundle", signer.trusted)
    assert sorted(bundle.manifest.files) == [
        "card.md",
        "model.onnx",
        "model.skops",
        "reference.json",
        "request_features.py",
        "requirements.txt",
        "signature.json",
    ]
    signature = bundle.signature
    assert [column.name for column in signature.request] == ["card_id", "paid_at", "amount", "channel"]
    assert signature.ignored == ("payment_id", "disputed")
    assert [item.name for item in signature.derived] == ["night"]
    assert [feature.name for lookup in signature.lookups for feature in lookup.features] == ["payments_30d"]
    assert signature.request[0].example == "card_id-1"
    assert all(b"secret" not in bundle.read(name) for name in bundle.manifest.files)


def test_the_example_is_a_request_that_works(material_of: Materials, signer: SigningKey, tmp_path: Path) -> None:
    package(material_of(), tmp_path / "bundle", signer)
    scorer = Scorer(open_bundle(tmp_path / "bundle", signer.trusted))
    example = {column.name: column.example for column in scorer.signature.request}
    assert scorer.predict(scorer.inputs([example], [{}])).shape == (1, 2)


def test_the_reference_counts_fitted_rows_and_scores_of_test_rows(material_of: Materials, signer: SigningKey, tmp_path: Path) -> None:
    package(material_of(), tmp_path / "bundle", signer)
    reference = json.loads((tmp_path / "bundle" / "reference.json").read_bytes())
    assert {entry["name"]: sum(entry["counts"]) for entry in reference["inputs"]} == {
        "amount": 220,
        "night": 220,
        "payments_30d": 220,
        "channel": 220,
    }
    assert sum(reference["score"]["counts"]) == 80


def test_a_rule_broken_on_the_servers_side_is_noticed_with_column_value_and_results(
    material_of: Materials, signer: SigningKey, tmp_path: Path
) -> None:
    material = material_of()
    broken = with_rule(material, "amount", ColumnRule(type="float", scale=0.02, range=(0, 20000)))
    with pytest.raises(DataError, match=r"'amount': .* raw value '\d+', found .* in training and .* in serving, in \d+ of 80 rows"):
        package(broken, tmp_path / "bundle", signer)
    assert not (tmp_path / "bundle").exists()


def test_a_spelling_broken_on_the_servers_side_is_noticed(material_of: Materials, signer: SigningKey, tmp_path: Path) -> None:
    broken = with_rule(material_of(), "channel", ColumnRule(type="category", case="lower", null=("", "?")))
    with pytest.raises(DataError, match=r"'channel': .* raw value ' E-Com', found 'online' in training and 'e-com' in serving"):
        package(broken, tmp_path / "bundle", signer)


def test_a_request_feature_that_changed_since_training_is_noticed(material_of: Materials, signer: SigningKey, tmp_path: Path) -> None:
    changed = material_of().request_features.replace(b"< 6", b"< 7")
    with pytest.raises(DataError, match=r"'night': .* raw value '2026-01-\d\d 06:\d\d:\d\d', found .*0.0.* in training and .*1.0"):
        package(material_of(request_features=changed), tmp_path / "bundle", signer)


def test_a_server_stricter_than_training_is_noticed_before_it_refuses_customers(
    material_of: Materials, signer: SigningKey, tmp_path: Path
) -> None:
    stricter = with_rule(material_of(), "amount", ColumnRule(type="float", scale=0.01, range=(0, 500)))
    with pytest.raises(DataError, match=r"expected the server to accept what training accepts, .* column 'amount'"):
        package(stricter, tmp_path / "bundle", signer)


def test_a_request_feature_that_raises_for_an_unseen_category_is_told_before_it_is_served(
    material_of: Materials, signer: SigningKey, tmp_path: Path
) -> None:
    fee = b'\n\ndef fee(channel: str) -> float:\n    return {"online": 1.0, "phone": 2.0}[channel]\n'
    material = material_of()
    from journey.artifacts import Derived, Input

    inputs = (Input(name="fee", type="float", origin="request"), *material.schema.inputs)
    derived = (Derived(name="fee", function="fee", arguments=("channel",), type="float"), *material.schema.derived)
    fees = {"online": 1.0, "phone": 2.0, None: None}
    frame = material.frame.append_column("fee", pa.array([fees[value] for value in material.frame["channel"].to_pylist()]))
    schema = material.schema.model_copy(update={"inputs": inputs, "derived": derived})
    changed = replace(material, schema=schema, frame=frame, request_features=material.request_features + fee)
    with pytest.raises(ProjectError, match=r"rows with column 'channel' holding a category never seen before: .*in fee"):
        package(replace(changed, model=refitted(changed)), tmp_path / "bundle", signer)


def refitted(material: Material) -> bytes:
    from journey.artifacts import CandidateSpec
    from journey.model.estimators import build, dumps, encoding_of
    from journey.model.fitting import Training

    arrays = frame_arrays(material.frame.slice(0, 220), material.schema)
    spec = CandidateSpec(name="logistic", estimator="logistic")
    training = Training(matrix(arrays.numbers, arrays.categories), arrays.labels)
    return dumps(training.fit(build(spec, material.schema, 7), encoding_of("logistic")))


def test_a_model_whose_onnx_form_is_not_faithful_is_served_by_skops(
    material_of: Materials, signer: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    material = material_of()
    other = loads(material_of("hist_gradient_boosting").model)
    from components.release import package as module

    real = module.to_onnx
    monkeypatch.setattr(module, "to_onnx", lambda pipeline, schema: real(other, schema))
    packaged = package(material, tmp_path / "bundle", signer)
    assert (packaged.engine, packaged.why) == ("skops", "its ONNX form gives other predictions than scikit-learn")
    bundle = open_bundle(tmp_path / "bundle", signer.trusted)
    assert bundle.manifest.engine == "skops"
    assert not bundle.has("model.onnx")
    example = {column.name: column.example for column in bundle.signature.request}
    scorer = Scorer(bundle)
    assert scorer.predict(scorer.inputs([example], [{}])).shape == (1, 2)


def test_without_held_out_rows_nothing_is_packaged(material_of: Materials, signer: SigningKey, tmp_path: Path) -> None:
    material = material_of()
    trained = material.frame.filter(pc.not_equal(material.frame["journey_split"], "test"))
    with pytest.raises(DataError, match="expected held-out rows"):
        package(replace(material, frame=trained), tmp_path / "bundle", signer)

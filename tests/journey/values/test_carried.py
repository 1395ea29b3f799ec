"""A model goes through a pipeline's constants unharmed."""

from google.protobuf import json_format, struct_pb2

from journey.artifacts import CandidateSpec
from journey.project import CuratePlan, Predict, Spine, Split, Table
from journey.values.carried import carried, restored


def through_a_pipeline(constant: dict[str, object]) -> dict[str, object]:
    struct = struct_pb2.Struct()
    struct.update(constant)
    return json_format.MessageToDict(struct)


def test_a_contract_keeps_the_order_of_its_columns_and_its_open_ranges():
    table = Table.model_validate({"columns": {"b": {"type": "float", "range": [0, None]}, "a": {"type": "integer"}}})
    again = Table.model_validate(through_a_pipeline(carried(table)))
    assert again == table
    assert list(again.columns) == ["b", "a"]


def test_a_plan_keeps_none_and_whole_numbers():
    predict = Predict(label="late", task="binary", positive=1, metric="roc_auc")
    spine, split = Spine(table="trips"), Split(by="hash")
    plan = CuratePlan(spine=spine, time=None, entities={"b": "x", "a": "y"}, predict=predict, split=split, history="0s", lag="0s", seed=3)
    again = CuratePlan.model_validate(through_a_pipeline(carried(plan)))
    assert again == plan
    assert type(again.predict.positive) is int
    assert list(again.entities) == ["b", "a"]


def test_a_candidate_keeps_integers_and_whole_floats_apart_as_scikit_learn_does():
    parameters: dict[str, object] = {"max_depth": 12, "max_features": 1.0, "max_samples": None}
    spec = CandidateSpec(name="forest", estimator="random_forest", parameters=parameters, search_space={"depth": [None, 3, 1.0]})
    again = CandidateSpec.model_validate(restored(through_a_pipeline(carried(spec))))
    assert again == spec
    assert type(again.parameters["max_depth"]) is int
    assert type(again.parameters["max_features"]) is float        # 1.0 is all columns to scikit-learn, and 1 is one of them
    assert repr(again.search_space) == repr(spec.search_space)

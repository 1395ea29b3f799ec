"""A model goes through a pipeline's constants unharmed."""

from google.protobuf import json_format, struct_pb2

from journey.artifacts import CandidateSpec
from journey.project import CuratePlan, Predict, Spine, Split, Table
from journey.values.carried import carried


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


def test_a_candidate_keeps_integers_that_scikit_learn_would_refuse_as_floats():
    parameters: dict[str, object] = {"max_depth": 12, "max_features": None}
    spec = CandidateSpec(name="forest", estimator="random_forest", parameters=parameters, search_space={"depth": [None, 3]})
    again = CandidateSpec.model_validate(through_a_pipeline(carried(spec)))
    assert again == spec
    assert type(again.parameters["max_depth"]) is int

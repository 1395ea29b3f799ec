"""A step is told here what kfp.local tells it."""

import json
from pathlib import Path
from typing import List  # noqa: UP035 -- KFP reads List

import pytest
from google.protobuf import json_format
from kfp import dsl
from kfp.local import executor_input_utils

from journey.errors import ProjectError
from pipelines.engines.local.graph import read
from pipelines.engines.local.messages import executor_input
from pipelines.engines.local.store import Artifact
from pipelines.engines.local.values import Values


@dsl.component(base_image="journey-steps", install_kfp_package=False)
def everything(
    whole: int,
    part: float,
    text: str,
    plan: dict,
    names: List[str],  # noqa: UP006
    one: dsl.Input[dsl.Dataset],
    many: dsl.Input[List[dsl.Model]],  # noqa: UP006
    out: dsl.Output[dsl.Metrics],
) -> bool:
    return True


COMPONENT = everything.pipeline_spec.components["comp-everything"]


def test_the_message_is_the_one_of_kfp_local(tmp_path):
    parameters = {"whole": 3, "part": 1.5, "text": "ü", "plan": {"a": 1.5, "b": [True, "x"]}, "names": ["n", "m"]}
    given = dsl.Dataset(name="one", uri="/one", metadata={"rows": 3.0})
    models = [dsl.Model(name=f"m{number}", uri=f"/m{number}") for number in range(2)]
    arguments = {**parameters, "one": given, "many": models}
    message = executor_input_utils.construct_executor_input(COMPONENT, arguments, str(tmp_path), block_input_artifact=False)
    values = Values(parameters, {"one": artifact(given), "many": tuple(map(artifact, models))})
    assert executor_input(read_component(), values, tmp_path) == executor_input_utils.executor_input_to_dict(message, COMPONENT)


def artifact(theirs):
    return Artifact(theirs.name, theirs.schema_title, theirs.schema_version, theirs.uri, theirs.metadata, "")


def read_component():
    return read(json_format.MessageToDict(everything.pipeline_spec), {}).components["comp-everything"]


def test_an_input_that_no_cluster_would_take_is_refused(tmp_path):
    with pytest.raises(ProjectError, match=r"at most 131072 bytes, found \d+"):
        executor_input(read_component(), Values({"text": "x" * 200_000}), Path(tmp_path))


def test_a_step_is_told_the_same_in_whatever_order_a_pipeline_tells_it(tmp_path):
    told = {"text": "a", "columns": {"z": [{"b": 1, "a": 2}], "a": None}}
    turned = {"columns": {"a": None, "z": [{"a": 2, "b": 1}]}, "text": "a"}
    first, second = (json.dumps(executor_input(read_component(), Values(values), tmp_path)) for values in (told, turned))
    assert first == second

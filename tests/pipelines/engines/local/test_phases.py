"""A fork server is started for the steps that need it."""

from google.protobuf import json_format
from kfp import dsl

from pipelines.engines.local.graph import read
from pipelines.engines.local.phases import following, phase_of, preloaded

component = dsl.component(base_image="journey-steps", install_kfp_package=False)


@component
def clean() -> int:
    from components.data import clean

    return len(clean.__name__)


@component
def train(number: int) -> int:
    import json

    from components.models import train
    from journey.errors import JourneyError

    return len(json.dumps([train.__name__, JourneyError.__name__]))


@component
def package(number: int):
    from components.release import package

    assert package


@dsl.pipeline(name="phases")
def phases():
    with dsl.If(clean().output > 1):
        package(number=train(number=1).output)


GRAPH = read(json_format.MessageToDict(phases.pipeline_spec), {})


def test_a_step_belongs_to_the_folder_that_it_imports_from():
    assert sorted({phase_of(program.source) for program in GRAPH.programs()}) == ["data", "models", "release"]


def test_a_server_loads_what_the_steps_import_and_what_is_named_for_its_phase():
    assert preloaded(GRAPH, {"models": ["sklearn"], "other": ["feast"]}) == {
        "data": ("components.data",),
        "models": ("sklearn", "components.models", "journey.errors"),
        "release": ("components.release",),
    }


def test_what_waits_for_a_phase_is_found_across_groups_in_order():
    assert following(GRAPH) == {"data": ("models", "release"), "models": ("release",)}

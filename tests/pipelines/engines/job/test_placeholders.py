import json

import pytest

from journey.errors import ProjectError
from pipelines.engines.job.placeholders import filled

INPUT = {
    "inputs": {
        "parameterValues": {"name": "a$b", "count": 3, "plan": {"k": [1]}},
        "artifacts": {"raw": {"artifacts": [{"uri": "/there/raw"}]}},
    },
    "outputs": {
        "parameters": {"version": {"outputFile": "/there/version"}},
        "artifacts": {"model": {"artifacts": [{"uri": "/there/model"}]}},
        "outputFile": "/there/executor_output.json",
    },
}


def test_the_whole_input_is_one_word() -> None:
    assert [json.loads(word) for word in filled(["{{$}}"], INPUT)] == [INPUT]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--name={{$.inputs.parameters['name']}}", "--name=a$b"),
        ("{{$.inputs.parameters['count']}}", "3"),
        ("{{$.inputs.parameters['plan']}}", '{"k": [1]}'),
        ("{{$.inputs.artifacts['raw'].path}}/x", "/there/raw/x"),
        ("{{$.outputs.artifacts['model'].uri}}", "/there/model"),
        ("{{$.outputs.parameters['version'].output_file}}", "/there/version"),
        ("plain {{text}}", "plain {{text}}"),
    ],
)
def test_each_placeholder_becomes_its_value(word: str, expected: str) -> None:
    assert filled([word], INPUT) == [expected]


def test_a_placeholder_of_something_that_is_not_there_is_refused() -> None:
    with pytest.raises(ProjectError, match="parameter 'other'"):
        filled(["{{$.inputs.parameters['other']}}"], INPUT)

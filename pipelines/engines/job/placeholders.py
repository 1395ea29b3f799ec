"""KFP's placeholders in a container's command and arguments, filled from the executor input."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from journey.errors import ProjectError

_WHOLE = "{{$}}"
_PLACEHOLDER = re.compile(
    r"\{\{\$\.(?P<side>inputs|outputs)\.(?P<what>parameters|artifacts)\['(?P<name>[^']+)'\](?:\.(?P<part>uri|path|output_file))?\}\}"
)


def filled(words: Sequence[str], executor_input: Mapping[str, object]) -> list[str]:
    """Words of a command with their placeholders replaced.

    Raises:
        ProjectError: a placeholder names what the executor input doesn't have.
    """
    return [_filled(word, executor_input) for word in words]


def _filled(word: str, executor_input: Mapping[str, Any]) -> str:
    if word == _WHOLE:
        return json.dumps(executor_input)
    return _PLACEHOLDER.sub(lambda match: _value(match, executor_input), word)


def _value(match: re.Match[str], executor_input: Mapping[str, Any]) -> str:
    side, what, name, part = match["side"], match["what"], match["name"], match["part"]
    try:
        if what == "artifacts":
            return str(executor_input[side]["artifacts"][name]["artifacts"][0]["uri"])       # here a uri is a path
        if side == "outputs":
            return str(executor_input["outputs"]["parameters"][name]["outputFile"])
        value = executor_input["inputs"]["parameterValues"][name]
    except (KeyError, IndexError) as error:
        label = f".{part}" if part else ""
        raise ProjectError(f"command: expected {side} with {what[:-1]} '{name}' for '{match[0]}'{label}, found none") from error
    return value if isinstance(value, str) else json.dumps(value)

import io
import json
import random
import string
from dataclasses import replace
from pathlib import Path

import pytest

from journey.errors import ConflictingKeys, DataError, JourneyError, Unavailable
from pipelines.engines.local.lock import Busy
from pipelines.remote.events import EventWriter, Parts, RelayedOutput, error_of, event_of, run_of, step_of
from pipelines.runs import Run, Step

LOG = Path("/journey/home/runs/a/log/x.log")
STEP = Step("train-model.logistic", "done", 1.5, cached=False, log=LOG, after=("curate-data",), started=2.0)
RUN = Run(
    id="a",
    project=Path("/opt/journey/project"),
    home=Path("/journey/home"),
    state="refused",
    model="payments",
    version=None,
    bundle_digest=None,
    metrics={"test": {"roc_auc": 0.9}},
    steps=(STEP,),
    outputs={"train-model.logistic": {"fitted": "/journey/home/artifacts/1"}},
    report=None,
    error="a gate said no: “zu wenig”",
    exit_code=3,
    seconds=4.25,
)


def written(*calls) -> list[str]:
    stream = io.StringIO()
    for call in calls:
        call(EventWriter(stream))
    return stream.getvalue().splitlines()


def whole(lines: list[str], kind: str) -> str:
    parts = Parts()
    for event in map(event_of, lines):
        if event is not None and event.kind == kind:
            parts.add(event)
    assert parts.content is not None
    return parts.content


def test_a_step_arrives_as_it_was():
    began, ended = (event_of(line) for line in written(lambda w: w.began(STEP.name), lambda w: w.ended(STEP)))
    assert (began.kind, began.fields) == ("began", {"step": STEP.name})
    assert step_of(ended.fields["step"]) == STEP


def test_a_run_arrives_as_it_was_but_for_where_it_is_kept():
    here = run_of(whole(written(lambda w: w.result(RUN)), "result"), Path("/me/payments"), Path("/me/home"))
    assert here == replace(RUN, project=Path("/me/payments"), home=Path("/me/home"))


def test_a_page_of_any_length_arrives_in_short_lines():
    noise = "".join(random.Random(0).choices(string.printable + "äöü\u2028", k=300_000))
    lines = written(lambda w: w.report(noise))
    assert len(lines) > 10
    assert max(map(len, lines)) <= 8192
    assert whole(lines, "report") == noise


def test_parts_that_are_told_again_from_the_first_one_make_one_page():
    lines = written(lambda w: w.report("".join(random.Random(1).choices(string.printable, k=30_000))))
    assert whole(lines[:2] + lines, "report") == whole(lines, "report")


def test_a_part_that_is_missing_is_noticed():
    lines = written(lambda w: w.report("".join(random.Random(2).choices(string.printable, k=60_000))))
    with pytest.raises(DataError, match="expected a whole report of"):
        whole([lines[0], *lines[2:]], "report")


NOT_EVENTS = ["", "Traceback", '{"journey": "began", "st', '{"journey": "sung"}', '{"other": 1}', '{"a": {"journey": "began"}}']


@pytest.mark.parametrize("line", NOT_EVENTS)
def test_text_is_no_event(line):
    assert event_of(line) is None


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (Busy("busy"), Busy, 1),
        (Unavailable("away"), Unavailable, 1),
        (ConflictingKeys("cards", "id", 2, "7"), DataError, 1),
        (ValueError("what"), JourneyError, 1),
    ],
)
def test_an_error_is_raised_here_by_the_class_that_says_what_to_do(error, kind, code):
    (line,) = written(lambda w: w.error(error))
    found = error_of(event_of(line))
    assert type(found) is kind
    assert str(error) in str(found)
    assert found.exit_code == code


def test_what_a_command_writes_arrives_to_the_letter():
    text = json.dumps({"a": "ä\u2028" * 3000}) + "\n\nno newline at the end \x00\x1b[1m"
    stream = io.StringIO()
    out = RelayedOutput(stream)
    assert out.write(text) == len(text)
    lines = stream.getvalue().split("\n")[:-1]
    assert max(map(len, lines)) <= 8192
    assert "".join(str(event_of(line).fields["text"]) for line in lines) == text
    with pytest.raises(TypeError, match="expected text"):
        out.write(b"bytes")

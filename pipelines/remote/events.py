"""What a run in a pod tells whoever follows its log: one JSON object a line, between lines of text for people.

    {"journey": "began", "step": "train-model.logistic"}
    {"journey": "ended", "step": {…as in result.json…}}
    {"journey": "result", "part": 1, "of": 2, "content": "…"}       what Run.json() gives, with its exit code
    {"journey": "report", "part": 1, "of": 9, "content": "…"}       the page of the run
    {"journey": "error", "kind": "Busy", "text": "…", "exit_code": 1}
    {"journey": "out", "text": "…"}                                 what a command wrote to stdout

Long contents are gzip in base64, cut into parts: a line of a container's log is best kept short.
"""

import base64
import gzip
import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO, cast, get_args

from journey.errors import Conflict, DataError, GateFailed, JourneyError, ProjectError, Unavailable, Untrusted
from pipelines.engines.local.lock import Busy
from pipelines.runs import Run, RunState, Step, StepState, step_json

Kind = Literal["began", "ended", "result", "report", "error", "out"]

_ERRORS = (Busy, ProjectError, DataError, GateFailed, Conflict, Unavailable, Untrusted)      # others are told by one of these that they are

_MARK = '{"journey": '               # how each event's line begins
_PART_CHARACTERS = 7_000             # with the rest of the line under 8 KiB; Docker cuts lines at 16 KiB
_OUT_CHARACTERS = 1_000              # of what a command wrote: six times as long, where all of it has to be escaped


@dataclass(frozen=True)
class Event:
    """One event; `fields` is the line's object without its kind."""

    kind: Kind
    fields: Mapping[str, object]


def event_of(line: str) -> Event | None:
    """The event that a line of a log holds; None for a line of text."""
    if not line.startswith(_MARK):
        return None
    try:
        told = json.loads(line)
    except ValueError:                       # cut short by a kill: text, as far as anybody can tell
        return None
    kind = told.pop("journey", None)
    return Event(kind, told) if kind in get_args(Kind) else None


class EventWriter:
    """Progress of a run, and what came out of it, as events."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def began(self, step: str) -> None:
        """A step starts to run."""
        self._write("began", step=step)

    def ended(self, step: Step) -> None:
        """A step ended, or was taken from the cache."""
        self._write("ended", step=step_json(step))

    def said(self, line: str) -> None:
        """A line of text among the events."""
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def close(self) -> None:
        """The run is over; its result comes next."""

    def result(self, run: Run) -> None:
        """What became of the run."""
        self._write_parts("result", json.dumps({**run.json(), "exit_code": run.exit_code}))

    def report(self, html: str) -> None:
        """The page of the run."""
        self._write_parts("report", html)

    def error(self, error: Exception) -> None:
        """Why there was no run."""
        if isinstance(error, JourneyError):
            kind = next((known.__name__ for known in type(error).__mro__ if known in _ERRORS), JourneyError.__name__)
            self._write("error", kind=kind, text=str(error), exit_code=error.exit_code)
        else:
            text = f"this should not have happened: {type(error).__name__}: {error}"
            self._write("error", kind=JourneyError.__name__, text=text, exit_code=JourneyError.exit_code)

    def _write_parts(self, kind: Kind, content: str) -> None:
        packed = base64.b64encode(gzip.compress(content.encode(), mtime=0)).decode()
        parts = [packed[begin : begin + _PART_CHARACTERS] for begin in range(0, len(packed), _PART_CHARACTERS)]
        for number, part in enumerate(parts, 1):
            self._write(kind, part=number, of=len(parts), content=part)

    def _write(self, event: Kind, /, **fields: object) -> None:
        self.said(json.dumps({"journey": event, **fields}))


class RelayedOutput(io.TextIOBase):
    """A stdout whose text arrives as it was, though a container's log mixes it with stderr and cuts it into lines."""

    encoding = "utf-8"

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Writes the text as events."""
        if not isinstance(text, str):       # whoever tries whether this takes bytes is told that it doesn't
            raise TypeError(f"expected text, found {type(text).__name__}")
        for begin in range(0, len(text), _OUT_CHARACTERS):
            self._stream.write(json.dumps({"journey": "out", "text": text[begin : begin + _OUT_CHARACTERS]}) + "\n")
        return len(text)

    def flush(self) -> None:
        """Passes on what was written."""
        self._stream.flush()


class Parts:
    """The parts of one long content, as they arrive; a log that begins anew begins them anew."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.content: str | None = None

    def add(self, event: Event) -> None:
        """Takes a part; `content` is there with the last one.

        Raises:
            DataError: the parts don't make a whole.
        """
        if event.fields["part"] == 1:
            self._parts = []
        self._parts.append(str(event.fields["content"]))
        if event.fields["part"] != event.fields["of"]:
            return
        try:
            self.content = gzip.decompress(base64.b64decode("".join(self._parts), validate=True)).decode()
        except (ValueError, OSError, EOFError, zlib.error) as error:
            told = f"the run's log: expected a whole {event.kind} of {event.fields['of']} parts, found one that can't be read"
            raise DataError(f"{told}: {error}. What became of the run stands in `journey status`.") from error


def error_of(event: Event) -> JourneyError:
    """The error that ended the run, as it would have been raised here."""
    kinds = {kind.__name__: kind for kind in _ERRORS}
    error = kinds.get(str(event.fields["kind"]), JourneyError)(str(event.fields["text"]))
    code = event.fields["exit_code"]
    assert isinstance(code, int)
    error.exit_code = code
    return error


def step_of(told: Mapping[str, object]) -> Step:
    """A step as its event tells it; its log lies where the run was."""
    after, log = told["after"], told["log"]
    assert isinstance(after, list)
    return Step(
        name=str(told["name"]),
        state=cast("StepState", told["state"]),
        seconds=_number(told["seconds"]),
        cached=bool(told["cached"]),
        log=Path(str(log)) if log else None,
        after=tuple(map(str, after)),
        started=_number(told["started"]),
    )


def run_of(content: str, project: Path, home: Path) -> Run:
    """A run as its event tells it, kept in `home` on this side; its artifacts and logs lie where the run was."""
    told = json.loads(content)
    state: RunState = told["state"]
    return Run(
        id=told["run"],
        project=project,
        home=home,
        state=state,
        model=told["model"],
        version=told["version"],
        bundle_digest=told["bundle_digest"],
        metrics=told["metrics"],
        steps=tuple(step_of(step) for step in told["steps"]),
        outputs=told["outputs"],
        report=None,
        error=told["error"],
        exit_code=told["exit_code"],
        seconds=told["seconds"],
    )


def _number(told: object) -> float:
    assert isinstance(told, int | float)
    return float(told)

"""The Python way in: `submit(project)` does what `journey run` does."""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from components.pod import INSIDE
from journey import telemetry
from journey.artifacts import Board, Champion, Choice
from journey.errors import DataError, JourneyError, ProjectError
from journey.model.keys import SigningKey, public_id
from journey.places import Places
from journey.project import Project, load_project
from journey.records.entries import RunRecord
from journey.records.ledger import Ledger
from journey.step_names import REGISTER
from pipelines.asked import Asked, new_id
from pipelines.compile import ROOT, compiled_training
from pipelines.engines.local.engine import Ended, Request, execute
from pipelines.engines.local.graph import read
from pipelines.engines.local.lock import held
from pipelines.engines.local.values import Values
from pipelines.inside import inside
from pipelines.placement import target_of
from pipelines.preload import libraries_of
from pipelines.runs import Progress, Run, RunOptions, RunState, Silence, Step, keep
from pipelines.sections import sections_of
from pipelines.standing import Standing

__all__ = ["Progress", "Run", "RunOptions", "Step", "keep", "submit"]

PIPELINES = ("training",)
_REFUSED = 3


def submit(project: Path, pipeline: str = "training", target: str = "local", *, options: RunOptions | None = None) -> Run:
    """Runs a pipeline of the project in a folder, to its end.

    A step that fails does not raise: the run says so, with its exit code.

    Args:
        project: the project's folder.
        pipeline: which pipeline; `training` is the one there is.
        target: where, as project.yaml names it.
        options: parameters, the last step, workers, progress, home.

    Raises:
        ProjectError: the project, the pipeline, the target or an option is wrong.
        Busy: another run holds the home.
    """
    options = options or RunOptions()
    telemetry.switch_off()
    directory = project.resolve()
    found = load_project(directory)
    _refuse_unknown(found, pipeline, target)
    asked = Asked(options.run or new_id(), directory, home_of(directory, options.home), found, pipeline, target, options)
    if asked.place.engine == "job" and INSIDE not in os.environ:
        from pipelines.remote.run import run_there

        return run_there(asked)
    return _run_here(asked)


def _run_here(asked: Asked) -> Run:
    """Runs beside the home: on this machine, or in the pod that holds the cluster's volume."""
    with held(asked.home, asked.run, wait=asked.options.wait):
        ledger = Ledger.connect(asked.places.ledger)
        try:
            _end_those_that_were_killed(ledger, asked)
            begun = RunRecord(asked.run, asked.project.name, asked.pipeline, asked.target, datetime.now(UTC), engine_run=asked.run)
            ledger.start_run(begun)
            try:
                run = _result(asked, _executed(asked, ledger))
                keep(run)                       # first: whoever finds in the ledger that the run ended reads its result
            except BaseException:               # interrupted, or it can't be run at all: nobody shall take it for a run that goes on
                with suppress(JourneyError):
                    ledger.end_run(asked.run, "failed", datetime.now(UTC))
                raise
            ledger.end_run(run.id, run.state, datetime.now(UTC), run.bundle_digest)
        finally:
            ledger.close()
    return run


def home_of(directory: Path, home: Path | None) -> Path:
    """Where a project keeps everything: the home asked for, else $JOURNEY_HOME, else `.journey` in its folder; absolute."""
    named = os.environ.get("JOURNEY_HOME")
    return (home or (Path(named) if named else directory / ".journey")).resolve()


def champion_of(ledger: Ledger, model: str) -> str:
    """The model in the champion's place, as the pipeline's argument `champion`: a Champion as JSON, "" where there is none."""
    promotion = ledger.current(model)
    if promotion is None:
        return ""
    version = ledger.version(model, promotion.version)
    champion = Champion(model=model, version=version.version, bundle=version.bundle, uri=version.uri, trained_on=version.trained_on)
    return champion.model_dump_json()


def _end_those_that_were_killed(ledger: Ledger, asked: Asked) -> None:
    """Whoever holds the home runs alone: another run of the project there that is on record as running was killed."""
    for record in ledger.runs(asked.project.name):
        if record.state == "running" and record.target == asked.target:          # a ledger may serve more homes than this one
            ledger.end_run(record.id, "failed", datetime.now(UTC))


def _refuse_unknown(project: Project, pipeline: str, target: str) -> None:
    if pipeline not in PIPELINES:
        raise ProjectError(f"pipeline: expected one of {', '.join(PIPELINES)}, found '{pipeline}'")
    target_of(project, target)


def _executed(asked: Asked, ledger: Ledger) -> Ended:
    sections = sections_of(asked.project, asked.directory, _signer(asked.places), asked.target)
    compiled = compiled_training(sections, asked.home / "cache" / "pipelines")
    there = inside(asked)
    if there is not None:
        compiled = compiled.on(there.image)
    request = Request(
        run=asked.run,
        home=asked.home,
        root=ROOT,
        parameters={"champion": champion_of(ledger, asked.project.name), **asked.options.parameters},
        environment={"JOURNEY_PROJECT": str(asked.directory), "JOURNEY_HOME": str(asked.home), "JOURNEY_RUN": asked.run},
        libraries=libraries_of(asked.project),
        until=asked.options.until,
        workers=asked.options.workers,
        niceness=asked.options.niceness,
        progress=asked.options.progress or Silence(),
        holds=Standing(ledger, asked.project.name, asked.place).holds,
        runner=there.runner if there else None,
    )
    return execute(read(compiled.spec, compiled.platform), request)


def _signer(places: Places) -> str:
    """The id of the key that the bundle will be signed with. A pod's key is with the step that signs alone: others know whose it is."""
    if places.target.engine == "job":
        return public_id(places.keys)
    return SigningKey.load_or_create(places.keys).id


def _result(asked: Asked, ended: Ended) -> Run:
    outputs = {step: _plain(values) for step, values in ended.record.outputs.items()}
    registered = outputs.get(REGISTER, {})
    version, digest = registered.get("version"), registered.get("digest")
    state: RunState = "done"
    if ended.failure:
        state = "refused" if ended.failure.exit_code == _REFUSED else "failed"
    return Run(
        id=asked.run,
        project=asked.directory,
        home=asked.home,
        state=state,
        model=asked.project.name,
        version=version if isinstance(version, int) else None,
        bundle_digest=digest if isinstance(digest, str) else None,
        metrics=_metrics(outputs),
        steps=tuple(sorted(ended.record.steps.values(), key=lambda step: step.started)),
        outputs=outputs,
        report=None,
        error=ended.failure.text() if ended.failure else None,
        exit_code=ended.failure.exit_code if ended.failure else 0,
        seconds=ended.seconds,
    )


def _plain(values: Values) -> dict[str, object]:
    plain: dict[str, object] = dict(values.parameters)
    for name, value in values.artifacts.items():
        plain[name] = [item.uri for item in value] if isinstance(value, tuple) else value.uri
    return plain


def _metrics(outputs: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, float]]:
    """The chosen model's metrics, read from what the steps wrote; empty before there is a choice."""
    try:
        choice = Choice.read(Path(str(outputs["choose-model"]["choice"])) / "choice.json")
        board = Board.read(Path(str(outputs["tune-models"]["tuned"])) / "board.json")
    except (KeyError, DataError):
        return {}
    row = next((row for row in board.rows if row.candidate == choice.candidate), None)
    validation = {metric.name: metric.value for metric in row.metrics} if row else {}
    return {"test": {metric.name: metric.value for metric in choice.test_metrics}, "validation": validation}

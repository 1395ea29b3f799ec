"""A run in a cluster, told of on the laptop as if it were here: its Job is followed, its result and its page are kept in the home."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from components.connections.cluster import Cluster
from components.image import PROJECT_FOLDER
from components.pod import EXECUTOR, HOME
from journey.errors import DataError, ProjectError
from pipelines.asked import Asked
from pipelines.engines.local.lock import Busy
from pipelines.engines.local.progress import line_of
from pipelines.project_image import project_image
from pipelines.remote.errand import going_on, sweep, under_way
from pipelines.remote.events import Event, Parts, error_of, event_of, run_of, step_of
from pipelines.remote.jobs import Command
from pipelines.runs import Progress, Run, Silence, keep

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,46}[a-z0-9])?")      # with `run-` before it and what Kubernetes puts behind it at most 63


@dataclass(frozen=True)
class Told:
    """What a run in a pod told of itself: result.json's object with the exit code, and the page; both as text."""

    result: str
    report: str


def run_there(asked: Asked) -> Run:
    """Runs on a target of engine job, to its end.

    Raises:
        Busy: a run of the project is under way there.
        Unavailable: the cluster doesn't answer or lets no pod run; its own reason is told.
        JourneyError: what the run would have raised here.
    """
    progress = asked.options.progress or Silence()
    cluster = Cluster.connect(asked.place.namespace or asked.project.name)
    try:
        if not asked.options.wait:
            _refuse_second(cluster, asked)
        progress.said(f"the image of {asked.directory.name} is made and pushed")
        image = project_image(asked.directory, asked.project.name, asked.place, cluster)
        progress.said(f"run {asked.run} begins in namespace {cluster.namespace}, in {image}")
        sweep(cluster)
        folder = asked.home / "runs" / asked.run
        (folder / "log").mkdir(parents=True, exist_ok=True)
        with (folder / "log" / "run.log").open("w", encoding="utf-8") as log:
            told = carried_out(cluster, executor_of(asked, image, asked.directory.name), progress, log)
    finally:
        progress.close()
        cluster.close()
    return _kept(told, asked, folder / "report.html")


def executor_of(asked: Asked, image: str, called: str) -> Command:
    """The command that runs, in a pod beside the volume, what was asked for here.

    Args:
        asked: what.
        image: the project's, by digest.
        called: what the run's page calls the project's folder.

    Raises:
        ProjectError: the run's id is no part of a Kubernetes name.
    """
    if not _NAME.fullmatch(asked.run):
        raise ProjectError(f"run: expected at most 48 of a-z, 0-9 and - as the id of a run on a cluster, found '{asked.run}'")
    options = asked.options
    words = ["-p", PROJECT_FOLDER, "--home", HOME, "--target", asked.target, "--run", asked.run, "--called", called]
    words += [word for name, value in sorted(options.parameters.items()) for word in ("--parameter", f"{name}={value}")]
    words += ["--until", options.until] if options.until else []
    words += ["--workers", str(options.workers)] if options.workers else []
    words += ["--wait"] if options.wait else []
    return Command(
        name=f"run-{asked.run}",
        component=EXECUTOR,
        words=tuple(words),
        image=image,
        model=asked.project.name,
        target=asked.target,
        place=asked.place,
        labels={"run": asked.run},
    )


def carried_out(cluster: Cluster, command: Command, progress: Progress, log: TextIO | None = None) -> Told:
    """Runs an executor to its end and hears what it tells.

    Args:
        cluster: where.
        command: what.
        progress: is told of the steps, and of the pod's other lines.
        log: is written to, a line each.

    Raises:
        JourneyError: what the run raised, or why it was never heard of again.
    """
    listener = _Listener(progress, log)
    with under_way(cluster, command, listener.said) as follower:
        for line in follower.lines():
            listener.take(line)
    return listener.told(command)


class _Listener:
    """Hears a run's events."""

    def __init__(self, progress: Progress, log: TextIO | None) -> None:
        self._progress, self._log = progress, log
        self._parts = {"result": Parts(), "report": Parts()}
        self._ended: set[str] = set()

    def take(self, line: str) -> None:
        """A line of the executor's log.

        Raises:
            JourneyError: that the run told of, by its own class.
        """
        event = event_of(line)
        if event is None:
            self.said(line)
        elif event.kind in self._parts:
            self._parts[event.kind].add(event)
        elif event.kind == "error":
            raise error_of(event)
        else:
            self._step(event)

    def said(self, line: str) -> None:
        """A line for people."""
        self._note(line)
        self._progress.said(line)

    def told(self, command: Command) -> Told:
        """What became of the run.

        Raises:
            DataError: it ended without a word.
        """
        result, report = self._parts["result"].content, self._parts["report"].content
        if result is None or report is None:
            advice = f"See `journey status --target {command.target}` and `journey logs --target {command.target}`."
            raise DataError(f"Job {command.name}: expected the run's result and page in its log, found neither whole. {advice}")
        return Told(result, report)

    def _step(self, event: Event) -> None:
        if event.kind == "began":
            self._progress.began(str(event.fields["step"]))
        elif event.kind == "ended":
            told = event.fields["step"]
            assert isinstance(told, dict)
            step = step_of(told)
            if step.name not in self._ended:            # an executor that takes a run up again finds its steps in the cache
                self._note(line_of(step))
                self._progress.ended(step)
            self._ended.add(step.name)

    def _note(self, line: str) -> None:
        if self._log is not None:
            self._log.write(f"{line}\n")
            self._log.flush()


def _refuse_second(cluster: Cluster, asked: Asked) -> None:
    others = [job for job in going_on(cluster, asked.project.name) if job != f"run-{asked.run}"]
    if others:
        advice = f"Wait for it (--wait), or end it: kubectl -n {cluster.namespace} delete job {others[0]}"
        raise Busy(f"namespace {cluster.namespace}: expected no other run of '{asked.project.name}', found Job {others[0]}. {advice}")


def _kept(told: Told, asked: Asked, page: Path) -> Run:
    page.write_text(told.report, encoding="utf-8")
    run = replace(run_of(told.result, asked.directory, asked.home), report=page)
    keep(run)
    return run

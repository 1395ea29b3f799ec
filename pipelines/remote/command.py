"""A command of one moment (promote, status, …) carried into the cluster: what it writes is written here, and its exit code is ours."""

import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from components.connections.cluster import Cluster
from components.image import PROJECT_FOLDER
from components.pod import HOME, OPERATOR
from journey.errors import JourneyError
from journey.project import load_project
from journey.targets import Target
from pipelines.placement import target_of
from pipelines.project_image import project_image
from pipelines.remote.errand import take_away, under_way
from pipelines.remote.events import event_of
from pipelines.remote.jobs import Command


@dataclass(frozen=True)
class Site:
    """A project where it runs.

    Attributes:
        model: the project's name.
        target, place: the target's name, and what project.yaml says of it.
        image: the project's, by digest.
    """

    model: str
    target: str
    place: Target
    image: str


@dataclass(frozen=True)
class Streams:
    """Where what a command writes goes: to `out` as it was written, to `err` line by line."""

    out: Callable[[str], object]
    err: Callable[[str], None]


def command_there(project: Path, target: str, words: tuple[str, ...], variables: Mapping[str, str]) -> int:
    """Runs a command on a target of engine job; what it writes goes to this process's stdout and stderr.

    Args:
        project: the project's folder.
        target: as project.yaml names it.
        words: the command and its arguments, without project, home and target.
        variables: for its process, such as who asks.

    Returns:
        The command's exit code.

    Raises:
        ProjectError: the project or the target is wrong.
        Unavailable: the cluster doesn't answer, or no pod comes to run.
    """
    found = load_project(project)
    place = target_of(found, target)
    cluster = Cluster.connect(place.namespace or found.name)
    try:
        site = Site(found.name, target, place, project_image(project.resolve(), found.name, place, cluster))
        return carried_out(cluster, operator_of(site, words, variables), Streams(sys.stdout.write, _noted))
    finally:
        cluster.close()


def operator_of(site: Site, words: tuple[str, ...], variables: Mapping[str, str]) -> Command:
    """The command as a Job of its own, in the project's image."""
    return Command(
        name=f"{words[0]}-{secrets.token_hex(4)}",
        component=OPERATOR,
        words=(*words, "-p", PROJECT_FOLDER, "--home", HOME, "--target", site.target),
        image=site.image,
        model=site.model,
        target=site.target,
        place=site.place,
        variables=variables,
    )


def carried_out(cluster: Cluster, command: Command, streams: Streams) -> int:
    """Runs an operator to its end; its Job is taken away then, because all that it said was passed on.

    Returns:
        Its exit code.

    Raises:
        Unavailable: the cluster doesn't answer, no pod comes to run, or it was lost before it ended.
    """
    with under_way(cluster, command, streams.err) as follower:
        for line in follower.lines():
            event = event_of(line)
            if event is not None and event.kind == "out":
                streams.out(str(event.fields["text"]))
            else:
                streams.err(line)
    with suppress(JourneyError):        # what is left of it goes after a day
        take_away(cluster, command.name)
    assert follower.exit_code is not None, "lines() ends with an exit code, or raises"
    return follower.exit_code


def _noted(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()

"""Commands on records that are in a cluster: the same command is carried there, and answers here."""

import os
from pathlib import Path

import typer

from app.cli.opened import somebody
from app.interruption import heed_sigterm
from components.pod import ACTOR, INSIDE
from journey.project import load_project
from pipelines.placement import target_of


def carried(project: Path, target: str, *words: str) -> bool:
    """Carries a command to where the target's records are.

    Args:
        project: the project's folder.
        target: as project.yaml names it.
        words: the command with its arguments, without project, home and target.

    Returns:
        Whether it was carried, and is done. False: the records are within reach of this process.

    Raises:
        ProjectError: the project or the target is wrong.
        Unavailable: the cluster doesn't answer, or no pod comes to run.
        typer.Exit: with the command's own exit code, where it isn't 0.
    """
    if target == "local" or INSIDE in os.environ or target_of(load_project(project), target).engine != "job":
        return False
    from pipelines.remote.command import command_there

    heed_sigterm()
    code = command_there(project, target, words, {ACTOR: somebody()})
    if code:
        raise typer.Exit(code)
    return True


def flag(name: str, given: bool) -> tuple[str, ...]:
    """An option without a value, as a word of the command where it was given."""
    return (name,) if given else ()


def option(name: str, value: object | None) -> tuple[str, ...]:
    """An option with its value as one word, so that a value may begin with a dash; none where it wasn't given."""
    return () if value is None else (f"{name}={value}",)

"""`journey check`: what is wrong with a project, before anything runs."""

import json
from dataclasses import asdict
from pathlib import Path

import typer

from app.cli.options import JsonOption, ProjectOption
from journey.project import Project, load_project, problems


def check(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Read the project and say all that is wrong with it, with line numbers. None of its Python is run.

    Example: journey check -p examples/payments
    """
    found = problems(project)
    if as_json:
        typer.echo(json.dumps({"problems": [asdict(problem) for problem in found]}))
    elif found:
        typer.echo("\n".join(map(str, found)), err=True)
        typer.echo("1 problem" if len(found) == 1 else f"{len(found)} problems", err=True)
    else:
        typer.echo(_summary(load_project(project)))
    if found:
        raise typer.Exit(1)


def _summary(project: Project) -> str:
    predict, columns = project.predict, len(project.spine_table.columns)
    tables = "1 table" if len(project.tables) == 1 else f"{len(project.tables)} tables"
    return (
        f"{project.name}: {tables}, spine {project.spine.table} with {columns} columns; "
        f"predicts {predict.label} ({predict.task}, by {predict.metric}). No problems."
    )

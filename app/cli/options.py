"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ProjectOption = Annotated[Path, typer.Option("-p", "--project", help="The project's folder.", show_default="the current folder")]
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", envvar="JOURNEY_HOME", help="Where runs, models and the ledger are kept.", show_default="PROJECT/.journey"),
]
TargetOption = Annotated[
    str, typer.Option("--target", help="Where the project runs: a target of project.yaml.", show_default="local")
]
JsonOption = Annotated[bool, typer.Option("--json", help="End with one JSON object on stdout; progress goes to stderr.")]


def home_of(project: Path, home: Path | None) -> Path:
    """The home that a command works in: the one asked for, else `.journey` in the project; absolute."""
    return (home or project / ".journey").resolve()

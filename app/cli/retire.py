"""`journey retire`: a version out of use."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.cli.opened import opened, somebody
from app.cli.options import HomeOption, JsonOption, ProjectOption, TargetOption
from app.cli.there import carried, flag, option
from journey.records.entries import Retirement


def retire(
    version: Annotated[int, typer.Argument(min=1, help="The version to retire.")],
    project: ProjectOption = Path(),
    home: HomeOption = None,
    target: TargetOption = "local",
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit log.")] = "asked for",
    as_json: JsonOption = False,
) -> None:
    """Take a version out of use: it is not promoted any more, and its record is kept.

    Example: journey retire 1 --reason "trained on wrong prices"
    """
    if carried(project, target, "retire", str(version), *option("--reason", reason), *flag("--json", as_json)):
        return
    with opened(project, home, dict(os.environ), target) as records:
        retired = records.promoter.retire(Retirement(records.model, version, somebody(), reason, records.now))
    if as_json:
        typer.echo(json.dumps(asdict(retired), default=str))
        return
    typer.echo(f"{retired.model} version {retired.version} is retired since {retired.retired:%Y-%m-%d %H:%M} UTC")

"""`journey rollback`: back to the version that answered before."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.cli.deployed import deployed_line, deployed_now, require_image
from app.cli.opened import opened, somebody
from app.cli.options import HomeOption, JsonOption, ProjectOption, TargetOption
from app.cli.there import carried, flag, option


def rollback(
    project: ProjectOption = Path(),
    home: HomeOption = None,
    target: TargetOption = "local",
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit log.")] = "asked for",
    as_json: JsonOption = False,
) -> None:
    """Give the champion's role back to the version that had it before, retired or not.

    Example: journey rollback --reason "complaints since noon"
    Example: journey rollback --target kind
    """
    if carried(project, target, "rollback", *option("--reason", reason), *flag("--json", as_json)):
        return
    with opened(project, home, dict(os.environ), target) as records:
        before = records.ledger.current(records.model)
        require_image(records, records.promoter.before(records.model).version)
        promotion = records.promoter.rollback(records.model, somebody(), reason, records.now)
        if not as_json:
            replaced = f" in place of version {before.version}" if before else ""
            typer.echo(f"{promotion.model} version {promotion.version} is champion again{replaced} (promotion {promotion.seq})")
        deployed = deployed_now(records)
    if as_json:
        typer.echo(json.dumps({**asdict(promotion), "deployed": asdict(deployed) if deployed else None}, default=str))
    elif deployed:
        typer.echo(deployed_line(deployed))

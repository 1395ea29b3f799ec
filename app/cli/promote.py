"""`journey promote`: which version answers."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.cli.deployed import deployed_line, deployed_now, require_image
from app.cli.opened import Opened, opened, somebody
from app.cli.options import HomeOption, JsonOption, ProjectOption, TargetOption
from app.cli.there import carried, flag, option
from journey.errors import DataError
from journey.records.entries import PromotionRequest


def promote(
    version: Annotated[int | None, typer.Argument(min=1, help="The version to promote.", show_default="the newest")] = None,
    project: ProjectOption = Path(),
    home: HomeOption = None,
    target: TargetOption = "local",
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit log.")] = "asked for",
    replaces: Annotated[
        int | None, typer.Option(min=0, help="The promotion that it replaces; refused if another came between.", show_default="the newest")
    ] = None,
    evidence: Annotated[str, typer.Option("--evidence", hidden=True, help="What the trigger promotes for, as a JSON object.")] = "{}",
    as_json: JsonOption = False,
) -> None:
    """Make a version champion: a running server follows within a second, a Deployment with a rollout; neither loses a request.

    Example: journey promote 2 --reason "better on the newest month"
    Example: journey promote --target kind
    """
    words = (*(() if version is None else (str(version),)), *option("--reason", reason), *option("--replaces", replaces))
    if carried(project, target, "promote", *words, *flag("--json", as_json)):
        return
    with opened(project, home, dict(os.environ), target) as records:
        wanted = version if version is not None else _newest(records)
        seen = records.ledger.current(records.model)
        replaced = replaces if replaces is not None else seen.seq if seen else 0
        records.promoter.verify(records.model, wanted)
        require_image(records, wanted)
        request = PromotionRequest(records.model, wanted, replaced, somebody(), reason, records.now, evidence=json.loads(evidence))
        promotion = records.promoter.promote(request)
        if not as_json:
            before = f" in place of version {seen.version}" if seen and seen.version != promotion.version else ""
            typer.echo(f"{promotion.model} version {promotion.version} is champion{before} (promotion {promotion.seq})")
        deployed = deployed_now(records)
    if as_json:
        typer.echo(json.dumps({**asdict(promotion), "deployed": asdict(deployed) if deployed else None}, default=str))
    elif deployed:
        typer.echo(deployed_line(deployed))


def _newest(records: Opened) -> int:
    usable = [version.version for version in records.ledger.versions(records.model) if version.retired is None]
    if not usable:
        raise DataError(f"model '{records.model}': expected a version to promote, found none in use. `journey run` makes one.")
    return usable[-1]

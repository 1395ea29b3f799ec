"""`journey status`: which versions there are, which answers, and what is going on."""

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from app.cli.deployed import server_standing
from app.cli.opened import Opened, opened
from app.cli.options import HomeOption, JsonOption, ProjectOption, TargetOption
from app.cli.there import carried, flag
from journey.records.entries import Promotion, Retraining, RunRecord, Version

if TYPE_CHECKING:
    from components.operations.deployment import Standing as ServerStanding

_SHOWN = 5         # runs and retrainings; the newest


@dataclass(frozen=True)
class Standing:
    """How a model stands; `server` where the target serves with a Deployment."""

    model: str
    champion: Promotion | None
    challenger: Promotion | None
    versions: tuple[Version, ...]
    retrainings: tuple[Retraining, ...]
    runs: tuple[RunRecord, ...]
    server: "ServerStanding | None" = None


def status(
    project: ProjectOption = Path(), home: HomeOption = None, target: TargetOption = "local", as_json: JsonOption = False
) -> None:
    """Show the model's versions and roles, its newest runs and its retrainings.

    Example: journey status -p examples/payments --json
    Example: journey status -p examples/payments --target kind
    """
    if carried(project, target, "status", *flag("--json", as_json)):
        return
    with opened(project, home, dict(os.environ), target) as records:
        standing = _standing(records)
    if as_json:
        typer.echo(json.dumps(asdict(standing), default=str))
        return
    typer.echo("\n".join(_lines(standing)))


def _standing(records: Opened) -> Standing:
    ledger, model = records.ledger, records.model
    return Standing(
        model,
        ledger.current(model),
        ledger.current(model, "challenger"),
        ledger.versions(model),
        ledger.retrainings(model)[-_SHOWN:],
        ledger.runs(model)[:_SHOWN],
        server_standing(records),
    )


def _lines(standing: Standing) -> list[str]:
    champion = standing.champion
    first = "no version answers yet: `journey promote`, or `journey up`, which promotes a first one"
    if champion is not None:
        does = "answers" if standing.server is None else "is champion"
        first = f"version {champion.version} {does} since {_moment(champion.at)}, by {champion.actor}: {champion.reason}"
    lines = [f"{standing.model}: {first}", *_server_lines(standing.server)]
    lines += ["", "versions"] + [f"  {_version_line(version, standing)}" for version in standing.versions] if standing.versions else []
    lines += ["", "retrainings"] + [f"  {_retraining_line(item)}" for item in standing.retrainings] if standing.retrainings else []
    lines += ["", "runs"] + [f"  {_run_line(run)}" for run in standing.runs] if standing.runs else []
    return lines


def _server_lines(server: "ServerStanding | None") -> list[str]:
    if server is None:
        return []
    who = " and ".join(f"version {version}" for version in server.answering) or "no version"
    rolls = "" if server.done else f"; version {server.version} rolls out"
    return [f"server: {who} answers, {server.ready} of {server.desired} pods ready{rolls}", *(f"  {text}" for text in server.trouble)]


def _version_line(version: Version, standing: Standing) -> str:
    role = "retired" if version.retired else ""
    for name, promotion in (("challenger", standing.challenger), ("champion", standing.champion)):
        if promotion is not None and promotion.version == version.version and not version.retired:
            role = name
    trained = f"trained up to {version.trained_on[1][:16]}" if version.trained_on[1] else ""
    return f"{version.version:<4} {role:<11} {version.bundle[:12]}  {_moment(version.registered)}  {trained}".rstrip()


def _retraining_line(item: Retraining) -> str:
    return f"{_moment(item.received)}  {item.trigger:<10} {item.state:<9} {item.run:<22} {item.reason}".rstrip()


def _run_line(run: RunRecord) -> str:
    return f"{run.id:<28} {run.state:<9} {_moment(run.started)}  {(run.bundle or '')[:12]}".rstrip()


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"

"""`journey audit`: who did what, and whether the log holds."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import typer

from app.cli.opened import opened
from app.cli.options import HomeOption, JsonOption, ProjectOption, TargetOption
from app.cli.there import carried, flag
from journey.records.entries import AuditEntry


def audit(
    project: ProjectOption = Path(), home: HomeOption = None, target: TargetOption = "local", as_json: JsonOption = False
) -> None:
    """Show the audit log of the project's model, after looking whether every line of it holds.

    Example: journey audit -p examples/payments
    """
    if carried(project, target, "audit", *flag("--json", as_json)):
        return
    with opened(project, home, dict(os.environ), target) as records:
        verified = records.ledger.verify_audit()
        entries = records.ledger.audit_trail(records.model)
    if as_json:
        typer.echo(json.dumps({"verified": verified, "entries": [asdict(entry) for entry in entries]}))
        return
    typer.echo("\n".join(map(_line, entries)) or "nothing was done yet")
    typer.echo(f"{verified} lines hold: none was changed, removed or put in", err=True)


def _line(entry: AuditEntry) -> str:
    version = f"version {entry.version}" if entry.version is not None else ""
    return f"{entry.at[:19]}  {entry.action:<18} {version:<11} {entry.actor:<14} {entry.reason}".rstrip()

"""`journey logs`: what a run's steps wrote."""

import json
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import HomeOption, ProjectOption, TargetOption, home_of
from app.cli.there import carried
from journey.errors import ProjectError


def logs(
    run: Annotated[str | None, typer.Argument(help="A run, or the last with 'last'.", show_default="a list of the runs")] = None,
    step: Annotated[str | None, typer.Argument(help="A step of it.", show_default="a list of its steps")] = None,
    project: ProjectOption = Path(),
    home: HomeOption = None,
    target: TargetOption = "local",
) -> None:
    """Show the runs, the steps of a run, or what a step of a run wrote.

    Example: journey logs last train-model.logistic
    Example: journey logs last --target kind
    """
    if carried(project, target, "logs", *(word for word in (run, step) if word is not None)):
        return
    runs = home_of(project, home) / "runs"
    if run is None:
        typer.echo("\n".join(_run_line(path) for path in _runs(runs)) or f"no runs in {runs}")
        return
    folder = _run(runs, run)
    if step is None:
        typer.echo("\n".join(_step_lines(folder)))
        return
    sys.stdout.write(_log(folder, step).read_text(encoding="utf-8", errors="replace"))


def _runs(runs: Path) -> list[Path]:
    """The folders of the runs, the newest first."""
    return sorted((path for path in runs.glob("*") if (path / "log").is_dir()), key=lambda path: path.stat().st_mtime, reverse=True)


def _run(runs: Path, name: str) -> Path:
    known = _runs(runs)
    if name == "last" and known:
        return known[0]
    for path in known:
        if path.name == name:
            return path
    raise ProjectError(f"run: expected one of {', '.join(path.name for path in known[:5]) or 'none yet'} in {runs}, found '{name}'")


def _result(folder: Path) -> dict[str, object]:
    """What the run ended with; nothing while it runs, or where it was killed."""
    try:
        result = json.loads((folder / "result.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return result if isinstance(result, dict) else {}


def _run_line(folder: Path) -> str:
    result = _result(folder)
    state = result.get("state", "not finished")
    version = f"version {result['version']}" if result.get("version") else ""
    return f"{folder.name:<28} {state!s:<14} {version}".rstrip()


def _step_lines(folder: Path) -> list[str]:
    steps = _result(folder).get("steps")
    if not isinstance(steps, list):
        return [path.stem for path in sorted((folder / "log").glob("[!.]*.log"))]
    return [_step_line(step) for step in steps]


def _step_line(step: dict[str, object]) -> str:
    """A step with how it ended; where it failed, with the file that says why."""
    failed = step["state"] in ("failed", "refused")
    note = "cached" if step["cached"] else f"log: {step['log']}" if failed and step["log"] else ""
    return f"{step['name']:<34} {step['state']:<8} {note}".rstrip()


def _log(folder: Path, step: str) -> Path:
    """A step's log: of this run, or of the run in which it ran last."""
    steps = _result(folder).get("steps")
    logs = {item["name"]: item["log"] for item in steps} if isinstance(steps, list) else {}
    here = {path.stem: str(path) for path in (folder / "log").glob("[!.]*.log")}
    named = {**{name: log for name, log in logs.items() if log and Path(log).is_file()}, **here}
    if step in named:
        return Path(named[step])
    if step in logs:
        found = "none: it did not run, its log was deleted, or it is in a cluster (--target)"
        raise ProjectError(f"step {step}: expected a log, found {found}")
    near = get_close_matches(step, named, n=1)
    raise ProjectError(f"step: expected one of {', '.join(named)}, found '{step}'." + (f" Did you mean {near[0]}?" if near else ""))

"""`journey demo`: all of it on a bundled project, with simulated traffic that drifts."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import JsonOption


def demo(
    as_json: JsonOption = False,
    no_drift: Annotated[bool, typer.Option("--no-drift", help="The same length of traffic, and nothing changes.")] = False,
    rate: Annotated[float, typer.Option(help="Payments a second.", min=100.0, max=1000.0)] = 100.0,
    seed: Annotated[int, typer.Option(help="Of the people and their payments.")] = 7,
    out: Annotated[Path, typer.Option(help="The folder in which the demonstration makes its own.")] = Path("build/demo"),
) -> None:
    """All of it on a bundled project, with simulated traffic that drifts: under four minutes.

    Example: journey demo --out build/demo
    """
    from app.demo import Script, perform
    from app.outcome import judge, told_outcome
    from app.report.timeline import write_timeline

    begun = time.monotonic()

    def tell(line: str) -> None:
        typer.echo(f"{time.monotonic() - begun:5.0f} s  {line}", err=True)

    performance = perform(Script(out, drift=not no_drift, rate=rate, seed=seed), tell)
    outcome = judge(performance)
    page = write_timeline(performance, outcome, performance.stage.folder / "demo.html")
    for line in told_outcome(outcome):
        tell(line)
    problems = outcome.problems(drift=not no_drift)
    for problem in problems:
        tell(problem)
    typer.echo(_epilogue(performance.stage.project, performance.stage.bank_url, page), err=True)
    if as_json:
        typer.echo(json.dumps(outcome.json(str(page))))
    if problems:
        raise typer.Exit(1)


def _epilogue(project: Path, bank: str, page: Path) -> str:
    return f"""
The page of this story:  {page}

Look around:
  export BANK_URL={bank}
  journey status -p {project}
  journey audit  -p {project}
  journey up     -p {project}
"""

"""`journey run`: the training pipeline, from raw data to a registered version."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import HomeOption, JsonOption, ProjectOption, TargetOption
from app.interruption import INTERRUPTED, heed_sigterm

if TYPE_CHECKING:
    from pipelines.runs import Progress, Run


def run(
    project: ProjectOption = Path(),
    home: HomeOption = None,
    target: TargetOption = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="How many steps at a time.", show_default="one for each core; 2 pods")] = None,
    until: Annotated[str | None, typer.Option(help="The last step to run, such as curate-data.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait while another run of this project is going on.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train, validate, package and register a model; what did not change is not done again.

    Example: journey run -p examples/payments
    Example: journey run -p examples/payments --target kind
    """
    heed_sigterm()
    try:
        from app.report.run import write_report
        from pipelines.submit import RunOptions, keep, submit

        options = RunOptions(until=until, workers=workers, progress=_progress(), home=home, wait=wait)
        done = submit(project, target=target, options=options)
    except KeyboardInterrupt:
        typer.echo("journey: interrupted. Finished steps are kept: the next run goes on from there.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if done.report is None:             # a run in a cluster has made its page there
        done = replace(done, report=write_report(done, done.project, done.home / "runs" / done.id / "report.html"))
        keep(done)
    if as_json:
        typer.echo(json.dumps(done.json()))
    else:
        _tell(done, target)
    if done.exit_code:
        if done.error:
            typer.echo(f"journey: {done.error}", err=True)
        raise typer.Exit(done.exit_code)


def _progress() -> "Progress":
    from pipelines.engines.local.progress import Lines, Screen

    return Screen() if sys.stderr.isatty() else Lines()


def _tell(done: "Run", target: str) -> None:
    """What people want to know at the end of a run."""
    if done.version is not None:
        typer.echo(f"{done.model} version {done.version}, bundle {str(done.bundle_digest)[:12]}")
    for part, metrics in done.metrics.items():
        typer.echo(f"{part:<11}" + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
    typer.echo(f"report     {done.report}")
    if done.version is not None:
        following = f"journey serve -p {done.project}" if target == "local" else f"journey promote -p {done.project} --target {target}"
        typer.echo(f"next       {following}")

"""`journey serve`: the model answers on this machine, until Ctrl-C."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import HomeOption, ProjectOption, home_of
from app.places import server_options

if TYPE_CHECKING:
    from journey.model.bundle import BundleSignature
    from journey.places import Places
    from journey.project import Project


def serve(
    project: ProjectOption = Path(),
    home: HomeOption = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 8080,
) -> None:
    """Answer requests with the champion, or with the newest version while none is promoted.

    Example: journey serve -p examples/census
    """
    from app.answering import answering
    from journey.clock import duration
    from journey.model.bundle import open_bundle
    from journey.model.keys import Trusted
    from journey.places import Places
    from journey.project import load_project
    from pipelines.placement import target_of

    plan, place = load_project(project), home_of(project, home)
    places = Places(target_of(plan, "local"), place, os.environ)
    chosen = answering(places, plan.name)
    signature = open_bundle(Path(chosen.version.uri), Trusted.of(places.keys)).signature
    if signature.lookups:
        typer.echo("building the online features", err=True)
        _refresh(project.resolve(), place, duration(plan.features.refresh).total_seconds())
    server = subprocess.Popen(_command(plan, places, host, port), stdout=subprocess.PIPE, text=True)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: server.terminate())
    assert server.stdout is not None
    line = server.stdout.readline()
    if line:
        _tell(chosen.words, f"http://{host}:{json.loads(line)['port']}", signature)
    raise typer.Exit(server.wait())


def _command(plan: "Project", places: "Places", host: str, port: int) -> list[str]:
    options = [*server_options(places.target), *(["--feedback"] if plan.monitoring.feedback else [])]
    server = [sys.executable, "-m", "serving", "--home", str(places.home), "--model", plan.name, "--newest", *options]
    return [sys.executable, "-m", "app.child", str(os.getpid()), *server, "--host", host, "--port", str(port),
            "--latency-ms", str(plan.monitoring.latency_ms)]


def _refresh(project: Path, home: Path, refresh_seconds: float) -> None:
    """Builds the online features once; they stay as they are while this server runs.

    Raises:
        ProjectError: they can't be built; what was wrong stands above.
    """
    from journey.errors import ProjectError

    command = [sys.executable, "-m", "pipelines.refresher", "-p", str(project), "--home", str(home), "--once"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise ProjectError("online features: expected them to be built from the project's sources, found the error above.")
    typer.echo(f"online features are as of now; `journey up` refreshes them every {refresh_seconds:g} s", err=True)


def _tell(words: str, url: str, signature: "BundleSignature") -> None:
    """What people need in order to try it."""
    row = {column.name: column.example for column in signature.request if column.example is not None}
    body = json.dumps({"jsonData": {"rows": [row]}}, ensure_ascii=False)
    typer.echo(f"{words} answers at {url}. Try:\n")
    typer.echo(f"curl -s {url}/api/v1.0/predictions -H 'content-type: application/json' -d {shlex.quote(body)}\n")
    typer.echo(f"Metrics: {url}/metrics. Ctrl-C ends it.", err=True)
    sys.stdout.flush()

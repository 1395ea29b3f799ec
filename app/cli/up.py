"""`journey up`: the loop on this machine, until Ctrl-C."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import HomeOption, ProjectOption, home_of


def up(
    project: ProjectOption = Path(),
    home: HomeOption = None,
    host: Annotated[str, typer.Option(help="The address that server and trigger listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The server's port; 0 takes a free one.")] = 8080,
    trigger_port: Annotated[int, typer.Option(help="The trigger's port; 0 takes a free one.")] = 8081,
) -> None:
    """Server, refresh of online features, monitoring and retrain trigger on this machine: the loop is closed.

    Example: journey up -p examples/payments
    """
    from app.up import Place
    from app.up import up as run

    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: threading.Thread(target=stop.set).start())
    place = Place(project.resolve(), home_of(project, home), host, port, trigger_port)
    typer.echo(f"logs and status: {place.folder}", err=True)
    run(place, lambda line: typer.echo(line, err=True), stop)

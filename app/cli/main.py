"""The `journey` command: one module a subcommand, imported only when it is asked for."""

import signal
import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from journey import telemetry
from journey.errors import JourneyError

COMMANDS = (
    "init", "check", "run", "logs", "compile", "serve", "predict", "up",
    "status", "promote", "rollback", "retire", "audit", "secrets", "demo",
)
_DEBUG = "--debug"


def application(asked: Sequence[str]) -> typer.Typer:
    """The command line with the subcommand that `asked` names, or with all of them where it names none."""
    app = typer.Typer(
        help="From raw data to a model in production that looks after itself.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_options)
    named = next((word for word in asked if not word.startswith("-")), "")
    for name in (named,) if named in COMMANDS else COMMANDS:
        app.command(name)(getattr(import_module(f"app.cli.{name}"), name))
    return app


def _options(debug: bool = typer.Option(False, _DEBUG, help="Show where an error came from.")) -> None:
    """From raw data to a model in production that looks after itself."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    asked = [word for word in given if word != _DEBUG]
    telemetry.switch_off()
    try:
        application(asked)(asked, prog_name="journey")
    except JourneyError as error:
        if _DEBUG in given:
            raise
        typer.echo(f"journey: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:                # while a command's modules were loaded; from then on it ends in its own way
        typer.echo("journey: interrupted", err=True)
        sys.exit(128 + signal.SIGINT)
    except OSError as error:                 # a file in the way, no permission, a full disk: people can mend that
        if _DEBUG in given:
            raise
        typer.echo(f"journey: expected files and folders that can be read and written, found: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        if _DEBUG in given:
            raise
        typer.echo(f"journey: this should not have happened: {type(error).__name__}: {error}", err=True)
        typer.echo(f"Run it again with {_DEBUG} to see where.", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

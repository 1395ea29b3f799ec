"""`journey init`: a new project, a small one that runs or one guessed from a CSV file."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    directory: Annotated[Path, typer.Argument(help="The new project's folder.")],
    data: Annotated[Path | None, typer.Option("--from", help="A CSV file with a header line to make the project from.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="The column of that file to predict.")] = None,
) -> None:
    """Make a new project that runs as it is: a small one with made-up data, or one guessed from a CSV file.

    Example: journey init churn, or journey init income --from census.csv --label income
    """
    if (data is None) != (label is None):
        raise typer.BadParameter("--from FILE and --label COLUMN go together: the file to read and the column of it to predict")
    if data is None or label is None:
        from app.scaffold.starter import make_starter

        make_starter(directory)
        typer.echo(f"{directory}: a small project with made-up data; project.yaml says what is what.")
    else:
        from app.scaffold.from_csv import make_from_csv

        guess = make_from_csv(directory, data, label)
        typer.echo(f"{directory}: predicts {guess.label} ({guess.task}, by {guess.metric}); project.yaml has the reason of each guess.")
    typer.echo(f"Next: journey check -p {directory}, then journey run -p {directory}")

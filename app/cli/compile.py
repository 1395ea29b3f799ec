"""`journey compile`: the training pipeline as a file for another engine."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import ProjectOption


class Format(StrEnum):
    """What can be written."""

    kfp = "kfp"


def compile(  # noqa: A001 -- named after the command
    project: ProjectOption = Path(),
    to: Annotated[Format, typer.Option("--to", help="For which engine.")] = Format.kfp,
    image: Annotated[str, typer.Option(help="The image of the steps, by digest: REGISTRY/NAME@sha256:…")] = "journey-steps",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The file to write; without it, the standard output.")] = None,
) -> None:
    """Write the training pipeline as a Kubeflow Pipelines file.

    Example: journey compile --to kfp --image registry.example/journey-steps@sha256:0123… -o pipeline.yaml
    """
    from pipelines.compile import kfp_yaml

    text = kfp_yaml(project.resolve(), image)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        typer.echo(f"{to.value}: {output}", err=True)

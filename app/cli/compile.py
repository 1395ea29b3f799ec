"""`journey compile`: what the project gives other engines: the training pipeline, or the drift rules, as a file."""

import os
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import ProjectOption, TargetOption

_DAY = timedelta(days=1)


class Format(StrEnum):
    """What can be written."""

    kfp = "kfp"
    rules = "rules"


def compile(  # noqa: A001 -- named after the command
    project: ProjectOption = Path(),
    to: Annotated[Format, typer.Option("--to", help="kfp: Kubeflow Pipelines; rules: drift rules for Prometheus.")] = Format.kfp,
    target: TargetOption = "local",
    image: Annotated[str, typer.Option(help="kfp: the image of the steps, by digest: REGISTRY/NAME@sha256:…")] = "journey-steps",
    scrape: Annotated[str, typer.Option(help="rules: how often Prometheus scrapes the servers.")] = "15s",
    day: Annotated[str | None, typer.Option(help="rules: how long a day takes.", show_default="as JOURNEY_CLOCK has it")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The file to write; without it, the standard output.")] = None,
) -> None:
    """Write the training pipeline for Kubeflow Pipelines, or the drift rules for Prometheus.

    Example: journey compile --to kfp --target prod --image registry.example/journey-steps@sha256:0123… -o pipeline.yaml
    """
    if to is Format.kfp:
        from pipelines.compile import kfp_yaml

        text = kfp_yaml(project.resolve(), image, target)
    else:
        text = _rules(project.resolve(), target, scrape, day)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        typer.echo(f"{to.value}: {output}", err=True)


def _rules(directory: Path, target: str, scrape: str, day: str | None) -> str:
    """The project's drift rules, in real time as it passes on the platform clock or as `day` says."""
    from journey.clock import clock_of
    from journey.project import load_project
    from monitoring.promql import Timing, rule_file
    from monitoring.rules import rules_of
    from pipelines.placement import target_of

    project = load_project(directory)
    target_of(project, target)              # the rules are the same in each place; a place that isn't there is a mistake all the same
    scale = _DAY / _positive("--day", day) if day is not None else clock_of(os.environ).scale
    return rule_file(rules_of(project.monitoring.windows), Timing(_positive("--scrape", scrape), scale))


def _positive(option: str, text: str) -> timedelta:
    """A span of time that is longer than nothing.

    Raises:
        typer.BadParameter: it isn't, or the text is none.
    """
    from journey.clock import duration

    try:
        length = duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
    if length <= timedelta():
        raise typer.BadParameter(f"expected more than no time, found {text}", param_hint=option)
    return length

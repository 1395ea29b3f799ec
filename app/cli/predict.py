"""`journey predict`: a file of rows, scored as the server would score them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import HomeOption, ProjectOption, home_of

if TYPE_CHECKING:
    from app.predict import Layout
    from journey.model.bundle import BundleSignature
    from journey.model.scoring_tables import LookUp
    from journey.places import Places
    from journey.project import Project


def predict(
    source: Annotated[Path, typer.Argument(help="CSV or Parquet with the spine's raw columns.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write: .csv or .parquet.")],
    project: ProjectOption = Path(),
    home: HomeOption = None,
    version: Annotated[int | None, typer.Option(help="Which version.", show_default="the champion, else the newest")] = None,
) -> None:
    """Score a file; a row that breaks a rule gets an error in place of a prediction.

    Example: journey predict new.csv -o scored.csv
    """
    from app.answering import answering
    from app.predict import predict_file
    from journey.model.bundle import open_bundle
    from journey.model.keys import Trusted
    from journey.model.scoring import Scorer
    from journey.places import Places
    from journey.project import load_project
    from pipelines.placement import target_of

    plan = load_project(project)
    places = Places(target_of(plan, "local"), home_of(project, home), os.environ)
    chosen = answering(places, plan.name, version)
    typer.echo(f"scored by {chosen.words}", err=True)
    scorer = Scorer(open_bundle(Path(chosen.version.uri), Trusted.of(places.keys)))
    done = predict_file(scorer, _look_up(places, scorer.signature), source, output, _layout(plan))
    refused = f", {done.refused} of them with an error, the first in {done.example}" if done.refused else ""
    typer.echo(f"{output}: {done.rows} rows{refused}", err=True)


def _look_up(places: "Places", signature: "BundleSignature") -> "LookUp":
    """Looks rows up in the online features as they are now."""
    from journey.clock import clock_of
    from journey.model.lookups import is_redis, open_online
    from journey.model.scoring_tables import nothing_looked_up

    if not signature.lookups:
        return nothing_looked_up
    place = places.online
    if not is_redis(place) and not Path(place).is_file():
        typer.echo(f"no online features in {place}: looked-up values count as missing. `journey up` builds them.", err=True)
    store, now = open_online(place, signature.lookups), clock_of(os.environ).now()
    return lambda values: store.read(values, now)


def _layout(plan: "Project") -> "Layout":
    """The file is laid out as the spine's own source is."""
    from app.predict import Layout
    from journey.project import FilesSource

    source = plan.sources.get(plan.spine.table)
    return Layout(source.delimiter, source.header) if isinstance(source, FilesSource) else Layout()

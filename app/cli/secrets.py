"""`journey secrets`: the secrets of a target's namespace."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ProjectOption
from journey.errors import ProjectError

if TYPE_CHECKING:
    from components.connections.registry_login import Login


def secrets(
    target: Annotated[str, typer.Option("--target", help="The target of project.yaml whose namespace they are for.")],
    project: ProjectOption = Path(),
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="NAME", help="A variable that project.yaml's sources name; the environment gives its value."),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--given", metavar="NAME", help="LEDGER_URL, REDIS_URL, MLFLOW_URL or BACKEND_URI of a service outside, likewise."),
    ] = None,
    login: Annotated[
        bool,
        typer.Option("--login", help="What `docker login` left here for the target's image registry; nodes pull with it, pods push."),
    ] = False,
) -> None:
    """Make the random passwords and the signing key of a cluster's namespace; those that are there are kept.

    Values are read from the environment, so that they stand in no list of processes and no shell history.

    Example: journey secrets -p examples/payments --target kind --source BANK_URL
    """
    from app.cluster_secrets import make_secrets, missing
    from components.connections.cluster import Cluster

    namespace, variables, registries = _place(project, target)
    cluster = Cluster.connect(namespace)
    sources = _from_environment("--source", source or (), variables)
    for written in make_secrets(cluster, _given(given or ()), sources, _logins(registries) if login else {}):
        typer.echo(f"{written.outcome:8} {written.kind} {namespace}/{written.name}")
    if lacking := missing(cluster, variables):
        options = " ".join(f"--source {name}" for name in lacking)
        advice = f"Export what pods will need and call this again with {options}."
        typer.echo(f"The project's sources name {', '.join(lacking)}, which the namespace doesn't hold yet. {advice}", err=True)


def _place(project: Path, target: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The target's namespace, the variables that the project's sources name, and the image registries of the target."""
    from journey.project import load_project
    from pipelines.placement import INGEST, SOURCES, placement_of, target_of

    loaded = load_project(project)
    place = target_of(loaded, target)
    if place.namespace is None:
        found = f"found none (engine {place.engine})"
        raise ProjectError(f"target '{target}': expected the namespace of a cluster, {found}. Name another target with --target.")
    registries = tuple(name for name in (place.images, place.push) if name)
    return place.namespace, placement_of(loaded, place).needs[INGEST].variables.get(SOURCES, ()), registries


def _logins(registries: Collection[str]) -> dict[str, "Login"]:
    """What this machine knows for image registries.

    Raises:
        ProjectError: it knows nothing for any of them.
    """
    from components.connections.registry_login import login_of
    from journey.places import resolved

    addresses = [resolved(name, os.environ).partition("/")[0] for name in registries]
    found = {address: login for address in addresses if (login := login_of(address, os.environ)) is not None}
    if not found:
        told = f"found none for {' or '.join(addresses) or 'the target, which names no images'}"
        advice = f"Call `docker login {' '.join(addresses[:1])}` first."
        raise ProjectError(f"--login: expected a login to the target's image registry, {told}. {advice}")
    return found


def _given(names: Collection[str]) -> dict[str, str]:
    from app.cluster_secrets import GIVEN

    return _from_environment("--given", names, tuple(GIVEN))


def _from_environment(option: str, names: Collection[str], known: tuple[str, ...]) -> dict[str, str]:
    """The values of variables.

    Raises:
        ProjectError: a name isn't known, or its variable isn't set.
    """
    from journey.places import resolved

    if strange := sorted(set(names) - set(known)):
        raise ProjectError(f"{option}: expected some of {', '.join(known) or 'none'}, found {', '.join(strange)}.")
    return {name: resolved(f"${{{name}}}", os.environ) for name in names}

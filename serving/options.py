"""What `python -m serving` is asked for, read and looked at before anything is opened."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from journey.errors import ProjectError
from journey.places import Places
from journey.targets import Target
from serving.app import Limits
from serving.follow import Watched


@dataclass(frozen=True)
class FixedVersion:
    """The one version that is served, whatever the ledger says; `model` is "" where its bundle's name will do."""

    bundle: Path
    model: str
    version: int


@dataclass(frozen=True)
class Asked:
    """The command line.

    Attributes:
        serves: a version of a folder, or what a ledger says.
        places: where ledger, looked-up features and trusted keys are.
        online: whether looked-up features have a place.
        feedback: whether answers and labels are kept in the ledger.
        latency_seconds: the service level's.
    """

    serves: FixedVersion | Watched
    places: Places
    online: bool
    host: str
    port: int
    feedback: bool
    latency_seconds: float
    limits: Limits


def asked_for(arguments: Sequence[str] | None, environment: dict[str, str]) -> Asked:
    """Reads the command line; ends the process with what is wrong where it can't be read.

    Args:
        arguments: None for the process's own.
        environment: gives JOURNEY_KEYS, and the URLs' `${NAME}` when they are needed.

    Raises:
        ProjectError: options are missing that the others need.
    """
    parser = _parser()
    asked = parser.parse_args(arguments)
    if (asked.home is None) == (asked.bundle is None):
        raise ProjectError("options: expected either --home, to serve what a ledger says, or --bundle, to serve one version of a folder.")
    if asked.bundle is not None:
        _require(asked.version is not None, "--version", "which its metrics and answers name")
        _require(asked.ledger is not None or not asked.feedback, "--ledger", "where --feedback keeps answers and labels")
        _require(asked.keys is not None or "JOURNEY_KEYS" in environment, "--keys", "the folder of the public keys that are trusted")
    else:
        _require(asked.model is not None, "--model", "whose versions the ledger says")
    target = Target(ledger=asked.ledger, online=asked.online)
    if asked.keys is not None:
        environment = {**environment, "JOURNEY_KEYS": str(asked.keys)}
    return Asked(
        _serves(asked), Places(target, asked.home or asked.bundle.parent, environment), bool(asked.online or asked.home),
        asked.host, asked.port, asked.feedback, asked.latency_ms / 1000, Limits(asked.most_bytes, asked.most_rows),
    )


def _serves(asked: argparse.Namespace) -> FixedVersion | Watched:
    if asked.bundle is not None:
        return FixedVersion(asked.bundle, asked.model or "", asked.version)
    return Watched(asked.model, asked.hold, asked.newest)


def _require(given: bool, option: str, why: str) -> None:
    if not given:
        raise ProjectError(f"options: expected {option}, {why}, found none. `python -m serving --help` shows all of them.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m serving", description="Answers with a model's promoted version, or with one version.")
    add = parser.add_argument
    add("--home", type=Path, help="JOURNEY_HOME: ledger, keys and online features; the promoted version is followed")
    add("--bundle", type=Path, help="the folder of one version's bundle: served as it is, and no ledger is asked")
    add("--model", help="the model's name, as in project.yaml; with --bundle by default the bundle's")
    add("--version", type=int, help="the number of the bundle's version")
    add("--keys", type=Path, help="the folder of trusted public keys, by default $JOURNEY_KEYS, else HOME/keys")
    add("--ledger", help="the ledger's URL, by default sqlite:///HOME/ledger.db; ${NAME} is read from the environment")
    add("--online", help="looked-up features: a file or a redis:// URL, by default HOME/feast/online.db; ${NAME} as in --ledger")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0 takes a free one and says which")
    add("--feedback", action="store_true", help="keep answers and labels in the ledger")
    add("--newest", action="store_true", help="where no version is promoted, answer with the newest")
    add("--hold", type=int, default=2, help="how many versions to hold besides the champion")
    add("--latency-ms", type=float, default=20.0, help="the service level's latency: an edge of the histogram")
    add("--most-rows", type=int, default=Limits.rows, help="rows a request")
    add("--most-bytes", type=int, default=Limits.body_bytes, help="bytes a request's body")
    return parser

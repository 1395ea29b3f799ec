"""MLflow's own server as the place of versions: it is given the files, and knows no path of ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from journey.errors import Unavailable
from journey.telemetry import switch_off

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = "version"            # of a run's artifacts: what a version's source names
_HABITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",               # MLflow's own 7 take four minutes; its server starts anew in half a minute
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",     # of every run; the server's URL may hold a password
}


def connected(uri: str) -> "MlflowClient":
    """A client of the server; nothing is asked of it yet."""
    switch_off()
    for name, value in _HABITS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """What MLflow raises, as errors of ours; no password that the URI holds is shown.

    Raises:
        Unavailable: the server doesn't answer, or refuses.
    """
    switch_off()
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException) as error:
        parts = urlsplit(uri)
        secret = parts.netloc.rpartition("@")[0]
        place, found = (text.replace(f"{secret}@", "") if secret else text for text in (uri, " ".join(str(error).split())))
        raise Unavailable(
            f"registry {place}: expected MLflow's server to answer, found {found}. "
            "Look whether it runs, and whether it was started with --serve-artifacts and this host among --allowed-hosts; then try again."
        ) from error


def upload(client: "MlflowClient", run: str, folder: Path) -> str:
    """Puts a version's folder among a run's artifacts, unless it lies there whole.

    Returns:
        The URI from which the server gives the files to whoever loads the version.
    """
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    if not sizes.items() <= _uploaded(client, run).items():
        client.log_artifacts(run, str(folder), FOLDER)
    return f"{client.get_run(run).info.artifact_uri}/{FOLDER}"


def _uploaded(client: "MlflowClient", run: str) -> dict[str, int]:
    """Path below the version's folder > bytes."""
    found: dict[str, int] = {}
    folders = [FOLDER]
    while folders:
        for item in client.list_artifacts(run, folders.pop()):
            if item.is_dir:
                folders.append(item.path)
            else:
                found[item.path.removeprefix(f"{FOLDER}/")] = int(item.file_size or 0)
    return found

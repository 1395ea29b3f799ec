"""`python -m app.relayed COMMAND…`: a `journey` command in a pod, its stdout told apart from all else in the container's log."""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from app.cli.main import main
from app.interruption import heed_sigterm
from components.pod import JOB
from journey.errors import Unavailable
from pipelines.remote.events import RelayedOutput

_CHANGING = ("promote", "rollback", "retire")       # others may be done again
_BEGUN = "commands"                                 # in the home: an empty file for each Job of these that began


def begun_before(home: Path, job: str) -> bool:
    """Whether another pod of the Job began its command; from now on one has.

    Kubernetes makes a new pod where one is drained, whatever the Job says of trying again: a rollback would be two.

    Raises:
        Unavailable: the home can't be written to.
    """
    begun = home / _BEGUN / job
    try:
        begun.parent.mkdir(parents=True, exist_ok=True)
        begun.touch(exist_ok=False)
    except FileExistsError:
        return True
    except OSError as error:
        raise Unavailable(f"{begun}: expected a home that can be written to, found: {error}. Nothing was done.") from error
    return False


def _refusal(command: str) -> str:
    """Why the command isn't begun here; "" where it is."""
    if command not in _CHANGING or JOB not in os.environ:
        return ""
    try:
        before = begun_before(Path(os.environ["JOURNEY_HOME"]), os.environ[JOB])
    except Unavailable as error:
        return f"journey: {error}"
    told = f"journey: {command} was begun in a pod that is lost, and isn't begun again: `journey status` tells what came of it."
    return told if before else ""


if __name__ == "__main__":
    heed_sigterm()
    asked = sys.argv[1:]
    if refusal := _refusal("".join(asked[:1])):
        sys.exit(refusal)
    with redirect_stdout(RelayedOutput(sys.stdout)):
        main(asked)

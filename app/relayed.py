"""`python -m app.relayed COMMAND…`: a `journey` command in a pod, its stdout told apart from all else in the container's log."""

import sys
from contextlib import redirect_stdout

from app.cli.main import main
from app.interruption import heed_sigterm
from pipelines.remote.events import RelayedOutput

if __name__ == "__main__":
    heed_sigterm()
    with redirect_stdout(RelayedOutput(sys.stdout)):
        main(sys.argv[1:])

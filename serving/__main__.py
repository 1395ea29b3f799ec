"""`python -m serving`: answers with a model's promoted version (`--home`) or with one version (`--bundle`) until it is told to end."""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import uvloop

from journey.clock import clock_of
from journey.errors import JourneyError
from serving.app import Application
from serving.fixed import Fixed
from serving.follow import Follower
from serving.listening import listen
from serving.models import Holder, Surroundings
from serving.options import Asked, FixedVersion, asked_for
from serving.recorder import Recorder

if TYPE_CHECKING:
    from journey.records.ledger import Ledger


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT, then answers what is in flight; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        uvloop.run(_serve(asked_for(arguments, dict(os.environ))))
    except JourneyError as error:
        sys.stderr.write(f"serving: {error}\n")
        return error.exit_code
    return 0


async def _serve(asked: Asked) -> None:
    surroundings = Surroundings(asked.places.keys, asked.places.online if asked.online else None, asked.latency_seconds)
    holder, recorder = _parts(asked, surroundings)
    application = Application(holder, recorder, clock_of(os.environ), asked.limits)
    holder.start()
    if recorder is not None:
        recorder.start(application.count_label)
    try:
        await listen(application, asked.host, asked.port, tuple(holder.fleet.models))
    finally:
        holder.stop()
        if recorder is not None:
            await asyncio.to_thread(recorder.stop)


def _parts(asked: Asked, surroundings: Surroundings) -> tuple[Holder, Recorder | None]:
    """Who holds the versions, and who keeps answers: both over one ledger where versions follow it."""
    if isinstance(asked.serves, FixedVersion):
        return Fixed(asked.serves, surroundings), Recorder(lambda: _ledger(asked)) if asked.feedback else None
    ledger = _ledger(asked)
    return Follower(ledger, asked.serves, surroundings), Recorder(lambda: ledger) if asked.feedback else None


def _ledger(asked: Asked) -> "Ledger":
    from journey.records.ledger import Ledger

    return Ledger.connect(asked.places.ledger)


if __name__ == "__main__":
    sys.exit(main())

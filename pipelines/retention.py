"""Answers are kept for as long as what came true of them may still be told; then they are forgotten."""

import logging
import threading
from datetime import timedelta

from journey.clock import Clock
from journey.errors import JourneyError
from journey.records.ledger import Ledger

KEPT_AFTER_MATURITY = timedelta(days=7)    # platform time: labels come late, and people look back a week
LOOK_SECONDS = 60.0                        # real time: often enough that nothing piles up, seldom enough that nobody waits

log = logging.getLogger("journey.retention")


def forget_old_answers(ledger: Ledger, matures: timedelta, clock: Clock) -> int:
    """Removes the answers whose event time is more than `matures` and a week ago, with their labels.

    Returns:
        How many answers were removed.
    """
    return ledger.forget_predictions(clock.now() - matures - KEPT_AFTER_MATURITY)


def keep_forgetting(ledger: Ledger, matures: timedelta, clock: Clock, stop: threading.Event) -> None:
    """Forgets old answers at once and then every minute, until `stop` is set; a ledger that can't be written to is tried again."""
    while not stop.is_set():
        try:
            forgotten = forget_old_answers(ledger, matures, clock)
        except JourneyError as error:
            log.warning("old answers stay for now: %s", error)
        else:
            if forgotten:
                log.info("forgot %s answers that matured more than a week ago", forgotten)
        stop.wait(LOOK_SECONDS)

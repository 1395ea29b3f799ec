"""Answers and labels on their way to the ledger: a bounded queue, written in batches by a thread, so that no request waits for a disk."""

import logging
import secrets
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import count, groupby, islice
from typing import TYPE_CHECKING

from journey.errors import JourneyError, Unavailable
from journey.records.entries import FeedbackRecord, PredictionRecord

if TYPE_CHECKING:      # who keeps no answers needs no SQLAlchemy
    from journey.records.ledger import Ledger

LOG = logging.getLogger("serving")
MOST_WAITING = 50_000      # some 20 MB; at 1,000 answers/s the ledger may be away for 50 s
BATCH = 2_000              # rows a transaction: a few 10 ms in SQLite
PAUSE_SECONDS = 0.2        # how late a row may be; also the pause after the ledger failed

CountLabel = Callable[[PredictionRecord, object], None]
Record = PredictionRecord | FeedbackRecord


class Recorder:
    """Writes what it is given, in order; what the full queue doesn't take is dropped and counted."""

    def __init__(self, connect: "Callable[[], Ledger]") -> None:
        """Starts with an empty queue.

        Args:
            connect: opens the ledger; called on the writing thread until it succeeds, so that a ledger that is away keeps no server from
                answering.
        """
        self.dropped = 0
        self.refused = Counter({"different": 0, "unknown": 0})
        self._connect = connect
        self._ledger: Ledger | None = None
        self._count_label: CountLabel = _uncounted
        self._queue: deque[Record] = deque()
        self._prefix = secrets.token_hex(10)
        self._numbers = count()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    @property
    def waiting(self) -> int:
        """How many rows wait."""
        return len(self._queue)

    def start(self, count_label: CountLabel) -> None:
        """Starts writing; `count_label` is called on the writing thread for each label that the ledger stored."""
        self._count_label = count_label
        self._thread.start()

    def stop(self) -> None:
        """Writes what waits, then stops; where the ledger doesn't answer the rest is counted as dropped."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def ids(self, rows: int) -> list[str]:
        """New ids, unique over all processes: 80 random bits a process, then a number."""
        return [f"{self._prefix}-{number:x}" for number in islice(self._numbers, rows)]

    def put(self, records: Sequence[Record]) -> None:
        """Takes rows to be written; never waits."""
        room = MOST_WAITING - len(self._queue)
        self._queue.extend(records[:room])
        self.dropped += max(0, len(records) - room)

    def _run(self) -> None:
        while not self._stopped.wait(PAUSE_SECONDS):
            self._drain()
        if not self._drain():
            self.dropped += len(self._queue)
            LOG.error("%s answers and labels were not written to the ledger", len(self._queue))

    def _drain(self) -> bool:
        """Writes until nothing waits; False if the ledger failed, then what wasn't written stays."""
        most = BATCH        # rows a transaction: fewer while one of them is looked for that can't be written
        while self._queue:
            # by place, with no iterator: others append meanwhile, and only this thread takes away
            batch = [self._queue[place] for place in range(min(len(self._queue), most))]
            ledger = self._opened()
            if ledger is None:
                return False
            refused: Counter[str] = Counter()
            try:
                for kind, records in groupby(batch, key=type):
                    refused += self._write(ledger, kind, list(records))
            except Unavailable as error:
                LOG.warning("the ledger didn't take %s rows, trying again: %s", len(batch), error)
                return False
            except Exception as error:      # a second time would end the same
                if len(batch) > 1:
                    most = len(batch) // 2
                    continue
                LOG.log(logging.ERROR, "an answer or label could not be written: %s", error, exc_info=not isinstance(error, JourneyError))
                self.dropped += 1
            self.refused.update(refused)        # once the whole batch is through: a part of it may have been tried before
            for _ in batch:
                self._queue.popleft()
            most = min(BATCH, 2 * most)
        return True

    def _opened(self) -> "Ledger | None":
        """The ledger; None where it can't be opened, which is no row's fault."""
        try:
            self._ledger = self._ledger or self._connect()
        except Exception as error:      # whatever it is: a thread that ends writes nothing any more
            LOG.warning("the ledger can't be opened, trying again: %s", error, exc_info=not isinstance(error, JourneyError))
        return self._ledger

    def _write(self, ledger: "Ledger", kind: type[Record], records: list[Record]) -> Counter[str]:
        """Writes rows of one kind; gives how many labels were refused, and why."""
        if kind is FeedbackRecord:
            return self._write_labels(ledger, [record for record in records if isinstance(record, FeedbackRecord)])
        ledger.record_predictions([record for record in records if isinstance(record, PredictionRecord)])
        return Counter()

    def _write_labels(self, ledger: "Ledger", labels: list[FeedbackRecord]) -> Counter[str]:
        known = [(label, prediction) for label in labels if (prediction := ledger.prediction(label.prediction)) is not None]
        outcomes = ledger.record_feedback_batch([label for label, _ in known])
        for (label, prediction), outcome in zip(known, outcomes, strict=True):
            if outcome == "stored":
                self._count_label(prediction, label.label)
        return Counter(unknown=len(labels) - len(known), different=outcomes.count("refused"))


def _uncounted(prediction: PredictionRecord, label: object) -> None:
    """Counts nothing."""

"""Lookups in a store behind a network: requests that wait are looked up together, and never on the event loop."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from time import monotonic
from typing import NamedTuple

from journey.errors import Unavailable
from journey.model.lookups import OnlineStore
from journey.model.scoring import Values
from journey.values.columns import Value

# Who comes while the store hasn't answered for so long is refused at once: a store that hangs must not pile up requests. Above the
# store's own time for one try to connect and to answer (journey.model.redis_lookups), so that its words are told first.
PATIENCE_SECONDS = 2.5

Found = list[dict[str, Value]]


class _Waiting(NamedTuple):
    answer: "asyncio.Future[Found]"
    values: Sequence[Values]


class Together:
    """The queue before one version's online store; lives on the event loop.

    One round trip is under way at a time, on a thread of its own; requests that come meanwhile share the next one.
    """

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lookups")      # ends with this object
        self._waiting: list[_Waiting] = []
        self._now = datetime.min
        self._since: float | None = None

    def find(self, values: Sequence[Values], now: datetime) -> "asyncio.Future[Found]":
        """Each row's looked-up features.

        Args:
            values: of the rows, after their rules.
            now: platform time.

        Raises:
            Unavailable: the store hasn't answered others for some time; the future raises it where it doesn't answer this request.
        """
        if self._since is not None and (silent := monotonic() - self._since) > PATIENCE_SECONDS:
            raise Unavailable(f"online store: expected an answer within {PATIENCE_SECONDS:g} s, found none for {silent:.1f} s. Try again.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()
        self._waiting.append(_Waiting(answer, values))
        self._now = now
        if self._since is None:
            self._since = monotonic()
            loop.call_soon(self._read)      # once the loop has read all requests that lie ready
        return answer

    def _read(self) -> None:
        batch, self._waiting = self._waiting, []
        self._since = monotonic()
        rows = [row for request in batch for row in request.values]
        reading = asyncio.get_running_loop().run_in_executor(self._thread, self._store.read_many, rows, self._now)
        reading.add_done_callback(partial(self._answer, batch))

    def _answer(self, batch: list[_Waiting], reading: "asyncio.Future[Found]") -> None:
        self._since = None
        error = None if reading.cancelled() else reading.exception()
        if error is not None:      # who waits would wait as long for the same
            batch, self._waiting = batch + self._waiting, []
        found = [] if error is not None else reading.result()
        start = 0
        for request in batch:
            stop = start + len(request.values)
            if not request.answer.done():      # a client that left has cancelled its own
                if error is None:
                    request.answer.set_result(found[start:stop])
                else:
                    request.answer.set_exception(error)
            start = stop
        if self._waiting:
            self._read()

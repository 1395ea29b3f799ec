"""Requests that arrive together go through the model together: one call for all that wait, in the order in which they came."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

from journey.model.scoring import Scorer, Values
from serving.counts import BinCounts
from serving.exposition import Histogram


class Scored(NamedTuple):
    """Predictions [rows][outputs] and one score a row."""

    predictions: list[list[float]]
    scores: list[float]


class _Waiting(NamedTuple):
    answer: "asyncio.Future[Scored]"
    values: Sequence[Values]
    looked_up: Sequence[Values]


class Batches:
    """The queue before one version's model; lives on the event loop.

    A batch closes when the loop has read all requests that lie ready: nobody waits for requests to come.
    """

    def __init__(self, scorer: Scorer, counts: BinCounts) -> None:
        self.queue_seconds = Histogram()
        self.model_seconds = Histogram()
        self._scorer = scorer
        self._counts = counts
        self._waiting: list[_Waiting] = []
        self._opened = 0.0

    def score(self, values: Sequence[Values], looked_up: Sequence[Values]) -> "asyncio.Future[Scored]":
        """The rows' predictions, once the batch has run; the future raises what the rows' own scoring raised."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Scored] = loop.create_future()      # one for each request: a client that leaves cancels its own only
        if not self._waiting:
            self._opened = perf_counter()
            loop.call_soon(self._run)
        self._waiting.append(_Waiting(answer, values, looked_up))
        return answer

    def _run(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.queue_seconds.observe(perf_counter() - self._opened)
        try:
            self._answer(waiting)
        except Exception:
            for request in waiting:      # one request's row must not spoil another's answer
                self._answer_alone(request)

    def _answer_alone(self, request: _Waiting) -> None:
        try:
            self._answer([request])
        except Exception as error:
            if not request.answer.done():
                request.answer.set_exception(error)

    def _answer(self, waiting: Sequence[_Waiting]) -> None:
        scored = self._scored(
            [row for request in waiting for row in request.values], [row for request in waiting for row in request.looked_up]
        )
        start = 0
        for request in waiting:
            stop = start + len(request.values)
            if not request.answer.done():
                request.answer.set_result(Scored(scored.predictions[start:stop], scored.scores[start:stop]))
            start = stop

    def _scored(self, values: Sequence[Values], looked_up: Sequence[Values]) -> Scored:
        inputs = self._scorer.arrays(values, looked_up)
        begun = perf_counter()
        predictions = self._scorer.predict(inputs)
        self.model_seconds.observe(perf_counter() - begun)
        scores = self._scorer.score(predictions)
        self._counts.add(inputs, scores)
        return Scored(predictions.tolist(), scores.tolist())

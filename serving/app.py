"""The server's paths: requests in, answers out. Everything here runs on the event loop and nothing here waits for a disk."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Protocol

import orjson
from granian.rsgi import ProtocolClosed

from journey.clock import Clock
from journey.errors import JourneyError, MalformedRequest, RequestError, Unavailable
from journey.model.scoring import Values
from journey.records.entries import FeedbackRecord, PredictionRecord
from serving.batches import Scored
from serving.exposition import CONTENT_TYPE
from serving.metrics import Traffic, exposition
from serving.models import Holder, Model, class_text
from serving.protocol import ANSWER_END, Asked, Label, Row, read_feedback, read_predictions, refusal, tag
from serving.recorder import Recorder

LOG = logging.getLogger("serving")
JSON = [("content-type", "application/json")]
CLOSE = ("connection", "close")
UNREAD = [*JSON, CLOSE]      # the body may not have been read to its end, so nothing can follow on this connection
TEXT = [("content-type", "text/plain; charset=utf-8")]
METRICS = [("content-type", CONTENT_TYPE)]


class Headers(Protocol):
    """A request's headers by lower-case name."""

    def get(self, key: str, default: str | None = None) -> str | None:
        """A header's value."""


class Scope(Protocol):
    """What granian says of a request (RSGI)."""

    path: str
    method: str
    headers: Headers


class Exchange(Protocol):
    """A request's body and the way to answer it (RSGI)."""

    def __call__(self) -> Awaitable[bytes]:
        """The whole body."""

    def __aiter__(self) -> "AsyncBytes":
        """The body in parts as they come."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answers."""


class AsyncBytes(Protocol):
    """Parts of a body."""

    async def __anext__(self) -> bytes:
        """The next part."""


@dataclass(frozen=True)
class Limits:
    """What one request may hold: bytes of its body, rows."""

    body_bytes: int = 8_000_000      # ten times 1,000 rows of 50 columns (a guess)
    rows: int = 1_000                # some 20 ms of the one event loop that all requests share


Handler = Callable[[bytes], Awaitable[bytes]]


class Application:
    """Answers requests with the fleet that is held when they come."""

    def __init__(self, holder: Holder, recorder: Recorder | None, clock: Clock, limits: Limits) -> None:
        """Sets the server up.

        Args:
            holder: of the versions.
            recorder: keeps answers and labels; None where feedback is off.
            clock: the platform's.
            limits: of a request.
        """
        self._holder = holder
        self._recorder = recorder
        self._clock = clock
        self._limits = limits
        self._traffic = Traffic()
        self._leaving = False
        posts: dict[tuple[str, ...], Handler] = {
            ("/api/v1.0/predictions", "/api/v0.1/predictions", "/predict"): self._predictions,
            ("/api/v1.0/feedback", "/api/v0.1/feedback", "/send-feedback"): self._feedback,
        }
        self._posts = {path: handler for paths, handler in posts.items() for path in paths}
        self._gets = {
            "/health/ping": self._ping,
            "/health/status": self._status,
            "/metadata": self._metadata,
            "/api/v1.0/metadata": self._metadata,
            "/metrics": self._metrics,
        }

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        """Answers one request, whatever happens."""
        handler = self._posts.get(scope.path)
        if handler is None:
            self._answer(exchange, *self._page(scope))
            return
        self._traffic.requests += 1
        self._traffic.in_flight += 1
        try:
            body = await (exchange() if self._announced(scope) else self._parts(exchange))
            status, answer = 200, await handler(body)
        except JourneyError as error:
            status, answer = self._refused(error)
        except ProtocolClosed:      # who asked left before the end of the body
            return
        except Exception as error:
            LOG.exception("a request failed")
            status, answer = 500, refusal(500, f"the server failed: {type(error).__name__}. Its log says where.")
        finally:
            self._traffic.in_flight -= 1
        self._answer(exchange, status, UNREAD if status in (405, 413) else JSON, answer)

    @property
    def requests(self) -> int:
        """How many requests for predictions or with feedback have begun."""
        return self._traffic.requests

    def leave(self) -> None:
        """From now on every answer ends its connection, so that who keeps one open asks elsewhere, and /health/status says 503."""
        self._leaving = True

    def _answer(self, exchange: Exchange, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        exchange.response_bytes(status, [*headers, CLOSE] if self._leaving and CLOSE not in headers else headers, body)

    def count_label(self, prediction: PredictionRecord, label: object) -> None:
        """Counts a stored label under the version that answered, where that is still held."""
        model = self._holder.fleet.models.get(prediction.version)
        if model is not None:
            model.count_label(prediction.score, label)

    def _announced(self, scope: Scope) -> bool:
        """Whether the body's length is known, and within the limit.

        Raises:
            MalformedRequest: it is longer than the limit, or the request is no POST.
        """
        if scope.method != "POST":
            raise MalformedRequest(scope.path, "POST", scope.method, 405)
        length = scope.headers.get("content-length")
        if length is None:
            return False
        if int(length) > self._limits.body_bytes:      # a number: granian's HTTP library refuses others, and holds a body to its length
            raise MalformedRequest("body", f"at most {self._limits.body_bytes} bytes", length, 413)
        return True

    async def _parts(self, exchange: Exchange) -> bytes:
        """A body that comes in parts, read no further than the limit."""
        parts, size = [], 0
        async for part in exchange:
            parts.append(part)
            size += len(part)
            if size > self._limits.body_bytes:
                raise MalformedRequest("body", f"at most {self._limits.body_bytes} bytes", "more", 413)
        return b"".join(parts)

    def _refused(self, error: JourneyError) -> tuple[int, bytes]:
        status = error.status if isinstance(error, MalformedRequest) else 400 if isinstance(error, RequestError) else 503
        if not isinstance(error, MalformedRequest | RequestError | Unavailable):
            LOG.error("a request failed: %s", error)
            status = 500
        return status, refusal(status, str(error))

    async def _predictions(self, body: bytes) -> bytes:
        begun = perf_counter()
        try:
            asked = read_predictions(body, self._limits.rows)
            model = self._holder.fleet.answering(asked.version)
        except MalformedRequest:
            self._traffic.malformed += 1
            raise
        try:
            answer = await self._answered(model, asked)
        except RequestError:
            model.outcomes["refused"] += 1
            raise
        except BaseException:
            model.outcomes["failed"] += 1
            raise
        model.outcomes["answered"] += 1
        model.seconds.observe(perf_counter() - begun)
        return answer

    async def _answered(self, model: Model, asked: Asked) -> bytes:
        values = model.values(asked.rows)
        looked_up = await self._looked_up(model, values)
        scored = await model.batches.score(values, looked_up)
        head = model.head
        if asked.explain:
            head += tag("lookups", looked_up)
        if self._recorder is not None:
            ids = self._recorder.ids(len(values))
            self._recorder.put(self._records(ids, model, asked.rows, values, scored))
            head += tag("ids", ids)
        return head + model.middle + orjson.dumps(scored.predictions) + ANSWER_END

    async def _looked_up(self, model: Model, values: Sequence[Values]) -> Sequence[Values]:
        if model.online is None:
            return await model.look_up(values, _NO_MOMENT)
        begun = perf_counter()
        found = await model.look_up(values, self._clock.now())
        self._traffic.lookup_seconds.observe(perf_counter() - begun)
        return found

    def _records(self, ids: list[str], model: Model, rows: list[Row], values: Sequence[Values], scored: Scored) -> list[PredictionRecord]:
        key, time, now = model.signature.key or "", model.signature.time or "", self._clock.now()
        return [
            PredictionRecord(name, model.name, model.version, _moment(row_values.get(time), now), _key(row.get(key)), score)
            for name, row, row_values, score in zip(ids, rows, values, scored.scores, strict=True)
        ]

    async def _feedback(self, body: bytes) -> bytes:
        if self._recorder is None:
            raise MalformedRequest("feedback", "a server that keeps feedback", "one that doesn't; set monitoring.feedback: true", 404)
        model = self._holder.fleet.answering(None)
        now = self._clock.now()
        labels = [
            FeedbackRecord(label.prediction, _class_of(model, number, label), now, label.source)
            for number, label in enumerate(read_feedback(body))
        ]
        self._recorder.put(labels)
        return orjson.dumps({"meta": {"tags": {"received": len(labels)}}})

    def _page(self, scope: Scope) -> tuple[int, list[tuple[str, str]], bytes]:
        page = self._gets.get(scope.path)
        if page is None:
            return 404, UNREAD, refusal(404, f"path: expected one of {', '.join((*self._posts, *self._gets))}, found {scope.path}")
        if scope.method not in ("GET", "HEAD"):
            return 405, UNREAD, refusal(405, f"{scope.path}: expected GET, found {scope.method}")
        return page()

    def _ping(self) -> tuple[int, list[tuple[str, str]], bytes]:
        return 200, TEXT, b"pong"

    def _status(self) -> tuple[int, list[tuple[str, str]], bytes]:
        fleet = self._holder.fleet
        if self._leaving:
            return 503, JSON, refusal(503, "this server is about to end: ask another one")
        if fleet.champion is None:
            return 503, JSON, refusal(503, "no version is loaded yet: promote one with `journey promote`")
        tags = {"model": fleet.champion.name, "version": fleet.champion.version, "held": list(fleet.models)}
        return 200, JSON, orjson.dumps({"meta": {"tags": tags}, "status": {"code": 200, "status": "SUCCESS"}})

    def _metadata(self) -> tuple[int, list[tuple[str, str]], bytes]:
        champion = self._holder.fleet.champion
        if champion is None:
            return 503, JSON, refusal(503, "no version is loaded yet: promote one with `journey promote`")
        return 200, JSON, orjson.dumps(
            {
                "name": champion.name,
                "versions": [str(version) for version in self._holder.fleet.models],
                "version": champion.version,
                "bundle": champion.digest,
                "platform": "journey",
                "inputs": [{"messagetype": "jsonData", "schema": {"names": [column.name for column in champion.signature.request]}}],
                "outputs": [{"messagetype": "ndarray", "schema": {"names": champion.outputs}}],
                "signature": champion.signature.model_dump(mode="json"),
            }
        )

    def _metrics(self) -> tuple[int, list[tuple[str, str]], bytes]:
        return 200, METRICS, exposition(self._holder, self._traffic, self._recorder)


MOST_KEY_BYTES = 1_000          # the ledger's index in Postgres takes 2.7 kB
_NO_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)      # for models that look nothing up


def _moment(value: object, now: datetime) -> datetime:
    return value if isinstance(value, datetime) else now


def _key(value: object) -> str | None:
    """A row's key as text; None where there is none, or one that nobody would look an answer up by."""
    text = None if value is None else str(value).strip()
    return text if text is None or len(text.encode(errors="replace")) <= MOST_KEY_BYTES else None


def _class_of(model: Model, number: int, label: Label) -> str | int | float | bool:
    """A label as a class of the model, or as a number for regression.

    Raises:
        MalformedRequest: it is neither.
    """
    text = class_text(label.label).strip()
    for known in model.signature.classes:
        if class_text(known) == text:
            return known
    if not model.signature.classes and isinstance(label.label, int | float) and not isinstance(label.label, bool):
        return float(label.label)
    expected = " or ".join(repr(class_text(known)) for known in model.signature.classes) or "a number"
    raise MalformedRequest(f"feedback[{number}].label", expected, repr(text[:40]))

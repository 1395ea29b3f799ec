"""The versions that the server holds: each opened, verified and warmed before the first request reaches it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from journey.errors import MalformedRequest, RequestError, Unavailable
from journey.model.bundle import REFERENCE, Bundle, open_bundle
from journey.model.keys import Trusted
from journey.model.lookups import OnlineStore, is_redis, open_online
from journey.model.scoring import Arrays, Scorer, Values
from journey.records.entries import Version
from journey.values.columns import Value
from journey.watching.bins import Reference, bin_index
from serving.batches import Batches
from serving.counts import BinCounts
from serving.exposition import LATENCY_EDGES, Histogram
from serving.protocol import Row, answer_head, answer_middle
from serving.together import Together

WARM_ROWS = (1, 8, 64)      # batches of one, of a few and of a full house: onnxruntime allocates by shape


@dataclass(frozen=True)
class Surroundings:
    """What every version is opened with.

    Attributes:
        keys: the folder of trusted keys.
        online: where looked-up values are, as `journey.places` says it; None where nobody said.
        latency_seconds: what is promised, an edge of the histogram.
    """

    keys: Path
    online: str | None
    latency_seconds: float


class Outcomes(Counter[str]):
    """Requests by how they ended: answered, refused (400) or failed (500)."""


class Model:
    """One version, ready to answer."""

    def __init__(self, name: str, version: int, bundle: Bundle, surroundings: Surroundings) -> None:
        self.name = name
        self.version = version
        self.digest = bundle.digest
        self.signature = bundle.signature
        self.breaches: Counter[tuple[str, str]] = Counter()
        self.outcomes = Outcomes(answered=0, refused=0, failed=0)
        self.seconds = Histogram((*LATENCY_EDGES, surroundings.latency_seconds))
        self.scorer = Scorer(bundle, self._count_breach)
        self.reference = Reference.model_validate_json(bundle.read(REFERENCE))
        self.counts = BinCounts(self.reference, self.name, self.version)
        self.reference_samples = self.counts.reference_samples()
        self.labels: dict[tuple[str, str], int] = {(score, label): 0 for score in self.reference.score.bins for label in self._label_bins()}
        self.batches = Batches(self.scorer, self.counts)
        self.online = self._store(surroundings.online)
        self._together = Together(self.online) if self.online is not None and is_redis(surroundings.online or "") else None
        self.head = answer_head(self.name, self.version)
        self.outputs = [class_text(value) for value in self.signature.classes] or ["prediction"]
        self.middle = answer_middle(self.outputs)
        self._warm()

    def values(self, rows: Sequence[Row]) -> list[dict[str, Value]]:
        """The rows after their rules.

        Raises:
            RequestError: a value breaks its rule, or a column is unknown; with several rows it says which row.
        """
        convert = self.scorer.values
        if len(rows) == 1:
            return [convert(rows[0])]
        made = []
        for number, row in enumerate(rows):
            try:
                made.append(convert(row))
            except RequestError as error:
                raise RequestError(error.column, error.expected, f"{error.found} in row {number}") from error
        return made

    async def look_up(self, values: Sequence[Values], now: datetime) -> list[dict[str, Value]]:
        """Each row's looked-up features; none where the model needs none.

        Raises:
            Unavailable: the online store can't be read.
        """
        if self.online is None:
            return [{} for _ in values]
        if self._together is not None:
            return await self._together.find(values, now)
        return self.online.read_many(values, now)      # microseconds: a file of this machine

    def count_label(self, score: float, label: object) -> None:
        """Counts what became true of an answer that this version gave; a label that only other versions know has no bin here."""
        place = self._score_bin(score), self._label_bin(label)
        if place in self.labels:
            self.labels[place] += 1

    def _store(self, place: str | None) -> OnlineStore | None:
        return open_online(place, self.signature.lookups) if self.signature.lookups and place is not None else None

    def _label_bins(self) -> tuple[str, ...]:
        return tuple(map(class_text, self.signature.classes)) or self.reference.score.bins

    def _label_bin(self, label: object) -> str:
        if not self.signature.classes and isinstance(label, int | float):
            return self._score_bin(label)
        return class_text(label)

    def _score_bin(self, score: float) -> str:
        return self.reference.score.bins[int(bin_index(self.reference.score, np.array([score], np.float64))[0])]

    def _count_breach(self, column: str, breach: str) -> None:
        self.breaches[column, breach] += 1

    def _warm(self) -> None:
        row = {column.name: column.example for column in self.signature.request}
        found = {feature.name: feature.default for lookup in self.signature.lookups for feature in lookup.features}
        try:
            inputs = self.scorer.inputs([row], [found])
        except RequestError:      # an example of a personal column may be made up and break its rule
            inputs = self._blank()
        for rows in WARM_ROWS:
            self.scorer.predict(Arrays(np.repeat(inputs.numbers, rows, axis=0), np.repeat(inputs.categories, rows, axis=0)))
        self.breaches.clear()

    def _blank(self) -> Arrays:
        kinds = [item.type == "category" for item in self.signature.inputs]
        return Arrays(np.full((1, kinds.count(False)), np.nan), np.full((1, kinds.count(True)), "", dtype=object))


@dataclass(frozen=True)
class Fleet:
    """The versions held at one moment; a new moment is a new Fleet, so that a request sees one of them from end to end."""

    champion: Model | None = None
    models: Mapping[int, Model] = field(default_factory=dict)

    def answering(self, version: int | None) -> Model:
        """The version asked for, or the champion where none was asked for.

        Raises:
            Unavailable: there is no champion yet.
            MalformedRequest: the version isn't held.
        """
        if version is None:
            if self.champion is None:
                raise Unavailable("expected a model to answer with, found no promoted version. Promote one with `journey promote`.")
            return self.champion
        model = self.models.get(version)
        if model is None:
            held = ", ".join(map(str, sorted(self.models))) or "none"
            raise MalformedRequest("meta.tags.version", f"one of the versions held here ({held})", str(version))
        return model


class Holder(Protocol):
    """Who holds the versions: `failures` counts those that couldn't be opened."""

    fleet: Fleet
    failures: int

    def start(self) -> None:
        """Opens what shall answer first."""

    def stop(self) -> None:
        """Ends what runs beside; the fleet stays as it is."""


def open_model(record: Version, surroundings: Surroundings) -> Model:
    """Opens a registered version.

    Raises:
        DataError: its bundle is gone, or of a newer format.
        Untrusted: its bundle was changed, or signed by a key that isn't trusted.
    """
    trusted = Trusted.of(surroundings.keys)      # read each time: a key may come with the first version
    return Model(record.model, record.version, open_bundle(Path(record.uri.removeprefix("file://")), trusted), surroundings)


def class_text(value: object) -> str:
    """A class or a label as text, as JSON writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

"""A server's /metrics, as far as drift is concerned: counts by bin, and what they are compared with."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import httpx
import numpy as np

from journey.errors import Unavailable
from journey.watching.drift import Expected
from journey.watching.metric_names import (
    FEATURE_BIN,
    MODEL_INFO,
    OVERDISPERSION,
    PROCESS_START_TIME_SECONDS,
    PSI_LIMIT,
    REFERENCE_PROBABILITY,
    REFERENCE_ROWS,
)
from monitoring.proxy import is_here

CHAMPION = "champion"
_WANTED = "|".join((FEATURE_BIN, MODEL_INFO, OVERDISPERSION, PROCESS_START_TIME_SECONDS, PSI_LIMIT, REFERENCE_PROBABILITY, REFERENCE_ROWS))
_SAMPLE = re.compile(rf"^({_WANTED})(\{{.*\}})? ([^ \n]+)", re.MULTILINE)
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


class ModelVersion(NamedTuple):
    """A version of a model, as the labels name it."""

    model: str
    version: str


class Series(NamedTuple):
    """One bin of one feature."""

    feature: str
    bin: str


@dataclass(frozen=True)
class Watched:
    """One feature's reference, as the server exposes it.

    Attributes:
        bins: labels in order.
        expected: shares in that order, rows, overdispersion.
        limits: PSI limit by window.
    """

    bins: tuple[str, ...]
    expected: Expected
    limits: dict[str, float]


@dataclass(frozen=True)
class Scrape:
    """What one target said at one moment.

    Attributes:
        started: Unix time at which the process started: another one has counted anew.
        counts: bin counts since that start.
        references: what each version's features are compared with.
        champions: the versions that answer as champion.
    """

    started: float
    counts: dict[ModelVersion, dict[Series, int]]
    references: dict[ModelVersion, dict[str, Watched]]
    champions: frozenset[ModelVersion]


class Target:
    """A server's /metrics behind one kept connection."""

    def __init__(self, url: str, timeout_seconds: float = 5.0) -> None:
        self.url = url
        self._client = httpx.Client(timeout=timeout_seconds, trust_env=not is_here(url))

    def scrape(self) -> Scrape:
        """Reads the metrics.

        Raises:
            Unavailable: the server doesn't answer, or not with metrics.
        """
        try:
            answer = self._client.get(self.url)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise Unavailable(f"{self.url}: expected metrics, found {error}. Is the server running?") from error
        return read(answer.text)

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()


def read(text: str) -> Scrape:
    """Reads Prometheus' text format; metrics that are nothing to drift are passed over."""
    counts: dict[ModelVersion, dict[Series, int]] = defaultdict(dict)
    found: dict[ModelVersion, dict[str, _Reference]] = defaultdict(lambda: defaultdict(_Reference))
    started, champions = 0.0, set()
    for name, label, value in _samples(text):
        if name == PROCESS_START_TIME_SECONDS:
            started = value
            continue
        which = ModelVersion(label["model"], label["version"])
        if name == FEATURE_BIN:
            counts[which][Series(label["feature"], label["bin"])] = int(value)
        elif name == MODEL_INFO:
            if value == 1.0 and label.get("role") == CHAMPION:
                champions.add(which)
        else:
            found[which][label["feature"]].add(name, label, value)
    references = {which: {feature: parts.watched() for feature, parts in features.items()} for which, features in found.items()}
    return Scrape(started, dict(counts), references, frozenset(champions))


class _Reference:
    """A feature's reference while its samples come in."""

    def __init__(self) -> None:
        self._shares: dict[str, float] = {}
        self._limits: dict[str, float] = {}
        self._rows = 0
        self._overdispersion = 0.0

    def add(self, name: str, label: dict[str, str], value: float) -> None:
        if name == REFERENCE_PROBABILITY:
            self._shares[label["bin"]] = value
        elif name == PSI_LIMIT:
            self._limits[label["window"]] = value
        elif name == REFERENCE_ROWS:
            self._rows = int(value)
        else:
            self._overdispersion = value

    def watched(self) -> Watched:
        expected = Expected(np.array(list(self._shares.values())), self._rows, self._overdispersion)
        return Watched(tuple(self._shares), expected, self._limits)


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for name, label, value in _SAMPLE.findall(text):
        yield name, _labels(label), float(value)


@lru_cache(maxsize=16_384)
def _labels(text: str) -> dict[str, str]:
    return {name: re.sub(r"\\.", lambda match: _ESCAPES.get(match[0], match[0]), value) for name, value in _LABEL.findall(text)}

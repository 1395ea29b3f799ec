"""Prometheus' text format, written directly: a scrape costs microseconds and a count costs one addition."""

import os
import resource
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from journey.watching.metric_names import PROCESS_CPU_SECONDS, PROCESS_OPEN_FDS, PROCESS_RESIDENT_MEMORY_BYTES, PROCESS_START_TIME_SECONDS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Seconds. From what one row takes (some 100 µs) to where people have long gone; a service level's own limit is added as an edge.
LATENCY_EDGES = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
STARTED = time.time() - time.process_time()


def labels(**values: object) -> str:
    """Labels in braces, escaped, in the order given; nothing where there are none."""
    if not values:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(str(value))}"' for name, value in values.items()) + "}"


def family(name: str, kind: Literal["counter", "gauge", "histogram"], about: str, samples: Iterable[str]) -> str:
    """One metric with all its samples; each sample is a line without its end."""
    return "\n".join((f"# HELP {name} {about}", f"# TYPE {name} {kind}", *samples)) + "\n"


class Histogram:
    """Durations counted into edges; an observation costs a bisection and two additions."""

    __slots__ = ("_counts", "_edges", "_sum")

    def __init__(self, edges: Sequence[float] = LATENCY_EDGES) -> None:
        self._edges = tuple(sorted(set(edges)))
        self._counts = [0] * (len(self._edges) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Counts one duration."""
        self._counts[bisect_left(self._edges, seconds)] += 1
        self._sum += seconds

    def samples(self, name: str, **values: object) -> list[str]:
        """The histogram's lines: cumulative buckets, sum, count."""
        lines, total = [], 0
        for edge, count in zip((*map(repr, self._edges), "+Inf"), self._counts, strict=True):
            total += count
            lines.append(f"{name}_bucket{labels(**values, le=edge)} {total}")
        own = labels(**values)
        return [*lines, f"{name}_sum{own} {self._sum!r}", f"{name}_count{own} {total}"]


def process_families() -> str:
    """CPU, memory, start and open files of this process, under the names that every Prometheus client gives them."""
    values: tuple[tuple[str, Literal["counter", "gauge"], str, str], ...] = (
        (PROCESS_CPU_SECONDS, "counter", "CPU seconds used, user and system.", f"{time.process_time():.6f}"),
        (PROCESS_RESIDENT_MEMORY_BYTES, "gauge", "Resident memory.", f"{_resident_bytes()}"),
        (PROCESS_START_TIME_SECONDS, "gauge", "Unix time of the start.", f"{STARTED:.3f}"),
        (PROCESS_OPEN_FDS, "gauge", "Open file descriptors.", f"{_open_files()}"),
    )
    return "".join(family(name, kind, about, [f"{name} {value}"]) for name, kind, about, value in values)


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024      # no /proc: the highest so far stands in


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

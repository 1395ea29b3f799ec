"""Versions of the installed libraries that a piece of code can reach, through what those require in turn."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

Table = dict[str, dict[str, list[str]]]


class Environment:
    """What is installed; looked at once for each state of site-packages and kept below `cache`, because looking takes a second."""

    def __init__(self, cache: Path) -> None:
        self._table = _kept(cache)

    def versions(self, names: Iterable[str]) -> tuple[str, ...]:
        """`distribution==version` of every distribution behind these top-level names, with what they require; sorted."""
        waiting = [name for top in names for name in self._table["providers"].get(top, [])]
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in found and name in self._table["versions"]:
                found.add(name)
                waiting += self._table["requires"].get(name, [])
        return tuple(f"{name}=={self._table['versions'][name][0]}" for name in sorted(found))


def _kept(cache: Path) -> Table:
    places = [place for place in sys.path if place and Path(place).is_dir()]
    installed = sorted(entry.name for place in places for entry in os.scandir(place) if entry.name.endswith(".dist-info"))
    path = cache / f"{hashlib.sha256(json.dumps([sys.version, installed]).encode()).hexdigest()}.json"
    with suppress(OSError, ValueError):         # there is none yet, or it was cut short: looked up anew
        kept: Table = json.loads(path.read_bytes())
        return kept
    table = _looked_up()
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(table), encoding="utf-8")
    unfinished.replace(path)
    return table


def _looked_up() -> Table:
    providers = {top: sorted({_normal(name) for name in names}) for top, names in metadata.packages_distributions().items()}
    versions: dict[str, list[str]] = {}
    requires: dict[str, list[str]] = {}
    for distribution in metadata.distributions():
        name = _normal(distribution.metadata["Name"])
        versions[name] = [distribution.version]
        requires[name] = sorted({_required(text) for text in distribution.requires or [] if "extra ==" not in text})
    return {"providers": providers, "versions": versions, "requires": requires}


def _required(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return _normal(match[0]) if match else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

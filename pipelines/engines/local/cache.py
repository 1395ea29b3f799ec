"""Which steps need not run again: one entry for each key, and the key covers everything that decides a step's bytes."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipelines.closure import reachable_from_source
from pipelines.engines.local.graph import Component, Program
from pipelines.engines.local.store import Artifact, Folder
from pipelines.engines.local.values import Artifacts, Values, as_tuple
from pipelines.environment import Environment

FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """A step that ran to its end.

    Attributes:
        values: what it gave; local artifacts lie in `folder`.
        run, log: the run in which it ran, and its log.
        seconds: how long it took then.
    """

    values: Values
    folder: Folder
    run: str
    log: str
    seconds: float

    def content(self) -> object:
        """What of it can be compared with another entry: parameters, and the artifacts' digests."""
        return self.values.parameters, {name: [item.digest for item in as_tuple(value)] for name, value in self.values.artifacts.items()}


class Cache:
    """The finished steps of one home."""

    def __init__(self, home: Path, root: Path) -> None:
        """Opens it.

        Args:
            home: where entries and artifacts lie.
            root: the folder that the steps' own modules lie in; their code is part of the keys.
        """
        self._home = home
        self._root = root
        self._entries = home / "cache" / "steps"
        self._entries.mkdir(parents=True, exist_ok=True)
        self._environment = Environment(home / "cache" / "environments")
        self._code: dict[str, str] = {}

    def key(self, component: Component, program: Program, inputs: Values) -> str:
        """SHA-256 over the inputs' content, the arguments, the code that the step can reach and its libraries' versions, hex."""
        parts = {
            "format": FORMAT,
            "code": self._code_of(program),
            "function": program.function,
            "environment": dict(program.environment),
            "outputs": {"parameters": sorted(component.outputs), "artifacts": sorted(component.output_artifacts)},
            "parameters": dict(inputs.parameters),
            "artifacts": {name: [_identity(item) for item in as_tuple(value)] for name, value in inputs.artifacts.items()},
        }
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def get(self, key: str) -> Entry | None:
        """The entry of a key, if its artifacts are still there and whole."""
        try:
            entry = self._read(json.loads((self._entries / f"{key}.json").read_bytes()))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):       # cut short, or of another format
            return None
        return entry if entry.folder.intact() else None

    def _read(self, stored: Mapping[str, Any]) -> Entry:
        if stored["format"] != FORMAT:
            raise LookupError(stored["format"])
        folder = Folder(self._home / stored["folder"], {name: (size, changed) for name, (size, changed) in stored["files"].items()})
        values = Values(stored["parameters"], {name: self._loaded(value) for name, value in stored["artifacts"].items()})
        return Entry(values, folder, stored["run"], stored["log"], stored["seconds"])

    def put(self, key: str, entry: Entry) -> None:
        """Writes an entry, whole or not at all."""
        stored = {
            "format": FORMAT,
            "folder": str(entry.folder.path.relative_to(self._home)),
            "files": dict(entry.folder.files),
            "parameters": dict(entry.values.parameters),
            "artifacts": {name: self._stored(value) for name, value in entry.values.artifacts.items()},
            "run": entry.run,
            "log": entry.log,
            "seconds": entry.seconds,
        }
        unfinished = self._entries / f".{key}.{os.getpid()}"
        unfinished.write_text(json.dumps(stored), encoding="utf-8")
        unfinished.replace(self._entries / f"{key}.json")

    def _code_of(self, program: Program) -> str:
        """The digest of everything that a step's source can reach; found once a run."""
        if program.source not in self._code:
            reach = reachable_from_source(program.source, self._root)
            files = {str(path.relative_to(self._root)): sha256(path.read_bytes()).hexdigest() for path in reach.files}
            libraries = self._environment.versions(reach.libraries - {"kfp"})     # every component imports it; it shapes no bytes
            everything = [program.source, sorted(files.items()), libraries, sys.version, platform.machine()]
            self._code[program.source] = sha256(json.dumps(everything).encode()).hexdigest()
        return self._code[program.source]

    def _stored(self, value: Artifacts) -> object:
        """With paths below the home relative to it, so that a home can be moved."""
        prefix = f"{self._home}{os.sep}"
        items = [asdict(item) | {"uri": item.uri.removeprefix(prefix), "here": item.uri.startswith(prefix)} for item in as_tuple(value)]
        return items if isinstance(value, tuple) else items[0]

    def _loaded(self, stored: object) -> Artifacts:
        if isinstance(stored, list):
            return tuple(self._artifact(item) for item in stored)
        assert isinstance(stored, dict)
        return self._artifact(stored)

    def _artifact(self, item: Mapping[str, object]) -> Artifact:
        fields = {name: value for name, value in item.items() if name != "here"}
        artifact = Artifact(**fields)    # type: ignore[arg-type]  # written by _stored
        return Artifact(**{**asdict(artifact), "uri": str(self._home / artifact.uri)}) if item["here"] else artifact


def _identity(artifact: Artifact) -> list[object]:
    return [artifact.name, artifact.schema, artifact.digest or artifact.uri, dict(artifact.metadata)]

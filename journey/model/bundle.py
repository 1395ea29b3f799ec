"""The packaged model: what serving needs and nothing else, addressed by its content and signed.

The bundle digest is the SHA-256 of manifest.json, which names every other file by digest; manifest.sig signs manifest.json's bytes.
So two runs that made the same files made the same bundle, whoever signed it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.main import IncEx

from journey.artifacts import Derived, Document, Input, Lookup
from journey.errors import DataError, Untrusted
from journey.model.keys import SigningKey, Trusted
from journey.sections import Task
from journey.values.columns import ColumnRule, JsonValue

FORMAT = 1
MANIFEST = "manifest.json"
SEAL = "manifest.sig"
SIGNATURE = "signature.json"
ONNX = "model.onnx"
SKOPS = "model.skops"
REQUEST_FEATURES = "request_features.py"
REFERENCE = "reference.json"
CARD = "card.md"
REQUIREMENTS = "requirements.txt"

Engine = Literal["onnx", "skops"]
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
D = TypeVar("D", bound=Document)


class _Part(BaseModel):
    """A part of a document; the document alone carries the format."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RequestColumn(_Part):
    """A raw spine column that the model needs, with its rule and a value to show (made up where the column is personal)."""

    name: str
    rule: ColumnRule
    example: JsonValue = None


class OutputTensor(_Part):
    """What the model gives: `shape` has -1 for the number of rows."""

    name: Literal["probability", "prediction"]
    type: Literal["float"] = "float"
    shape: tuple[int, int]


class BundleSignature(Document):
    """signature.json: what a request holds, what is made from it, what the model takes and gives.

    Attributes:
        classes: of a classification, in the order of the output's columns; binary: (negative, positive).
        request: raw spine columns that the model needs, in order.
        ignored: declared columns that a request may hold and the model doesn't need; any other name is refused.
        key: the spine's key, kept for feedback; `time`: the spine's event time. None where the project has none.
        missing: what happens where a looked-up row is absent or older than its ttl.
        inputs: what the Pipeline takes by position, numbers before categories.
    """

    task: Task
    classes: tuple[str | int | float | bool, ...] = ()
    positive: str | int | float | bool | None = None
    request: tuple[RequestColumn, ...]
    ignored: tuple[str, ...] = ()
    key: str | None = None
    time: str | None = None
    derived: tuple[Derived, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    missing: Literal["default", "refuse"] = "default"
    inputs: tuple[Input, ...]
    outputs: tuple[OutputTensor, ...]

    def content(self) -> bytes:
        """The bytes of signature.json: parts don't repeat the document's format."""
        parts: IncEx = {"__all__": {"format": True}}
        lookups: IncEx = {"__all__": {"format": True, "features": parts}}
        return (self.model_dump_json(indent=2, exclude={"derived": parts, "inputs": parts, "lookups": lookups}) + "\n").encode()


class MadeFrom(_Part):
    """Digests of what decided the model's bytes."""

    data: str
    project: str
    code: str
    lock: str


class Manifest(Document):
    """manifest.json: the bundle's files by SHA-256, and what they were made from."""

    name: str
    task: Task
    engine: Engine
    files: dict[str, str]
    made_from: MadeFrom


class Seal(Document):
    """manifest.sig: whose key signed manifest.json; `value` is base64 of the 64 bytes."""

    algorithm: Literal["ed25519"] = "ed25519"
    key: str
    value: str


@dataclass(frozen=True)
class BundleContent:
    """What goes into a new bundle; `files` are all but manifest.json, manifest.sig and signature.json, by plain name."""

    name: str
    engine: Engine
    signature: BundleSignature
    files: Mapping[str, bytes]
    made_from: MadeFrom


@dataclass(frozen=True)
class Bundle:
    """A bundle whose every file, signature and key were found good."""

    directory: Path
    digest: str
    key: str
    manifest: Manifest
    signature: BundleSignature

    def read(self, name: str) -> bytes:
        """A file's bytes, looked at again: what was good when the bundle was opened may have been changed since.

        Raises:
            Untrusted: the manifest doesn't name the file, or it was changed.
        """
        if name not in self.manifest.files:
            raise Untrusted(f"bundle {self.directory}: expected one of {', '.join(self.manifest.files)}, found a request for '{name}'")
        return _verified(self.directory, name, self.manifest.files[name])

    def has(self, name: str) -> bool:
        """Whether the bundle holds a file of that name."""
        return name in self.manifest.files


def write_bundle(directory: Path, content: BundleContent, signer: SigningKey) -> str:
    """Writes a new bundle, signed.

    Args:
        directory: made if missing; must be empty.
        content: what goes in.
        signer: this installation's key.

    Returns:
        The bundle digest, 64 hex digits.

    Raises:
        DataError: the directory isn't empty, or a file's name isn't plain.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise DataError(f"bundle {directory}: expected an empty folder to write to, found files in it")
    files = {**content.files, SIGNATURE: content.signature.content()}
    for name in files:
        _refuse_path(directory, name)
    digests = {name: _digest(files[name]) for name in sorted(files)}
    manifest = Manifest(name=content.name, task=content.signature.task, engine=content.engine, files=digests, made_from=content.made_from)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    manifest.write(directory / MANIFEST)
    message = (directory / MANIFEST).read_bytes()
    Seal(key=signer.id, value=base64.b64encode(signer.sign(message)).decode()).write(directory / SEAL)
    return _digest(message)


def bundle_digest(directory: Path) -> str:
    """The digest by which a bundle is known; says nothing about whether it can be trusted.

    Raises:
        DataError: there is no bundle.
    """
    return _digest(_manifest_bytes(directory))


def bundle_engine(directory: Path) -> Engine:
    """What a bundle's model runs in, as it says itself, trusted or not.

    Raises:
        DataError: there is no bundle, or it is of a newer format.
    """
    return _document(Manifest, directory, _manifest_bytes(directory)).engine


def open_bundle(directory: Path, trusted: Trusted) -> Bundle:
    """Opens a bundle after looking at all of it: signature and key, every file's digest, nothing missing and nothing more.

    Raises:
        DataError: there is no bundle, or it is of a newer format.
        Untrusted: it was changed, or signed by a key that isn't trusted.
    """
    message = _manifest_bytes(directory)
    seal = _document(Seal, directory, _read(directory, SEAL))
    try:
        trusted.verify(seal.key, base64.b64decode(seal.value, validate=True), message)
    except ValueError as error:
        raise Untrusted(f"bundle {directory}: expected a signature in base64 in {SEAL}, found {error}") from error
    except Untrusted as error:
        raise Untrusted(f"bundle {directory}: {error}") from error
    manifest = _document(Manifest, directory, message)
    _refuse_other_files(directory, manifest)
    content = {name: _verified(directory, name, digest) for name, digest in manifest.files.items()}
    if SIGNATURE not in content:
        raise Untrusted(f"bundle {directory}: expected {SIGNATURE} among the manifest's files, found {', '.join(content)}")
    return Bundle(directory, _digest(message), seal.key, manifest, _document(BundleSignature, directory, content[SIGNATURE]))


def _manifest_bytes(directory: Path) -> bytes:
    path = directory / MANIFEST
    if not path.is_file():
        raise DataError(f"bundle {directory}: expected a folder with {MANIFEST}, found none. Was the bundle moved or deleted?")
    return _read(directory, MANIFEST)


def _read(directory: Path, name: str) -> bytes:
    path = directory / name
    if path.is_symlink():
        raise Untrusted(f"bundle {directory}: expected the file {name}, found a link, which may point at something else tomorrow")
    try:
        return path.read_bytes()
    except OSError as error:
        raise Untrusted(f"bundle {directory}: expected the file {name}, found none that can be read: {error.strerror}") from error


def _verified(directory: Path, name: str, digest: str) -> bytes:
    _refuse_path(directory, name)
    content = _read(directory, name)
    if _digest(content) != digest:
        raise Untrusted(
            f"bundle {directory}: expected {name} with SHA-256 {digest}, found {_digest(content)}: it was changed after it was signed. "
            "Restore the bundle, or package the model again."
        )
    return content


def _refuse_path(directory: Path, name: str) -> None:
    if not _PLAIN_NAME.fullmatch(name) or name in {MANIFEST, SEAL}:
        raise DataError(f"bundle {directory}: expected files with plain names, found '{name}'")


def _refuse_other_files(directory: Path, manifest: Manifest) -> None:
    found = {path.name for path in directory.iterdir()}
    others = sorted(found - set(manifest.files) - {MANIFEST, SEAL})
    if others:
        raise Untrusted(f"bundle {directory}: expected only the files that {MANIFEST} names, found also {', '.join(others)}. Remove them.")


def _document(kind: type[D], directory: Path, content: bytes) -> D:
    """Reads a document of this format; a newer one is refused by name."""
    name = {Manifest: MANIFEST, Seal: SEAL, BundleSignature: SIGNATURE}[kind]
    try:
        found = json.loads(content)
    except ValueError as error:
        raise Untrusted(f"bundle {directory}: expected JSON in {name}, found something else: {error}") from error
    number = found.get("format") if isinstance(found, dict) else None
    if isinstance(number, int) and number > FORMAT:
        raise DataError(
            f"bundle {directory}: expected {name} of format {FORMAT}, found format {number}: made by a newer Journey. Upgrade this one."
        )
    try:
        return kind.model_validate_json(content)
    except ValueError as error:
        raise DataError(f"bundle {directory}: expected {name} of format {FORMAT}, found something else: {error}") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

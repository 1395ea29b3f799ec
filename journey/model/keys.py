"""Who may sign bundles and whose bundles are trusted: Ed25519 keys of an installation.

A folder of keys holds `signing.pem` (this installation's private key, mode 0600, made on first use) and public keys `*.pub`:
its own `signing.pub` (`<id>.pub` where an older key has that name) and any that people put there because they trust them.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from journey.errors import Untrusted

PRIVATE = "signing.pem"
PUBLIC = "signing.pub"


def key_id(key: Ed25519PublicKey) -> str:
    """A public key's id: the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def public_id(keys: Path) -> str:
    """The id of the key whose public half is a folder's signing.pub: who doesn't sign need not hold the other half.

    Raises:
        Untrusted: there is no such file, or it is no Ed25519 public key.
    """
    return key_id(_public_key(keys / PUBLIC))


@dataclass(frozen=True)
class SigningKey:
    """The key with which this installation signs the bundles that it makes."""

    id: str
    _private: Ed25519PrivateKey

    @classmethod
    def load_or_create(cls, keys: Path) -> Self:
        """The folder's key, made if there is none; of several processes that come first at once, all get the same one.

        Raises:
            Untrusted: there is a key and it can't be read as an Ed25519 key.
        """
        path = keys / PRIVATE
        if not path.exists():
            keys.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create_exclusively(path, _private_pem(Ed25519PrivateKey.generate()), mode=0o600)
        key = cls._load(path)
        if key.id not in Trusted.of(keys).keys:         # signing.pub may be an older key's, whose bundles stay trusted
            public = keys / PUBLIC
            _create_exclusively(keys / f"{key.id}.pub" if public.exists() else public, _public_pem(key._private.public_key()), mode=0o644)
        return key

    @classmethod
    def _load(cls, path: Path) -> Self:
        try:
            private = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise Untrusted(f"{path}: expected an Ed25519 private key in PEM that this user may read, found {error}") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise Untrusted(
                f"{path}: expected an Ed25519 private key, found a key of another kind. Move it away; a new one is made on the next run."
            )
        return cls(key_id(private.public_key()), private)

    @property
    def trusted(self) -> "Trusted":
        """Trust in this key alone."""
        return Trusted({self.id: self._private.public_key()})

    def sign(self, message: bytes) -> bytes:
        """The message's signature, 64 bytes, the same each time."""
        return self._private.sign(message)


@dataclass(frozen=True)
class Trusted:
    """The public keys whose bundles may be loaded, by id."""

    keys: Mapping[str, Ed25519PublicKey]

    @classmethod
    def of(cls, keys: Path) -> Self:
        """All public keys (`*.pub`) of a folder; none where there is no such folder.

        Raises:
            Untrusted: a file there is no Ed25519 public key.
        """
        return cls.of_files(*sorted(keys.glob("*.pub")))

    @classmethod
    def of_files(cls, *paths: Path) -> Self:
        """The public keys in these files.

        Raises:
            Untrusted: one is no Ed25519 public key.
        """
        loaded = [_public_key(path) for path in paths]
        return cls({key_id(key): key for key in loaded})

    def verify(self, key: str, signature: bytes, message: bytes) -> None:
        """Returns if the key is trusted and made this signature of this message.

        Raises:
            Untrusted: otherwise.
        """
        public = self.keys.get(key)
        if public is None:
            known = ", ".join(sorted(self.keys)) or "none"
            raise Untrusted(
                f"expected a signature by a trusted key ({known}), found one by key {key}. "
                "Train again in this installation, or, if you trust that key's owner, put its public key (*.pub) into the keys folder."
            )
        try:
            public.verify(signature, message)
        except InvalidSignature as error:
            raise Untrusted(
                f"expected a signature of key {key}, found one that doesn't hold: the content was changed after it was signed"
            ) from error


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Untrusted(f"{path}: expected an Ed25519 public key in PEM, found {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise Untrusted(f"{path}: expected an Ed25519 public key, found a key of another kind")
    return key


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _create_exclusively(path: Path, content: bytes, mode: int) -> None:
    """Creates the file whole or leaves the one that is there: a link to a finished file can't be seen half-written."""
    if path.exists():
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        os.fchmod(handle, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
    finally:
        Path(name).unlink()

"""The audit log: append-only, each line's hash covering the line before, so that a changed or missing line is noticed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, insert, select

from journey.errors import Untrusted
from journey.records.entries import AuditEntry
from journey.records.schema import AUDIT, PROMOTIONS, VERSIONS, moment_text

GENESIS = "0" * 64


@dataclass(frozen=True)
class Deed:
    """What somebody did to a model."""

    actor: str
    action: str
    model: str
    version: int | None
    reason: str
    at: datetime
    evidence: Mapping[str, object] = field(default_factory=dict)


def append(connection: Connection, deed: Deed) -> None:
    """Adds a line, in the transaction of what it records; the transaction must be a writing one."""
    last = connection.execute(select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS)
    line = {
        "seq": seq,
        "at": moment_text(deed.at),
        "actor": deed.actor,
        "action": deed.action,
        "model": deed.model,
        "version": deed.version,
        "reason": deed.reason,
        "evidence": json.dumps(dict(deed.evidence), sort_keys=True),
        "previous": previous,
    }
    connection.execute(insert(AUDIT).values(**line, hash=_hash(line)))


def trail(connection: Connection, model: str | None) -> tuple[AuditEntry, ...]:
    """The log's lines from the first to the last; of one model, or all."""
    query = select(AUDIT).order_by(AUDIT.c.seq)
    if model is not None:
        query = query.where(AUDIT.c.model == model)
    return tuple(AuditEntry(**row) for row in connection.execute(query).mappings())


def verify(connection: Connection) -> int:
    """Looks at the whole log, and that every promotion and version stands in it as it was recorded.

    Returns:
        How many lines hold.

    Raises:
        Untrusted: a line was changed, removed or put in, or a promotion or version isn't the one that was recorded.
    """
    entries = trail(connection, None)
    previous = GENESIS
    for number, entry in enumerate(entries, 1):
        line = {name: getattr(entry, name) for name in AUDIT.columns.keys() if name != "hash"}  # noqa: SIM118 - not a dict
        if entry.seq != number or entry.previous != previous or entry.hash != _hash(line):
            raise Untrusted(
                f"audit log: expected line {number} to follow line {number - 1} unchanged, found line {entry.seq} "
                f"({entry.action} of {entry.model} at {entry.at}) changed, or a line before it removed. Compare the ledger with its backup."
            )
        previous = entry.hash
    _verify_records(connection, entries)
    return len(entries)


def _verify_records(connection: Connection, entries: tuple[AuditEntry, ...]) -> None:
    """A log cut off at its end has no broken link, but then a record lacks its line."""
    logged = {(entry.action, entry.model, entry.version, entry.at) for entry in entries}
    recorded = [(f"promote {row.role}", row.model, row.version, row.at) for row in connection.execute(select(PROMOTIONS))]
    for row in connection.execute(select(VERSIONS)):
        recorded.append(("register", row.model, row.version, row.registered))
        if row.retired:
            recorded.append(("retire", row.model, row.version, row.retired))
    for action, model, version, at in recorded:
        if (action, model, version, at) not in logged:
            raise Untrusted(
                f"audit log: expected a line '{action}' of {model} version {version} at {at}, found none. Compare with a backup."
            )


def _hash(line: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(line, sort_keys=True).encode()).hexdigest()

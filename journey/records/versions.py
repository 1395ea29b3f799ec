"""Versions of models and the roles they take: what each writing transaction of the ledger does."""

import json
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, delete, func, insert, select, update

from journey.errors import Conflict, DataError
from journey.records import audit
from journey.records.entries import Promotion, PromotionRequest, Registration, Retirement, Version
from journey.records.schema import IMAGES, PROMOTIONS, VERSIONS, moment_of, moment_text


def register(connection: Connection, wanted: Registration) -> int:
    """The version of a bundle: the one that it has, found from now on where it lies now, or the model's next."""
    ours = (VERSIONS.c.model == wanted.model, VERSIONS.c.bundle == wanted.bundle)
    known = connection.scalar(select(VERSIONS.c.version).where(*ours))
    if known is not None:
        connection.execute(update(VERSIONS).where(*ours).values(uri=wanted.uri))
        return int(known)
    version = next_number(connection, VERSIONS, "version", VERSIONS.c.model == wanted.model)
    connection.execute(
        insert(VERSIONS).values(
            model=wanted.model,
            version=version,
            bundle=wanted.bundle,
            uri=wanted.uri,
            run=wanted.run,
            trained_on=json.dumps(wanted.trained_on),
            registered=moment_text(wanted.at),
        )
    )
    evidence = {"bundle": wanted.bundle, "run": wanted.run}
    audit.append(connection, audit.Deed(wanted.actor, "register", wanted.model, version, "a new bundle", wanted.at, evidence))
    return version


def find(connection: Connection, model: str, version: int) -> Version:
    """A version.

    Raises:
        DataError: there is none of that number.
    """
    row = connection.execute(select(VERSIONS).where(VERSIONS.c.model == model, VERSIONS.c.version == version)).mappings().first()
    if row is None:
        numbers = connection.scalars(select(VERSIONS.c.version).where(VERSIONS.c.model == model).order_by(VERSIONS.c.version))
        known = ", ".join(str(number) for number in numbers) or "none yet; `journey run` makes the first"
        raise DataError(f"model '{model}': expected one of its versions ({known}), found {version}")
    return _version(row)


def every(connection: Connection, model: str) -> tuple[Version, ...]:
    """A model's versions, oldest first."""
    query = select(VERSIONS).where(VERSIONS.c.model == model).order_by(VERSIONS.c.version)
    return tuple(_version(row) for row in connection.execute(query).mappings())


def record_image(connection: Connection, model: str, version: int, reference: str, at: str) -> None:
    """Notes which image serves a version; one that was built anew takes the place of the one before.

    Raises:
        DataError: there is no such version.
    """
    find(connection, model, version)
    connection.execute(delete(IMAGES).where(IMAGES.c.model == model, IMAGES.c.version == version))
    connection.execute(insert(IMAGES).values(model=model, version=version, reference=reference, at=at))


def image(connection: Connection, model: str, version: int) -> str | None:
    """The image that serves a version."""
    return connection.scalar(select(IMAGES.c.reference).where(IMAGES.c.model == model, IMAGES.c.version == version))


def current(connection: Connection, model: str, role: str) -> Promotion | None:
    """The newest promotion to a role."""
    query = select(PROMOTIONS).where(PROMOTIONS.c.model == model, PROMOTIONS.c.role == role).order_by(PROMOTIONS.c.seq.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _promotion(row)


def promotions(connection: Connection, model: str) -> tuple[Promotion, ...]:
    """A model's promotions, oldest first."""
    query = select(PROMOTIONS).where(PROMOTIONS.c.model == model).order_by(PROMOTIONS.c.seq)
    return tuple(_promotion(row) for row in connection.execute(query).mappings())


def promote(connection: Connection, request: PromotionRequest) -> Promotion:
    """Compare-and-swap: the version takes the role if the newest promotion is the one that the request replaces.

    Raises:
        Conflict: another promotion came between.
        DataError: there is no such version, or it is retired and the request isn't a rollback.
    """
    version = find(connection, request.model, request.version)
    replaced = current(connection, request.model, request.role)
    _refuse_if_overtaken(request, replaced)
    if version.retired is not None:
        _reinstate(connection, request, version)
    promotion = _recorded(connection, request, version)
    if request.retire_replaced and replaced is not None and replaced.version != request.version:
        reason = f"replaced by version {request.version}: {request.reason}"
        retire(connection, Retirement(request.model, replaced.version, request.actor, reason, request.at))
    return promotion


def _recorded(connection: Connection, request: PromotionRequest, version: Version) -> Promotion:
    promotion = Promotion(
        seq=next_number(connection, PROMOTIONS, "seq"),
        model=request.model,
        role=request.role,
        version=request.version,
        bundle=version.bundle,
        replaces_seq=request.replaces_seq,
        actor=request.actor,
        reason=request.reason,
        at=request.at,
    )
    connection.execute(insert(PROMOTIONS).values(**{**vars(promotion), "at": moment_text(request.at)}))
    evidence = {**request.evidence, "bundle": version.bundle, "promotion": promotion.seq, "replaces": request.replaces_seq}
    deed = audit.Deed(request.actor, f"promote {request.role}", request.model, request.version, request.reason, request.at, evidence)
    audit.append(connection, deed)
    return promotion


def _refuse_if_overtaken(request: PromotionRequest, newest: Promotion | None) -> None:
    if (newest.seq if newest else 0) == request.replaces_seq:
        return
    found = f"promotion {newest.seq} (version {newest.version}, by {newest.actor} at {newest.at.isoformat()})" if newest else "none"
    raise Conflict(
        f"model '{request.model}': expected promotion {request.replaces_seq or 'none'} to be the newest of role {request.role}, "
        f"found {found}. Somebody else was first: look at `journey status` and decide anew."
    )


def _reinstate(connection: Connection, request: PromotionRequest, version: Version) -> None:
    if not request.reinstate:
        raise DataError(f"model '{version.model}': expected a version in use, found version {version.version}, which is retired")
    _set_retired(connection, version, None)
    deed = audit.Deed(request.actor, "reinstate", version.model, version.version, request.reason, request.at, {"bundle": version.bundle})
    audit.append(connection, deed)


def _set_retired(connection: Connection, version: Version, at: str | None) -> None:
    connection.execute(
        update(VERSIONS).where(VERSIONS.c.model == version.model, VERSIONS.c.version == version.version).values(retired=at)
    )


def retire(connection: Connection, wanted: Retirement) -> Version:
    """Takes a version out of use; one that is retired already stays as it is.

    Raises:
        Conflict: the version is the champion.
        DataError: there is no such version.
    """
    version = find(connection, wanted.model, wanted.version)
    if version.retired is not None:
        return version
    champion = current(connection, wanted.model, "champion")
    if champion is not None and champion.version == wanted.version:
        raise Conflict(
            f"model '{wanted.model}': expected a version that isn't in use, found the champion {wanted.version}. Promote another one first."
        )
    at = moment_text(wanted.at)
    _set_retired(connection, version, at)
    deed = audit.Deed(wanted.actor, "retire", wanted.model, wanted.version, wanted.reason, wanted.at, {"bundle": version.bundle})
    audit.append(connection, deed)
    return replace(version, retired=moment_of(at))


def next_number(connection: Connection, table: Table, column: str, where: Any = True) -> int:
    """One more than the largest; safe because writing transactions take turns."""
    return int(connection.scalar(select(func.max(table.c[column])).where(where)) or 0) + 1


def _version(row: RowMapping) -> Version:
    first, last = json.loads(row["trained_on"])
    moments = {"registered": moment_of(row["registered"]), "retired": moment_of(row["retired"]) if row["retired"] else None}
    return Version(**{**row, **moments, "trained_on": (first, last)})


def _promotion(row: RowMapping) -> Promotion:
    return Promotion(**{**row, "at": moment_of(row["at"])})

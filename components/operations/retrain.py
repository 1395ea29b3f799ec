"""Retrain: whether a request for a retraining is followed, and whether there is enough of the new to learn from. Decisions only."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from journey.clock import EPOCH
from journey.records.entries import RETRAINING_ORDER, Retraining

FINAL = max(RETRAINING_ORDER.values())
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Asked:
    """A request, as an alert puts it.

    Attributes:
        model: whose retraining is asked for.
        version: the version that drifts.
        trigger: the class of the request, such as `drift`.
        onset: when the drift began; None where none did.
    """

    model: str
    version: int
    trigger: str
    onset: datetime | None = None


@dataclass(frozen=True)
class Policy:
    """What project.yaml says of retraining.

    Attributes:
        cooldown: platform time after a retraining's end in which none of its kind begins.
        per_day: the most that begin within 24 hours.
        fresh_rows: mature training rows from after the onset that a retraining needs.
    """

    cooldown: timedelta
    per_day: int
    fresh_rows: int


@dataclass(frozen=True)
class Standing:
    """What is known when a request comes.

    Attributes:
        champion: the version that answers; None if none does.
        past: the model's earlier requests, oldest first.
        ended: when each finished one ended, by key; one that isn't here counts from when it was received.
    """

    champion: int | None
    past: tuple[Retraining, ...]
    ended: Mapping[str, datetime]


@dataclass(frozen=True)
class Decision:
    """Whether a request is followed.

    Attributes:
        key: the same for the same request within one cool-down epoch.
        accepted: whether it is stored and carried out.
        reason: why, for people.
    """

    key: str
    accepted: bool
    reason: str


def decide(asked: Asked, standing: Standing, policy: Policy, now: datetime) -> Decision:
    """Whether a request is followed.

    Args:
        asked: the request.
        standing: the champion and earlier requests.
        policy: the project's limits.
        now: platform time.
    """
    key = request_key(asked, policy.cooldown, now)
    objection = _objection(asked, standing, policy, now)
    return Decision(key, objection is None, objection or f"version {asked.version} drifts and nothing stands against a retraining")


def request_key(asked: Asked, cooldown: timedelta, now: datetime) -> str:
    """The same for every sending of a request in one cool-down epoch: the times in an alert change with each restart of who sends it."""
    epoch = int((now - EPOCH) / max(cooldown, timedelta(seconds=1)))
    return hashlib.sha256(f"{asked.model}\n{asked.version}\n{asked.trigger}\n{epoch}".encode()).hexdigest()


def is_enough(fresh_rows: int, policy: Policy) -> bool:
    """Whether the training part holds enough rows from after the onset."""
    return fresh_rows >= policy.fresh_rows


def _objection(asked: Asked, standing: Standing, policy: Policy, now: datetime) -> str | None:
    if standing.champion is None:
        return f"model '{asked.model}' has no champion: promote a version first"
    if asked.version != standing.champion:
        return f"version {asked.version} is not the champion, version {standing.champion} is"
    flying = next((one for one in standing.past if RETRAINING_ORDER[one.state] < FINAL), None)
    if flying is not None:
        return f"retraining {flying.key[:12]} is in flight ({flying.state})"
    alike = [standing.ended.get(one.key, one.received) for one in standing.past if one.trigger == asked.trigger]
    if alike and now - max(alike) < policy.cooldown:
        return f"cool-down until {(max(alike) + policy.cooldown).isoformat(timespec='seconds')}"
    today = sum(now - one.received < DAY for one in standing.past)
    if today >= policy.per_day:
        return f"{today} retrainings in the last 24 hours, of {policy.per_day} that a day may have"
    return None

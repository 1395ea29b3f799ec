"""Alerts in the JSON that Alertmanager sends to a webhook: what the monitor posts and the trigger reads."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from monitoring.rules import MODEL_ALERT, TRIGGER_CLASS

NEVER = datetime(1, 1, 1, tzinfo=UTC)      # what Alertmanager writes for "has not ended"


class Alert(BaseModel):
    """One alert. Labels tell what it is about, annotations what is known of it; keys of newer Alertmanagers are passed over."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime = Field(default=NEVER, alias="endsAt")
    fingerprint: str = ""


class Webhook(BaseModel):
    """The body of one POST."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    version: str = "4"
    status: Literal["firing", "resolved"]
    receiver: str = ""
    group_key: str = Field(default="", alias="groupKey")
    alerts: tuple[Alert, ...]


def model_alert(model: str, version: str, onset: datetime, fired: datetime, summary: str) -> Alert:
    """The alert that asks for a retraining.

    Args:
        model: the model's name.
        version: the version whose inputs drift.
        onset: first evaluation of the unbroken run of evidence.
        fired: when the verdict fell.
        summary: which features, for people.
    """
    labels = {
        "alertname": MODEL_ALERT,
        "model": model,
        "version": version,
        "class": TRIGGER_CLASS,
        "action": "retrain",
        "severity": "warning",
    }
    fingerprint = hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16]
    annotations = {"summary": summary, "onset": onset.isoformat()}
    return Alert(status="firing", labels=labels, annotations=annotations, starts_at=fired, fingerprint=fingerprint)


def webhook(alerts: Sequence[Alert]) -> bytes:
    """The body that carries the alerts."""
    return Webhook(status="firing", receiver="retrain", alerts=tuple(alerts)).model_dump_json(by_alias=True).encode()

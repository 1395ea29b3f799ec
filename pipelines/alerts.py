"""What an alert asks for: Alertmanager's webhook, read as requests for a retraining."""

from collections.abc import Callable
from datetime import datetime

from pydantic import ValidationError

from components.operations.retrain import Asked, Decision
from journey.clock import EPOCH
from journey.errors import RequestError
from monitoring.alerts import Alert, Webhook
from monitoring.rules import TRIGGER_CLASS, rules_of

MOST_DIGITS = 10                   # of a number in a request: Python reads no longer ones than some thousand digits

Ask = Callable[[Asked], Decision]


def asked_of(alert: Alert) -> Asked:
    """What an alert asks for.

    Without the annotation `onset` (an alert of plain Prometheus), the drift is taken to have begun when the evidence did: as long before
    `startsAt` as the rule makes evidence last.

    Raises:
        RequestError: a label is missing or no version's number.
    """
    for name in ("model", "version"):
        if name not in alert.labels:
            raise RequestError(f"alerts.labels.{name}", "a label", "none")
    version = alert.labels["version"]
    if not version.isdecimal() or len(version) >= MOST_DIGITS:
        raise RequestError("alerts.labels.version", "a version's number", repr(version[:40]))
    return Asked(alert.labels["model"], int(version), alert.labels.get("class", TRIGGER_CLASS), _onset(alert))


def _onset(alert: Alert) -> datetime:
    told = alert.annotations.get("onset")
    if told is None:
        return max(alert.starts_at, EPOCH) - rules_of(("1d",)).lasts
    try:
        onset = datetime.fromisoformat(told)
    except ValueError as error:
        raise RequestError("alerts.annotations.onset", "a moment in ISO 8601 with its zone", repr(told)) from error
    if onset.tzinfo is None:
        raise RequestError("alerts.annotations.onset", "a moment in ISO 8601 with its zone", repr(told))
    return onset


def take(body: bytes, ask: Ask) -> list[dict[str, object]]:
    """Asks for what a webhook's firing alerts ask for.

    Raises:
        RequestError: the body isn't Alertmanager's webhook JSON.
    """
    try:
        webhook = Webhook.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(".".join(map(str, first["loc"])) or "body", "Alertmanager's webhook JSON", first["msg"]) from error
    firing = [alert for alert in webhook.alerts if alert.status == "firing" and alert.labels.get("action") == "retrain"]
    decisions = [ask(asked) for asked in [asked_of(alert) for alert in firing]]
    return [{"key": decision.key, "stored": decision.accepted, "reason": decision.reason} for decision in decisions]

"""The loop in the cluster: an alert comes to the trigger, and with no hands another version answers."""

import time
from datetime import UTC, datetime

import pytest

from components.connections.cluster import Cluster
from monitoring.alerts import model_alert, webhook
from pipelines.retraining import ACTOR
from tests.cluster.conftest import TARGET, Laptop

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

ONSET = datetime(2026, 1, 15, tzinfo=UTC)       # half a month after the bank's history begins: another model, and no worse by much
RETRAINED_SECONDS = 900


def test_an_alert_ends_in_another_version_that_answers(second_run: dict, promoted: dict, laptop: Laptop, platform: Cluster) -> None:
    """The project that stands there is the second run's, which has no gates: whatever is trained is promoted."""
    champion = laptop.json("status", "--target", TARGET)["champion"]["version"]
    base, client = platform.proxy("trigger", 8081)
    with client:
        body = webhook([model_alert(promoted["model"], str(champion), ONSET, datetime.now(UTC), "amount has drifted")])
        first, again = (client.post(f"{base}/api/v1/retrain", content=body) for _ in range(2))
    assert first.status_code == 202, first.text
    assert [one["stored"] for one in first.json()["requests"]] == [True], first.text
    assert [one["stored"] for one in again.json()["requests"]] == [False], "an alert is sent again and again"

    until = time.monotonic() + RETRAINED_SECONDS
    while (status := laptop.json("status", "--target", TARGET))["champion"]["version"] == champion or not status["server"]["done"]:
        assert time.monotonic() < until, status
        time.sleep(5)
    version = status["champion"]["version"]
    assert version not in (champion, promoted["version"], second_run["version"])
    assert status["champion"]["actor"] == ACTOR
    assert status["server"]["answering"] == [version]
    retired = [one["version"] for one in laptop.json("audit", "--target", TARGET)["entries"] if one["action"] == "retire"]
    assert champion in retired

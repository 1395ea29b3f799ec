"""The loop in the cluster: an alert comes to the trigger, and with no hands another version answers."""

import time
from datetime import UTC, datetime

import pytest

from components.connections.cluster import Cluster
from monitoring.alerts import model_alert, webhook
from pipelines.retraining import ACTOR
from tests.cluster.conftest import TARGET, Laptop

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

# the bank's history is Feb 9 to Mar 1, and its first ten days teach nothing: only an onset after Feb 19 makes another model
ONSET = datetime(2026, 2, 23, tzinfo=UTC)
RETRAINED_SECONDS = 900


def test_an_alert_ends_in_another_version_that_answers(second_run: dict, promoted: dict, laptop: Laptop, platform: Cluster) -> None:
    """The project that stands there is the second run's, which has no gates: whatever is trained is promoted."""
    before = laptop.json("status", "--target", TARGET)
    if before["retrainings"]:
        pytest.skip("a retraining was asked for in this namespace before: its cool-down is two days")
    champion = before["champion"]["version"]
    base, client = platform.proxy("trigger", 8081)
    with client:
        body = webhook([model_alert(promoted["model"], str(champion), ONSET, datetime.now(UTC), "amount has drifted")])
        first, again = (client.post(f"{base}/api/v1/retrain", content=body) for _ in range(2))
    assert first.status_code == 202, first.text
    assert [one["stored"] for one in first.json()["requests"]] == [True], first.text
    assert [one["stored"] for one in again.json()["requests"]] == [False], "an alert is sent again and again"

    until = time.monotonic() + RETRAINED_SECONDS
    while not _answers_anew(status := laptop.json("status", "--target", TARGET), champion):
        assert status["retrainings"][-1]["state"] not in ("failed", "kept"), status["retrainings"][-1]
        assert time.monotonic() < until, status
        time.sleep(5)
    version = status["champion"]["version"]
    assert version not in (champion, promoted["version"], second_run["version"])
    assert status["champion"]["actor"] == ACTOR
    [replaced] = [one for one in status["versions"] if one["version"] == champion]
    assert replaced["retired"], "who is replaced is retired"

    back = laptop.json("rollback", "--target", TARGET)          # as the other tests want to find it
    assert back["version"] == champion


def _answers_anew(status: dict, champion: int) -> bool:
    """Whether another version is champion and it alone answers: the ledger is ahead of the Deployment for a moment."""
    version, server = status["champion"]["version"], status["server"]
    return version != champion and server["done"] and server["answering"] == [version]

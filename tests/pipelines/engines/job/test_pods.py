import asyncio
import time
from collections.abc import Iterator

import pytest

from pipelines.engines.job import step_pod
from pipelines.engines.job.manifest import Placing
from pipelines.engines.job.pods import Pods
from pipelines.engines.runner import Job
from tests.api_server import Answer, WrittenServer, written_server
from tests.pipelines.engines.job.conftest import MakeJob

PODS = "/api/v1/namespaces/payments/pods"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WrittenServer]:
    """One in which a pod never ends."""
    monkeypatch.setattr(step_pod, "LOOK_SECONDS", 0.01)
    pod = {"metadata": {"name": "x"}, "status": {"phase": "Running", "containerStatuses": [{"name": "step", "state": {"running": {}}}]}}
    with written_server() as found:
        found.answer(f"POST {PODS}", Answer(201, {"kind": "Pod", "metadata": {"name": "x"}}))
        found.answer(f"GET {PODS}/x", Answer(200, pod))
        found.answer(f"GET {PODS}", Answer(200, {"items": []}), Answer(200, {"items": [pod]}))
        found.answer(f"DELETE {PODS}/x", Answer(200, {}))
        yield found


def test_a_run_that_is_interrupted_takes_its_pods_with_it_at_once(server: WrittenServer, make_job: MakeJob) -> None:
    async def interrupted(job: Job) -> None:
        async with Pods(server.cluster, Placing("r1", "payments", "kind")) as pods:
            running = asyncio.create_task(pods.run(job))
            while f"GET {PODS}/x" not in server.asked:
                await asyncio.sleep(0.01)
            running.cancel()
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(interrupted(make_job()))

    assert time.monotonic() - began < 60
    assert f"DELETE {PODS}/x" in server.asked

"""Carries out steps in pods, one each."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from components.connections.cluster import Cluster
from pipelines.engines.job.manifest import Placing
from pipelines.engines.job.step_pod import StepPod, let_go, swept
from pipelines.engines.runner import Job, Report

_SLOTS = 2                  # pods at a time where nobody says: fits a cluster of one node with two cores
_MOST = 256                 # threads; each only waits for its pod


class Pods:
    """A Runner whose jobs are pods of a namespace."""

    def __init__(self, cluster: Cluster, placing: Placing) -> None:
        """Prepares; nothing is made.

        Args:
            cluster: the namespace, as an account that may create, get, list and delete pods and read their logs and events.
            placing: whose pods they are.
        """
        self._cluster = cluster
        self._placing = placing
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(_MOST, thread_name_prefix="pod")
        self.slots = _SLOTS
        self.preload_seconds: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(swept, self._cluster, self._placing)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        let_go(self._cluster, self._placing)        # here and now: the run may be ending because this process was told to
        self._threads.shutdown(wait=False, cancel_futures=True)

    def start(self, phase: str) -> None:
        """Nothing is loaded ahead: each pod has an interpreter of its own."""

    def load_ahead(self, phases: tuple[str, ...]) -> None:
        """As `start`."""

    async def run(self, job: Job) -> Report:
        """Runs a job's pod to its end.

        Raises:
            ProjectError, Forbidden, QuotaExceeded, Unavailable: the pod can't be made, or the cluster doesn't answer.
        """
        pod = StepPod(self._cluster, self._placing, job, self._stop)
        return await asyncio.get_running_loop().run_in_executor(self._threads, pod.run)

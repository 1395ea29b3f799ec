"""A cluster in memory: what is asked of it, and pods that live by a script. The real one is in tests/cluster."""

from collections.abc import Callable, Iterator, Mapping

from components.connections.cluster import Absent
from journey.errors import Conflict, Unavailable

Change = Callable[["FakeCluster"], None]


class FakeCluster:
    """Jobs and pods by name. `script` changes them, a step each time somebody lists pods: the world goes on while we look."""

    namespace = "payments"

    def __init__(self, *script: Change) -> None:
        self.jobs: dict[str, dict] = {}
        self.pods: dict[str, dict] = {}
        self.logs: dict[str, list[str | Exception | Change]] = {}
        self.events: list[dict] = []
        self.deleted: list[str] = []
        self.script = list(script)

    def create(self, manifest: Mapping[str, object]) -> str:
        name = manifest["metadata"]["name"]
        if name in self.jobs:
            raise Conflict(f"create Job {name}: it is there")
        self.jobs[name] = {**manifest, "metadata": {"creationTimestamp": "2026-03-01T12:00:00Z", **manifest["metadata"]}, "status": {}}
        return name

    def get(self, kind: str, name: str) -> dict | None:
        return {"Job": self.jobs, "Pod": self.pods}[kind].get(name)

    def list(self, kind: str, selector: str = "", fields: str = "") -> list[dict]:
        if kind == "Event":
            return self.events
        if kind == "Pod" and self.script:
            self.script.pop(0)(self)
        return list({"Job": self.jobs, "Pod": self.pods}[kind].values())

    def delete(self, kind: str, name: str, grace_seconds: int | None = None, propagation: str = "Background") -> None:
        self.deleted.append(f"{kind}/{name} {propagation}")
        {"Job": self.jobs, "Pod": self.pods}[kind].pop(name, None)

    def log_lines(self, pod: str, follow: bool = True) -> Iterator[str]:
        """The log's lines; what is not text happens there: an exception breaks the connection once, a change goes on in the world."""
        if pod not in self.pods:
            raise Absent(f"log of {pod}")
        for number, line in enumerate(list(self.logs[pod])):
            if isinstance(line, str):
                yield line
            elif isinstance(line, BaseException):
                self.logs[pod][number] = lambda _: None
                raise line
            else:
                line(self)

    def close(self) -> None:
        pass


def pod(name: str, born: int = 0, log: list | None = None, **state: Mapping[str, object]) -> Change:
    """A pod that is there from now on: `running=NOW`, `waiting={…}` or `terminated={"exitCode": …}`."""

    def change(cluster: FakeCluster) -> None:
        phase = "Running" if "running" in state else "Pending"
        if "terminated" in state:
            phase = "Failed" if state["terminated"]["exitCode"] else "Succeeded"
        cluster.pods[name] = {
            "metadata": {"name": name, "namespace": "payments", "creationTimestamp": f"2026-03-01T12:00:{born:02}Z"},
            "spec": {"containers": [{"name": "executor", "resources": {"limits": {"memory": "64Mi"}}}]},
            "status": {"phase": phase, "containerStatuses": [{"name": "executor", "state": dict(state)}]},
        }
        if log is not None:
            cluster.logs[name] = log

    return change


def nothing(_: FakeCluster) -> None:
    """A look at the world in which nothing has changed."""


def gone(name: str) -> Change:
    """Somebody deletes a pod."""
    return lambda cluster: cluster.pods.pop(name, None) and None


NOW = {"startedAt": "2026-03-01T12:00:00Z"}
BROKEN = Unavailable("log of pod: expected an answer, found a broken connection")

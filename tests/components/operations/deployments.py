"""A namespace with as much of Kubernetes' own work as a Deployment needs: each look at it is a moment later."""

from collections.abc import Mapping

Json = Mapping[str, object]
REVISION = "deployment.kubernetes.io/revision"


class SmallCluster:
    """Stands in for `Cluster`: applied Deployments get pods, which become what `fates` says of their image after `moments` looks.

    Attributes:
        fates: image > the container's state of its pods for good, as the kubelet writes it; without one they become ready.
        applied: what was applied, in order.
    """

    namespace = "payments"

    def __init__(self, moments: int = 2) -> None:
        self.fates: dict[str, Json] = {}
        self.applied: list[Json] = []
        self.quota = ""
        self._moments = moments
        self._objects: dict[tuple[str, str], dict] = {}
        self._pods: list[dict] = []
        self._waited = 0

    def put(self, found: dict) -> None:
        """Something that somebody else made."""
        self._objects[found["kind"], found["metadata"]["name"]] = found

    def apply(self, manifest: Json) -> Json:
        self.applied.append(manifest)
        kind, name = str(manifest["kind"]), manifest["metadata"]["name"]
        before = self._objects.get((kind, name))
        if kind != "Deployment":
            self._objects[kind, name] = dict(manifest)
        elif before is None or before["applied"] != manifest:
            number = before["metadata"]["generation"] + 1 if before else 1
            metadata = {**manifest["metadata"], "generation": number, "annotations": {REVISION: str(number)}}
            self._objects[kind, name] = {"kind": kind, "metadata": metadata, "spec": {"replicas": 1}, "applied": manifest}
            self._begin(manifest, number)
        return self._objects[kind, name]

    def get(self, kind: str, name: str) -> Json | None:
        found = self._objects.get((kind, name))
        if kind == "Deployment" and found is not None and "applied" in found:
            self._waited += 1
            self._go_on(found)
        return found

    def list(self, kind: str, selector: str = "", fields: str = "") -> list[Json]:
        wanted = dict(item.split("=") for item in selector.split(",") if item)
        objects = {"Pod": self._pods, "ReplicaSet": [pod["set"] for pod in self._pods], "Event": []}[kind]
        return [found for found in objects if wanted.items() <= found["metadata"]["labels"].items()]

    def log(self, pod: str) -> str:
        return "first line\nlast line of its log\n"

    def _begin(self, manifest: Json, number: int) -> None:
        """A pod for what is new; the one before stays until it is ready, an older one that never was goes."""
        self._waited = 0
        template = manifest["spec"]["template"]
        labels = {**template["metadata"]["labels"], "pod-template-hash": f"h{number}"}
        image = template["spec"]["containers"][0]["image"]
        owner = {"metadata": {"name": f"set-{number}", "labels": labels, "annotations": {REVISION: str(number)}}}
        self._pods = [pod for pod in self._pods if _ready(pod)]
        self._pods.append({
            "metadata": {"name": f"pod-{number}", "namespace": self.namespace, "uid": str(number), "labels": labels},
            "spec": {"containers": [{"name": "server", "image": image}]}, "status": {"phase": "Pending"}, "set": owner,
        })

    def _go_on(self, deployment: dict) -> None:
        new = self._pods[-1]
        generation = deployment["metadata"]["generation"]
        if self._waited == 1:      # the controller hasn't looked yet: what it says is of before
            deployment["status"] = {"observedGeneration": generation - 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
            return
        fate = self.fates.get(new["spec"]["containers"][0]["image"])
        if fate is not None:
            new["status"] = {"phase": "Running", "containerStatuses": [{"name": "server", "state": fate}]}
        elif self._waited > self._moments and not self.quota:
            ready = [{"type": "Ready", "status": "True"}]
            new["status"] = {"phase": "Running", "conditions": ready, "containerStatuses": [{"name": "server", "ready": True}]}
            self._pods = [new]
        available = sum(map(_ready, self._pods))
        conditions = [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": self.quota}] if self.quota else []
        counts = {"replicas": len(self._pods), "updatedReplicas": 1, "availableReplicas": available, "readyReplicas": available}
        deployment["status"] = {"observedGeneration": generation, "conditions": conditions, **counts}


def _ready(pod: dict) -> bool:
    return {"type": "Ready", "status": "True"} in pod["status"].get("conditions", ())

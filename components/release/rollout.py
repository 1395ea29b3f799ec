"""How a rollout stands, read from what the cluster tells of a Deployment and of its ReplicaSets."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from journey.step_names import SERVER

REVISION = "deployment.kubernetes.io/revision"
POD_HASH = "pod-template-hash"


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


class _Metadata(_Part):
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class _Condition(_Part):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class _Spec(_Part):
    replicas: int = 1


class _Status(_Part):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    ready_replicas: int = 0
    conditions: tuple[_Condition, ...] = ()


class Rollout(_Part):
    """A Deployment, or one of its ReplicaSets, as the cluster tells of it."""

    metadata: _Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()

    @property
    def version(self) -> int | None:
        """Which version it is to serve; None where it isn't ours."""
        number = self.metadata.labels.get("journey/version", "")
        return int(number) if number.isdigit() and self.metadata.labels.get("app.kubernetes.io/component") == SERVER else None

    @property
    def revision(self) -> str:
        """A Deployment's is that of the ReplicaSet of its newest pods."""
        return self.metadata.annotations.get(REVISION, "")

    @property
    def pod_hash(self) -> str:
        """Of a ReplicaSet: the label that only its pods have; "" of a Deployment."""
        return self.metadata.labels.get(POD_HASH, "")

    @property
    def seen(self) -> bool:
        """Whether the cluster has begun to do what it was asked for last; before that, the status is of what was."""
        return self.status.observed_generation >= self.metadata.generation

    @property
    def progress(self) -> int:
        """New pods, and pods that answer: more with each step of a rollout."""
        return self.status.updated_replicas + self.status.available_replicas

    @property
    def done(self) -> bool:
        """Whether all pods are of the version and answer, and none of another one is left."""
        status = self.status
        updated = status.updated_replicas >= self.spec.replicas and status.replicas == status.updated_replicas
        return self.seen and updated and status.available_replicas >= self.spec.replicas

    @property
    def refused(self) -> str:
        """Why no pod can be made, such as a quota; "" where they can."""
        failing = (condition for condition in self.status.conditions if condition.type == "ReplicaFailure" and condition.status == "True")
        return next((f"{condition.reason}: {condition.message}" for condition in failing), "")


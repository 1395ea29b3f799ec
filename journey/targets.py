"""The targets of project.yaml: what differs between this machine and a cluster."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from journey.section import Section
from journey.step_names import EVERY_STEP

_CPU = r"^[0-9]+(\.[0-9]+)?m?$"
_MEMORY = r"^[0-9]+(Ki|Mi|Gi|Ti|M|G|T)?$"           # what both Kubernetes and KFP take


class Resources(Section):
    """What a step may use, as Kubernetes writes quantities: `cpu: 500m`, `memory: 2Gi`.

    Memory is asked for and limited alike; CPU is only asked for, so that a step may use what others leave.
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)

    cpu: Annotated[str, Field(pattern=_CPU)] | None = None
    memory: Annotated[str, Field(pattern=_MEMORY)] | None = None


class DataVolume(Section):
    """A volume that sources are read from: the claim's name, and where it is mounted, read-only."""

    claim: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
    path: Annotated[str, Field(pattern=r"^/")]


class Target(Section):
    """What differs between places. `${NAME}` in a URL is read from the environment by whoever uses it, when it runs.

    Attributes:
        engine: local, or job: one pod a step in `namespace`.
        ledger, registry, online: URLs of the ledger's database, MLflow's server and Redis; None for what the home holds.
        images, push: the image registry's name for nodes, and for pods (None: the same).
        serving: process: `journey serve` and `journey up`; deployment: a Deployment follows the ledger.
        data: a volume that sources are read from.
        resources: step > what it may use; `*` is every step that isn't named, `server` the model server.
    """

    engine: Literal["local", "job"] = "local"
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] | None = None
    ledger: str | None = None
    registry: str | None = None
    online: str | None = None
    images: str | None = None
    push: str | None = None
    serving: Literal["process", "deployment"] = "process"
    data: DataVolume | None = None
    resources: dict[str, Resources] = Field(default_factory=dict)

    def allotted(self, step: str) -> Resources:
        """What a step may use: its own numbers, and those of `*` where it has none."""
        every, own = self.resources.get(EVERY_STEP, Resources()), self.resources.get(step, Resources())
        return Resources(cpu=own.cpu or every.cpu, memory=own.memory or every.memory)

"""What a target gives the steps: where records are, and which secrets, volumes and resources each step's pod has. Values only."""

from dataclasses import dataclass, field

from components.pod import URLS
from journey.errors import ProjectError
from journey.places import named_in
from journey.project import Project, Resources, SqlSource, Target
from journey.step_names import CONTAINERIZE, REGISTER, STEPS
from journey.values.carried import carried

SIGNING = "journey-signing"         # the Secret with the private key that bundles are signed with
SOURCES = "journey-sources"         # the Secret with the variables that project.yaml's sources name
INGEST, CHOOSE, PACKAGE = "ingest-data", "choose-model", "package-model"


@dataclass(frozen=True)
class Needs:
    """What one step's pod is given beside what all pods have.

    Attributes:
        variables: Secret > the keys of it that become variables of the same name.
        keys: the Secret whose files lie in JOURNEY_KEYS; "" for none.
        trusted: whether the public keys that are trusted lie in JOURNEY_KEYS.
        logins: whether it logs in to the image registry, with what the Secret for that holds.
        volume: the claim and the folder of the data that sources are read from; empty for none.
        cpu, memory: Kubernetes' quantities; "" for no word about it.
    """

    variables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    keys: str = ""
    trusted: bool = False
    logins: bool = False
    volume: tuple[str, str] | tuple[()] = ()
    cpu: str = ""
    memory: str = ""


@dataclass(frozen=True)
class Placement:
    """One target, as far as the pipeline is concerned. The default is this machine: nothing.

    Attributes:
        records: the target's ledger and registry, for the components that write records; their `${NAME}` as they are.
        registry: the image registry's names (`images`, `push`); empty where no image is made.
        needs: step > what its pod is given; empty where steps are no pods.
    """

    records: dict[str, object] = field(default_factory=dict)
    registry: dict[str, object] = field(default_factory=dict)
    needs: dict[str, Needs] = field(default_factory=dict)


def target_of(project: Project, name: str) -> Target:
    """What project.yaml says of a target; `local` needn't stand there.

    Raises:
        ProjectError: there is no such target.
    """
    known = {"local": Target(), **project.targets}
    if name not in known:
        raise ProjectError(f"target: expected one of {', '.join(sorted(known))}, found '{name}'. Declare it under targets in project.yaml.")
    return known[name]


def placement_of(project: Project, target: Target) -> Placement:
    """What a target of a project gives the steps."""
    return Placement(
        records=carried(Target(ledger=target.ledger, registry=target.registry)),
        registry=carried(Target(images=target.images, push=target.push)),
        needs={step: _needs(step, project, target) for step in STEPS} if target.engine == "job" else {},
    )


def _needs(step: str, project: Project, target: Target) -> Needs:
    resources: Resources = target.allotted(step)
    reads = step == INGEST
    return Needs(
        variables=_variables(step, project, target),
        keys=SIGNING if step == PACKAGE else "",
        trusted=step in (CHOOSE, REGISTER),         # both open bundles: the champion's, and the new one
        logins=step == CONTAINERIZE,
        volume=(target.data.claim, target.data.path) if reads and target.data else (),
        cpu=resources.cpu or "",
        memory=resources.memory or "",
    )


def _variables(step: str, project: Project, target: Target) -> dict[str, tuple[str, ...]]:
    """No step has a secret that it doesn't use: whoever gets into one pod has no more than that pod's."""
    sources = [source.sql if isinstance(source, SqlSource) else source.files for source in project.sources.values()]
    urls = {REGISTER: (target.ledger, target.registry), CONTAINERIZE: (target.ledger, target.images, target.push)}.get(step, ())
    found = {SOURCES: named_in(*sources) if step == INGEST else (), URLS: named_in(*urls)}
    return {secret: tuple(sorted(names)) for secret, names in found.items() if names}

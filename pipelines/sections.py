"""What of a project each step is given, as constants of the compiled pipeline.

A change to one section leaves the cache of all steps valid that are not given that section.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from journey.project import Project
from journey.user_code import python_files
from journey.values.carried import carried, told
from pipelines.closure import reachable
from pipelines.placement import Placement, placement_of, target_of

Constant = dict[str, object]


@dataclass(frozen=True)
class Code:
    """Digests of the project's own files, by the steps that load them; "" where there are none."""

    features: str
    models: str
    request: str
    everything: str


@dataclass(frozen=True)
class Sections:
    """The constants of one project's training pipeline.

    Attributes:
        contracts: table > its contract and column rules.
        candidates: as project.yaml lists them; empty for auto.
        key_id: the key that signs the bundle.
        placement: what the target gives the steps.
    """

    name: str
    sources: Constant
    contracts: Constant
    spine: str
    curate: Constant
    extract: Constant
    select: Constant
    model: Constant
    package: Constant
    candidates: list[object]
    search: Constant
    folds: int
    gates: Constant
    fresh: bool
    code: Code
    key_id: str
    placement: Placement = Placement()          # noqa: RUF009 -- frozen, and nobody changes what is in it

    def digest(self) -> str:
        """SHA-256 over everything, hex: equal sections compile to equal pipelines."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def sections_of(project: Project, directory: Path, key_id: str, target: str = "local") -> Sections:
    """The constants that the project in `directory` gives the steps of a target.

    Raises:
        ProjectError: project.yaml has no such target.
    """
    return Sections(
        name=project.name,
        sources={name: carried(source) for name, source in project.sources.items()},
        contracts={name: carried(table) for name, table in project.tables.items()},
        spine=project.spine.table,
        curate=carried(project.curate_plan()),
        extract=carried(project.extract_plan()),
        select=carried(project.select_plan()),
        model=carried(project.model_plan()),
        package=carried(project.package_plan()),
        candidates=_listed(project),
        search=carried(project.search),
        folds=project.search.folds,
        gates=carried(project.gates),
        fresh=any(table.freshness for table in project.tables.values()),
        code=code_of(directory),
        key_id=key_id,
        placement=placement_of(project, target_of(project, target)),
    )


def code_of(directory: Path) -> Code:
    """Digests of the files that steps load from the project's folder, with the files of the project that those import."""
    return Code(
        features=_digest(directory, "features.py", "request_features.py"),
        models=_digest(directory, "models.py"),
        request=_digest(directory, "request_features.py"),
        everything=_content(directory, python_files(directory)),
    )


def _digest(directory: Path, *roots: str) -> str:
    return _content(directory, sorted(reachable([directory / root for root in roots if (directory / root).is_file()], directory).files))


def _content(directory: Path, files: list[Path]) -> str:
    if not files:
        return ""
    content = hashlib.sha256()
    for path in files:
        content.update(f"{path.relative_to(directory).as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return content.hexdigest()


def _listed(project: Project) -> list[object]:
    """The candidates as project.yaml has them, told so that `restored` gives each parameter back as it was."""
    return [] if project.candidates == "auto" else [told(item) for item in project.candidates]

"""The project: project.yaml and the Python files beside it, read and checked. The models themselves are in journey.sections."""

from pathlib import Path

from journey.checking.cross import cross_findings
from journey.checking.problems import Problem
from journey.checking.python_files import python_problems, read_code
from journey.checking.shape import checked_shape
from journey.checking.yaml_file import read_yaml
from journey.errors import ProjectError
from journey.section import Duration, Section
from journey.sections import (
    ESTIMATORS,
    METRICS,
    Bound,
    CuratePlan,
    ExtractPlan,
    Features,
    FilesSource,
    Gates,
    ModelPlan,
    Monitoring,
    PackagePlan,
    Predict,
    Project,
    Retraining,
    RowCount,
    Search,
    SelectPlan,
    Source,
    Spine,
    Split,
    SqlSource,
    Table,
    Task,
)
from journey.targets import DataVolume, Resources, Target

__all__ = [
    "ESTIMATORS", "FILE", "METRICS", "Bound", "CuratePlan", "DataVolume", "Duration", "ExtractPlan", "Features", "FilesSource", "Gates",
    "ModelPlan", "Monitoring", "PackagePlan", "Predict", "Problem", "Project", "Resources", "Retraining", "RowCount", "Search", "Section",
    "SelectPlan", "Source", "Spine", "Split", "SqlSource", "Table", "Target", "Task", "load_project", "problems",
]  # fmt: skip

FILE = "project.yaml"


def load_project(directory: Path) -> Project:
    """Reads and checks a project. None of its Python is run.

    Args:
        directory: the folder that holds project.yaml.

    Raises:
        ProjectError: with everything that is wrong, file and line with each.
    """
    project, found = _read(directory)
    if found or project is None:
        count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
        listed = "\n".join(f"  {problem}" for problem in found)
        raise ProjectError(f"expected a project without mistakes, found {count} in {directory}:\n{listed}")
    return project


def problems(directory: Path) -> tuple[Problem, ...]:
    """Everything that is wrong with a project, by file and line; empty for a good one."""
    return _read(directory)[1]


def _read(directory: Path) -> tuple[Project | None, tuple[Problem, ...]]:
    path = directory / FILE
    try:
        file = read_yaml(FILE, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, (Problem(FILE, 0, "", f"expected this file in {directory}, found none. `journey init DIR` makes a project"),)
    except (OSError, UnicodeDecodeError) as error:
        return None, (Problem(FILE, 0, "", f"expected a readable file of UTF-8 text, found: {error}"),)
    if file.problems:
        return None, file.problems
    project, found = checked_shape(file)
    code = read_code(directory)
    crossed = [] if project is None else [file.problem(where, message) for where, message in cross_findings(project, code)]
    return project, tuple(sorted({*found, *crossed, *python_problems(project, code)}))

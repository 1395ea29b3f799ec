"""Write code: the project's own Python is linted, its tests are run, its commit and environment go on record."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import journey
from journey.artifacts import Document
from journey.errors import ProjectError
from journey.user_code import python_files

RECORD = "record.json"
TESTS = "tests"
WRONG = ("E9", "F63", "F7", "F82")      # what is broken whenever it runs: syntax, names that aren't there, comparisons that can't be meant
REPORTED = (*WRONG, "E", "F", "W", "B", "PLE")
SHOWN = 10
LIBRARIES = ("numpy", "scikit-learn", "pandas", "ibis-framework", "duckdb", "skl2onnx", "onnxruntime", "skops")
LINT_SECONDS, TEST_SECONDS, GIT_SECONDS = 60, 600, 60
NO_TESTS = 5                            # pytest's exit code where it found none


class Finding(Document):
    """What the linter says of one line."""

    file: str
    line: int
    rule: str
    message: str


class CodeRecord(Document):
    """record.json. Nothing of the time of day is in it.

    Attributes:
        code: digest of the project's Python files.
        findings: what the linter reported and is not broken.
        tests: pytest's last line without its seconds, or that there are none.
        commit: of the project's folder; empty where it is in no repository.
        dirty: the folder holds changes that are in no commit.
        python: version of the interpreter; `libraries` of what shapes a model.
    """

    code: str
    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    tests: str
    commit: str
    dirty: bool
    python: str
    libraries: dict[str, str]

    def markdown(self) -> str:
        """What people are shown."""
        state = f"{self.commit[:12]}{' with changes that are in no commit' if self.dirty else ''}" if self.commit else "in no repository"
        lines = [f"- tests: {self.tests}", f"- files: {len(self.files)}", f"- commit: {state}", f"- Python {self.python}"]
        found = [f"- {each.file}, line {each.line}: {each.rule} {each.message}" for each in self.findings]
        return "\n".join(["# The project's own code", "", *lines, *(["", "## The linter says", "", *found] if found else [])]) + "\n"


def check_code(project: Path, code: str) -> CodeRecord:
    """Lints and tests a project's Python; leaves nothing behind in its folder.

    Args:
        project: the project's folder.
        code: digest of its Python files.

    Raises:
        ProjectError: a file is broken, a test fails, or linter, tests or git take too long.
    """
    project = project.resolve()
    files = python_files(project)
    findings = lint(project, files)
    commit, dirty = _commit(project)
    return CodeRecord(
        code=code,
        files=tuple(path.relative_to(project).as_posix() for path in files),
        findings=findings,
        tests=run_tests(project),
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        libraries={name: version(name) for name in LIBRARIES},
    )


def lint(project: Path, files: Iterable[Path]) -> tuple[Finding, ...]:
    """What the linter reports, in the order of files and lines.

    Raises:
        ProjectError: something is broken.
    """
    paths = [str(path) for path in files]
    if not paths:
        return ()
    options = ["check", "--isolated", "--no-cache", "--exit-zero", "--output-format", "json", "--select", ",".join(REPORTED)]
    done = _run([sys.executable, "-m", "ruff", *options, *paths], project, LINT_SECONDS, "the linter")
    try:
        found = sorted((_finding(each, project) for each in json.loads(done.stdout)), key=lambda each: (each.file, each.line, each.rule))
    except ValueError as error:
        raise ProjectError(f"check-code: expected ruff's findings as JSON, found: {done.stderr.strip() or done.stdout[:200]}") from error
    broken = [each for each in found if not each.rule[:1].isupper() or each.rule.startswith(WRONG)]
    if broken:
        each = "; ".join(f"{item.file}, line {item.line}: {item.message} ({item.rule})" for item in broken[:SHOWN])
        raise ProjectError(f"check-code: expected Python that can run, found {each}. Mend the file and run again.")
    return tuple(found)


def run_tests(project: Path) -> str:
    """Runs the project's tests in a process of their own.

    Returns:
        What pytest counted, without its seconds.

    Raises:
        ProjectError: naming the tests that fail.
    """
    if not (project / TESTS).is_dir():
        return "none: the project has no tests/"
    own = project / "pyproject.toml"
    options = ["-q", "-rfE", "--tb=short", "--color=no", "-p", "no:cacheprovider", "--import-mode=importlib", f"--rootdir={project}"]
    configuration = ["-c", str(own) if own.is_file() else os.devnull]
    done = _run([sys.executable, "-m", "pytest", *options, *configuration, str(project / TESTS)], project, TEST_SECONDS, "the tests")
    print(done.stdout, done.stderr, sep="\n")  # noqa: T201  the step's log is where a traceback is looked for
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if done.returncode == NO_TESTS:
        return "none: tests/ holds no test"
    if done.returncode:
        failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))] or lines[-SHOWN:] or [done.stderr.strip()]
        raise ProjectError(
            f"check-code: expected the project's tests to pass, found: {'; '.join(failed[:SHOWN])}. "
            "Mend the code or the test; `pytest` in the project's folder shows more."
        )
    return lines[-1].rpartition(" in ")[0] or lines[-1]


def _run(command: list[str], project: Path, seconds: int, what: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(journey.__file__).resolve().parents[1])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        advice = "Make it faster, or run again when the machine is less busy."
        raise ProjectError(f"check-code: expected {what} to end within {seconds} s, found it still running. {advice}") from error


def _finding(found: dict[str, object], project: Path) -> Finding:
    location = found["location"]
    assert isinstance(location, dict)
    file = Path(str(found["filename"])).relative_to(project).as_posix()
    return Finding(file=file, line=location["row"], rule=str(found["code"] or "invalid-syntax"), message=str(found["message"]))


def _commit(project: Path) -> tuple[str, bool]:
    """The commit that the folder is at, and whether it differs from it; ("", False) without git or a repository."""
    if shutil.which("git") is None:
        return "", False
    head = _git(project, "rev-parse", "HEAD")
    return (head, bool(_git(project, "status", "--porcelain", "--", "."))) if head else ("", False)


def _git(project: Path, *arguments: str) -> str:
    done = _run(["git", *arguments], project, GIT_SECONDS, f"git {arguments[0]}")
    return done.stdout.strip() if done.returncode == 0 else ""

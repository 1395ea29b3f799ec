"""The command line as people use it, in processes of its own, and the projects that the long runs share."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
JOURNEY = Path(sys.executable).with_name("journey")


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        """The JSON object that stdout ends with."""
        start = self.out.find("{")
        assert start >= 0, f"no JSON on stdout: {self.out!r}\n{self.err}"
        return json.loads(self.out[start:])


Journey = Callable[..., Answer]


@pytest.fixture(scope="session")
def journey() -> Journey:
    """Runs `journey …` and waits for it."""

    def run(*arguments: str | Path, timeout: float = 280, **environment: str) -> Answer:
        done = subprocess.run(
            [str(JOURNEY), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def census(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the census project that finds its raw file."""
    project = tmp_path_factory.mktemp("census") / "census"
    shutil.copytree(REPOSITORY / "examples" / "census", project, ignore=shutil.ignore_patterns(".journey", "__pycache__"))
    os.environ["CENSUS_CSV"] = str(shared_data / "census.csv")
    return project


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory, journey: Journey) -> Path:
    """500 rows, two candidates, a few trials: the whole pipeline in seconds."""
    folder = tmp_path_factory.mktemp("small")
    rows = folder / "loans.csv"
    random = np.random.default_rng(3)
    income, age = random.lognormal(3, 0.5, 500), random.integers(18, 80, 500)
    home = random.choice(["rent", "own", "mortgage"], 500)
    risk = 1 / (1 + np.exp(0.08 * (income - 20) - 0.8 * (home == "rent") + 0.01 * (age - 45)))
    lines = [f"{a},{b:.2f},{c},{'yes' if d else 'no'}" for a, b, c, d in zip(age, income, home, random.random(500) < risk, strict=True)]
    rows.write_text("age,income,home,default\n" + "\n".join(lines) + "\n")
    project = folder / "loans"
    made = journey("init", project, "--from", rows, "--label", "default")
    assert made.code == 0, made.err
    text = (project / "project.yaml").read_text()
    text = re.sub(r"(?m)^(candidates|search):.*\n(?:[ ]+.*\n)*", "", text)
    (project / "project.yaml").write_text(text + "candidates: [logistic, hist_gradient_boosting]\nsearch: {trials: 2, best: 1, folds: 2}\n")
    return project


@contextmanager
def _served(project: Path, home: Path | None = None, **environment: str) -> Iterator[str]:
    place = ["--home", str(home)] if home else []
    command = [str(JOURNEY), "serve", "-p", str(project), "--port", "0", *place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env={**os.environ, **environment}) as server:
        assert server.stdout is not None
        try:
            yield _address(server.stdout)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=120)


def _address(lines: Iterable[str]) -> str:
    """Where the server says that it answers."""
    told = []
    for line in lines:
        told.append(line)
        found = re.search(r"http://127\.0\.0\.1:[0-9]+", line)
        if found:
            return found[0]
    raise AssertionError("journey serve ended without an address: " + "".join(told))


@pytest.fixture(scope="session")
def served() -> Callable[..., object]:
    """`with served(project) as address:` has `journey serve` answer at address."""
    return _served


@dataclass(frozen=True)
class Trained:
    """A project that was run, with what `journey run --json` said and where each step's artifacts lie."""

    project: Path
    home: Path
    said: dict

    def artifact(self, step: str, output: str) -> Path:
        """The folder that a step wrote in this run."""
        from pipelines.submit import RunOptions, submit

        outputs = submit(self.project, options=RunOptions(home=self.home)).outputs
        return Path(str(outputs[step][output]))


@pytest.fixture(scope="session")
def census_run(census: Path, journey: Journey, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Census, run cold in a home of its own."""
    home = tmp_path_factory.mktemp("census-home")
    answer = journey("run", "-p", census, "--home", home, "--json")
    assert answer.code == 0, answer.err
    return Trained(census, home, answer.json)

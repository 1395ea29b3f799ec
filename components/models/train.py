"""Train models: one candidate on the training rows."""

import time
from dataclasses import dataclass
from pathlib import Path

from sklearn.pipeline import Pipeline

from components.models.rows import FrameRows
from journey.artifacts import CandidateSpec
from journey.declarations import Candidate
from journey.errors import DataError, JourneyError, ProjectError
from journey.model.estimators import OWN, build, dumps, encoding_of, loads
from journey.model.fitting import Training
from journey.sections import ModelPlan

MODEL, CANDIDATE = "model.skops", "candidate.json"


@dataclass(frozen=True)
class Fitted:
    """A fitted candidate.

    Attributes:
        content: canonical skops.
        seconds: what the fit took; shown to people, never decides.
    """

    candidate: CandidateSpec
    pipeline: Pipeline
    content: bytes
    seconds: float

    def write(self, directory: Path) -> None:
        """Writes model.skops and candidate.json; how long the fit took is no part of them."""
        self.candidate.write(directory / CANDIDATE)
        (directory / MODEL).write_bytes(self.content)

    @classmethod
    def read(cls, directory: Path, seconds: float) -> "Fitted":
        """What `write` wrote.

        Raises:
            DataError: a file isn't there.
            Untrusted: the model holds a type that isn't trusted.
        """
        try:
            content = (directory / MODEL).read_bytes()
        except OSError as error:
            raise DataError(f"{directory}: expected {MODEL}, found none that can be read: {error.strerror}") from error
        return cls(CandidateSpec.read(directory / CANDIDATE), loads(content), content, seconds)


def train(spec: CandidateSpec, plan: ModelPlan, rows: FrameRows, own: tuple[Candidate, ...]) -> Fitted:
    """Fits a candidate on the training rows.

    Raises:
        ProjectError: the candidate can't be built or fitted.
        Untrusted: it holds types that no server would load.
    """
    part = rows.part("train")
    return fit(spec, plan, rows, Training(part.table, part.labels), own)


def fit(spec: CandidateSpec, plan: ModelPlan, rows: FrameRows, training: Training, own: tuple[Candidate, ...]) -> Fitted:
    """Fits a candidate on some rows, whose encodings are shared.

    Raises:
        ProjectError: the candidate can't be built or fitted.
        Untrusted: it holds types that no server would load.
    """
    start = time.perf_counter()
    fitted = fit_told(spec, build(spec, rows.schema, plan.seed, own), training)
    seconds = time.perf_counter() - start
    return Fitted(spec, fitted, dumps(fitted), seconds)


def fit_told(spec: CandidateSpec, pipeline: Pipeline, training: Training) -> Pipeline:
    """Fits a candidate's Pipeline; what its estimator raises is told by the candidate's name.

    Raises:
        ProjectError: it can't be fitted.
    """
    try:
        return training.fit(pipeline, encoding_of(spec.estimator))
    except JourneyError:
        raise
    except Exception as error:
        where = f"models.py, candidate {spec.estimator.removeprefix(OWN)}" if spec.estimator.startswith(OWN) else f"candidate {spec.name}"
        raise ProjectError(
            f"{where}: expected it to fit {len(training.labels)} rows, found {type(error).__name__}: {error}. "
            "Change its parameters under `candidates`, or leave it out."
        ) from error

"""Fitting and predicting, the same way for every candidate: one thread, so that equal rows give equal bits."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from journey.model.estimators import Encoding

Floats = NDArray[np.float64]
Labels = NDArray[np.int64] | NDArray[np.float64]


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS and OpenMP on one thread: sums in another order have other last bits, and boosting stores its thread count.

    A fit that stops at its iteration limit is as good as its scores say, so it isn't worth a warning.
    """
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@dataclass
class Training:
    """Rows to fit on; each encoding of them is made once and shared by all candidates that need it.

    Attributes:
        table: shape [n, k], as `matrix` gives it.
        labels: shape [n].
    """

    table: NDArray[np.object_]
    labels: Labels
    _encoded: dict[Encoding, tuple[Pipeline, Floats]] = field(default_factory=dict)

    def fit(self, pipeline: Pipeline, encoding: Encoding) -> Pipeline:
        """Fits a new Pipeline; the one that is given stays unfitted except for encoding steps, which are the shared ones.

        Args:
            pipeline: as `build` made it.
            encoding: that of its estimator.
        """
        with one_thread():
            if encoding not in self._encoded:
                encoder = pipeline[:-1]
                self._encoded[encoding] = (encoder, encoder.fit_transform(self.table, self.labels))
            encoder, encoded = self._encoded[encoding]
            model = pipeline[-1].fit(encoded, self.labels)
        return Pipeline([*encoder.steps, ("model", model)])


@dataclass
class Rows:
    """Rows to predict; as with Training, each encoder's work is done once."""

    table: NDArray[np.object_]
    _encoded: dict[int, tuple[BaseEstimator, Floats]] = field(default_factory=dict)     # by the id of an encoder that is held here

    def predict(self, pipeline: Pipeline, classes: int) -> Floats:
        """Predictions of a fitted Pipeline.

        Args:
            pipeline: fitted.
            classes: how many classes the task has; 0 for regression.

        Returns:
            Probabilities [n, classes], or [n, 1] for regression. A class that the Pipeline never saw has probability 0.
        """
        columns = pipeline[0]
        with one_thread():
            if id(columns) not in self._encoded:
                self._encoded[id(columns)] = (columns, pipeline[:-1].transform(self.table))
            encoded = self._encoded[id(columns)][1]
            model = pipeline[-1]
            if not classes:
                return np.asarray(model.predict(encoded), dtype=np.float64).reshape(-1, 1)
            probabilities = np.zeros((len(encoded), classes))
            probabilities[:, model.classes_.astype(np.int64)] = model.predict_proba(encoded)
        return probabilities

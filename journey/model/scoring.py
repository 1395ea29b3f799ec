"""Scoring: the one way from raw rows and looked-up values to predictions.

The parity gate, the server, batch inference, MLflow's pyfunc and the champion's comparison all come through here. What a row needs is
worked out once, when the Scorer is made; a row then costs one call a column. Imports only what the server has.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from journey.artifacts import Input, Lookup
from journey.errors import DataError, RequestError
from journey.model.bundle import ONNX, REQUEST_FEATURES, SKOPS, Bundle, BundleSignature
from journey.model.inputs import matrix, worded
from journey.request_features import RequestFunction, load_request_features
from journey.telemetry import switch_off
from journey.values.columns import Value, value_form

Count = Callable[[str, str], None]
Predict = Callable[[NDArray[np.float64], NDArray[np.object_]], NDArray[np.float64]]
Row = Mapping[str, object]
Values = Mapping[str, Value]


@dataclass(frozen=True)
class Arrays:
    """Model inputs of n rows: `numbers` [n, d] with NaN, `categories` [n, c] of str with MISSING put in."""

    numbers: NDArray[np.float64]
    categories: NDArray[np.object_]


def uncounted(column: str, breach: str) -> None:
    """Counts nothing: for those who don't keep counts of rule breaches."""


class Scorer:
    """A bundle made ready to score.

    Attributes:
        bundle: what it was made from.
        signature: the bundle's signature.json.
    """

    def __init__(self, bundle: Bundle, count: Count = uncounted) -> None:
        """Loads the model and works out what a row needs.

        Args:
            bundle: opened, so verified.
            count: called with (column, rule) for each value that a rule made missing, clipped or only warned of.

        Raises:
            DataError: request_features.py lacks a function that the signature names.
            Untrusted: a file was changed since the bundle was opened.
            Unavailable: the bundle runs on scikit-learn and this environment has none.
        """
        self.bundle = bundle
        self.signature = bundle.signature
        self._known = frozenset((*(column.name for column in self.signature.request), *self.signature.ignored))
        self._forms = tuple((column.name, value_form(column.name, column.rule, count)) for column in self.signature.request)
        self._derived = _derived(bundle)
        self._absent = tuple((lookup, tuple((f.name, f.default) for f in lookup.features)) for lookup in self.signature.lookups)
        self._personal = frozenset(column.name for column in self.signature.request if column.rule.pii)
        self._numbers = _picker(item.name for item in self.signature.inputs if item.type != "category")
        self._categories = _picker(item.name for item in self.signature.inputs if item.type == "category")
        self._width = sum(item.type != "category" for item in self.signature.inputs)
        self._category_names = tuple(item.name for item in self.signature.inputs if item.type == "category")
        self._predict = _model(bundle)

    def rows(self, names: Sequence[str], cells: Sequence[Sequence[object]]) -> list[dict[str, object]]:
        """Positional rows as mappings.

        Raises:
            RequestError: a name comes twice, or a row is shorter or longer than the names.
        """
        if len(set(names)) != len(names):
            raise RequestError("names", "each column once", f"twice: {next(name for name in names if list(names).count(name) > 1)!r}")
        for number, row in enumerate(cells):
            if len(row) != len(names):
                raise RequestError("ndarray", f"{len(names)} values a row, one for each of names", f"{len(row)} in row {number}")
        return [dict(zip(names, row, strict=True)) for row in cells]

    def values(self, row: Row) -> dict[str, Value]:
        """The spine's values of one raw row after their rules; a column that the row doesn't hold is missing.

        Raises:
            RequestError: a value breaks its rule, or the row holds a column that nobody declared.
        """
        if not self._known.issuperset(row):
            self._refuse_unknown(row)
        get = row.get
        return {name: form(get(name)) for name, form in self._forms}

    def arrays(self, values: Sequence[Values], looked_up: Sequence[Values]) -> Arrays:
        """The model's inputs.

        Args:
            values: of each row, what `values` gave.
            looked_up: of each row, feature name > value for the features whose row was found and is fresh enough.

        Raises:
            RequestError: a looked-up row is absent and the bundle refuses that, or a category holds the reserved word.
            ProjectError: a request feature raised.
        """
        complete: Sequence[Values] = values
        if self._derived or self._absent:
            complete = [self._complete(row, found) for row, found in zip(values, looked_up, strict=True)]
        numbers = np.array(list(map(self._numbers, complete)), dtype=np.float64).reshape(len(complete), self._width)
        categories = np.empty((len(complete), len(self._category_names)), dtype=object)
        if self._category_names:
            for index, row in enumerate(complete):
                categories[index] = list(map(worded, self._category_names, self._categories(row)))
        return Arrays(numbers, categories)

    def inputs(self, rows: Sequence[Row], looked_up: Sequence[Values]) -> Arrays:
        """`values` and `arrays` in one, for those who have looked up already.

        Raises:
            RequestError: as those two.
            ProjectError: as `arrays`.
        """
        return self.arrays([self.values(row) for row in rows], looked_up)

    def predict(self, arrays: Arrays) -> NDArray[np.float64]:
        """The model's output: probabilities [n, classes], or [n, 1] for regression."""
        return self._predict(arrays.numbers, arrays.categories)

    def score(self, predictions: NDArray[np.float64]) -> NDArray[np.float64]:
        """One number a row [n]: the positive's probability, the largest class's probability, or the value."""
        if self.signature.task == "binary":
            return predictions[:, 1]
        return predictions.max(axis=1) if self.signature.task == "multiclass" else predictions[:, 0]

    def _complete(self, values: Values, found: Values) -> dict[str, Value]:
        row = dict(values)
        for name, function in self._derived:
            row[name] = function(*[values[argument] for argument in function.arguments])
        for lookup, features in self._absent:
            for name, default in features:
                if name in found:
                    row[name] = found[name]
                elif self.signature.missing == "refuse":
                    self._refuse_absent(lookup, values)
                else:
                    row[name] = default
        return row

    def _refuse_unknown(self, row: Row) -> None:
        name = next(name for name in row if name not in self._known)
        near = difflib.get_close_matches(str(name), sorted(self._known), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"declared are {', '.join(sorted(self._known))}"
        raise RequestError(str(name), "a column that the project declares", f"an unknown one; {hint}")

    def _refuse_absent(self, lookup: Lookup, values: Values) -> None:
        shown = "this value" if lookup.column in self._personal else repr(values.get(lookup.column))
        raise RequestError(lookup.column, f"a {lookup.entity} with a fresh row in view '{lookup.view}'", f"none for {shown}")


def _derived(bundle: Bundle) -> tuple[tuple[str, RequestFunction], ...]:
    if not bundle.signature.derived:
        return ()
    functions = {function.name: function for function in load_request_features(bundle.read(REQUEST_FEATURES))}
    for derived in bundle.signature.derived:
        if derived.function not in functions:
            raise DataError(
                f"bundle {bundle.directory}: expected function '{derived.function}' in {REQUEST_FEATURES}, found {', '.join(functions)}"
            )
    return tuple((derived.name, functions[derived.function]) for derived in bundle.signature.derived)


def _picker(names: Iterable[str]) -> Callable[[Values], tuple[Value, ...]]:
    """A function that picks these values from a row, as a tuple however many they are."""
    wanted = tuple(names)
    if len(wanted) > 1:
        return itemgetter(*wanted)
    return lambda row: tuple(row[name] for name in wanted)


def _model(bundle: Bundle) -> Predict:
    if bundle.manifest.engine == "onnx":
        return _onnx_model(bundle.read(ONNX), bundle.signature)
    return _skops_model(bundle.read(SKOPS), bundle.signature)


def _onnx_model(content: bytes, signature: BundleSignature) -> Predict:
    switch_off()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1                    # one row is too little to share; processes share cores instead
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = False                  # plans memory by shape; the number of rows differs each time
    options.enable_cpu_mem_arena = False                # would keep the memory of the largest batch for ever; no slower without
    options.log_severity_level = 3                      # errors only: warnings of the optimizer say nothing to an operator
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    outputs = [signature.outputs[0].name]
    has_numbers, has_categories = _kinds(signature.inputs)

    def predict(numbers: NDArray[np.float64], categories: NDArray[np.object_]) -> NDArray[np.float64]:
        feeds: dict[str, NDArray[np.float64] | NDArray[np.object_]] = {}
        if has_numbers:
            feeds["numbers"] = numbers
        if has_categories:
            feeds["categories"] = categories
        return np.asarray(session.run(outputs, feeds)[0], dtype=np.float64)

    return predict


def _kinds(inputs: Sequence[Input]) -> tuple[bool, bool]:
    return any(item.type != "category" for item in inputs), any(item.type == "category" for item in inputs)


def _skops_model(content: bytes, signature: BundleSignature) -> Predict:
    from journey.model.canonical import loads

    pipeline = loads(content)

    def predict(numbers: NDArray[np.float64], categories: NDArray[np.object_]) -> NDArray[np.float64]:
        table = matrix(numbers, categories)
        if signature.task == "regression":
            return np.asarray(pipeline.predict(table), dtype=np.float64).reshape(len(table), 1)
        return np.asarray(pipeline.predict_proba(table), dtype=np.float64)

    return predict

"""Seldon's protocol in JSON: requests read, answers and refusals written."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from journey.errors import MalformedRequest

Row = dict[str, object]

FEEDBACK_FORMS = '{"feedback": [{"prediction": "<id>", "label": …}]}, or response.meta.tags.ids and as many values in truth.data.ndarray'
BODY_FORMS = '{"jsonData": {"rows": [{…}]}} or {"data": {"names": […], "ndarray": [[…]]}}'


class Asked(NamedTuple):
    """A request for predictions: raw spine rows, the version that shall answer (None: the champion), and whether to show lookups."""

    rows: list[Row]
    version: int | None
    explain: bool


class Label(NamedTuple):
    """What became true of a prediction."""

    prediction: str
    label: object
    source: str


def read_predictions(body: bytes, most_rows: int) -> Asked:
    """Reads a request for predictions.

    Raises:
        MalformedRequest: it isn't of Seldon's form, or holds no row or too many.
    """
    document = _object(body)
    meta = document.get("meta")
    version, explain = (None, False) if meta is None else _tags(meta)
    rows = _rows(document)
    if not rows:
        raise MalformedRequest("body", "at least one row", "none")
    if len(rows) > most_rows:
        raise MalformedRequest("body", f"at most {most_rows} rows a request", f"{len(rows)}: send several requests", 413)
    return Asked(rows, version, explain)


def read_feedback(body: bytes) -> list[Label]:
    """Reads labels: `{"feedback": [{"prediction", "label", "source"}]}`, or Seldon's `{"response", "truth"}` with the answer's ids.

    Raises:
        MalformedRequest: it is neither.
    """
    document = _object(body)
    if "feedback" in document:
        labels = document["feedback"]
        if not isinstance(labels, list) or not labels:
            raise MalformedRequest("feedback", "a list of at least one label", _kind(labels))
        return [_label(number, item) for number, item in enumerate(labels)]
    ids = _inside(document, "response", "meta", "tags", "ids")
    truth = _inside(document, "truth", "data", "ndarray")
    if not isinstance(ids, list) or not isinstance(truth, list) or len(ids) != len(truth):
        raise MalformedRequest("body", FEEDBACK_FORMS, _kind(document))
    pairs = zip(ids, truth, strict=True)
    return [_label(number, {"prediction": key, "label": _alone(value)}) for number, (key, value) in enumerate(pairs)]


def answer_head(model: str, version: int) -> bytes:
    """An answer up to its tags, open for more tags."""
    return orjson.dumps({"meta": {"tags": {"version": version, "model": model}}})[:-3]


def answer_middle(names: Sequence[str]) -> bytes:
    """An answer from the end of its tags to its rows."""
    return b'}},"data":{"names":' + orjson.dumps(list(names)) + b',"ndarray":'


ANSWER_END = b"}}"


def tag(name: str, value: object) -> bytes:
    """One more tag, to stand between head and middle."""
    return b"," + orjson.dumps(name) + b":" + orjson.dumps(value, option=orjson.OPT_UTC_Z)


def refusal(status: int, info: str) -> bytes:
    """An error in Seldon's shape."""
    reason = "MICROSERVICE_BAD_DATA" if status < 500 else "MICROSERVICE_INTERNAL_ERROR"
    return orjson.dumps({"status": {"code": status, "info": info, "reason": reason, "status": "FAILURE"}})


def _object(body: bytes) -> dict[str, object]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest("body", f"JSON such as {BODY_FORMS}", f"{error}" if body else "nothing") from error
    if not isinstance(document, dict):
        raise MalformedRequest("body", f"an object such as {BODY_FORMS}", _kind(document))
    return document


def _tags(meta: object) -> tuple[int | None, bool]:
    tags = meta.get("tags") if isinstance(meta, dict) else meta
    if tags is None and isinstance(meta, dict):
        return None, False
    if not isinstance(tags, dict):
        raise MalformedRequest("meta.tags", "an object", _kind(tags))
    version, explain = tags.get("version"), tags.get("explain", False)
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise MalformedRequest("meta.tags.version", "a whole number", _kind(version))
    if not isinstance(explain, bool):
        raise MalformedRequest("meta.tags.explain", "true or false", _kind(explain))
    return version, explain


def _rows(document: dict[str, object]) -> list[Row]:
    held = document.get("jsonData")
    if held is not None:
        rows = held.get("rows") if isinstance(held, dict) else held
        if not isinstance(rows, list):
            raise MalformedRequest("jsonData.rows", "a list of rows, each an object of column and value", _kind(rows))
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise MalformedRequest(f"jsonData.rows[{number}]", "an object of column and value", _kind(row))
        return rows
    data = document.get("data")
    if not isinstance(data, dict):
        raise MalformedRequest("body", BODY_FORMS, f"an object with {', '.join(map(repr, document)) or 'no keys'}")
    return _named(data.get("names"), _cells(data))


def _cells(data: dict[str, object]) -> list[list[object]]:
    cells = data.get("ndarray")
    if cells is None and "tensor" in data:
        return _tensor(data["tensor"])
    if not isinstance(cells, list):
        raise MalformedRequest("data.ndarray", "a list of rows, each a list of values", _kind(cells))
    for number, row in enumerate(cells):
        if not isinstance(row, list):
            raise MalformedRequest(f"data.ndarray[{number}]", "a list of values", _kind(row))
    return cells


def _tensor(tensor: object) -> list[list[object]]:
    shape, values = (tensor.get("shape"), tensor.get("values")) if isinstance(tensor, dict) else (None, None)
    if isinstance(shape, list) and len(shape) == 2 and all(type(size) is int and size >= 0 for size in shape) and isinstance(values, list):
        height, width = shape
        if height * width == len(values):
            return [values[row * width : (row + 1) * width] for row in range(height)]
    raise MalformedRequest("data.tensor", '{"shape": [rows, columns], "values": […]}, as many values as the shape says', _kind(tensor))


def _named(names: object, cells: list[list[object]]) -> list[Row]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise MalformedRequest("data.names", "the names of the columns of data.ndarray, in its order", _kind(names))
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedRequest("data.names", "each column once", f"'{twice}' twice")
    for number, row in enumerate(cells):
        if len(row) != len(names):
            raise MalformedRequest(f"data.ndarray[{number}]", f"{len(names)} values, one for each of data.names", f"{len(row)}")
    return [dict(zip(names, row, strict=True)) for row in cells]


def _label(number: int, item: object) -> Label:
    if not isinstance(item, dict) or not isinstance(item.get("prediction"), str) or "label" not in item:
        raise MalformedRequest(f"feedback[{number}]", '{"prediction": "<id from meta.tags.ids>", "label": …}', _kind(item))
    if isinstance(item["label"], list | dict) or item["label"] is None:
        raise MalformedRequest(f"feedback[{number}].label", "one value", _kind(item["label"]))
    return Label(item["prediction"], item["label"], str(item.get("source", "request")))


def _inside(document: object, *path: str) -> object:
    for key in path:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def _alone(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _kind(value: object) -> str:
    """What a value is, in JSON's words; never the value itself, which may be personal or long."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return f"an object with {', '.join(repr(key) for key in list(value)[:5]) or 'no keys'}"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "text", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), type(value).__name__)

"""What can go wrong, by what the reader can do about it.

JourneyError
├── ProjectError        mend project.yaml, features.py, request_features.py or models.py
├── DataError           mend the data or the contract
│   ├── ConflictingKeys     two different rows share a key
│   ├── RequestError        mend a value of the request (the server's 400)
│   └── MalformedRequest    mend the request's form (the server's 400, 405, 413)
├── GateFailed          the model isn't good enough; nothing is broken
├── Conflict            somebody else was first; look again and decide anew
├── Unavailable         a service or a file didn't answer; try again later
└── Untrusted           a digest or a signature doesn't hold

A message says what was expected, what was found and where, and then what to do.
"""


class JourneyError(Exception):
    """The root: its text is shown to people as it is, without a traceback."""

    exit_code = 1


class ProjectError(JourneyError):
    """The project's own files are wrong."""


class DataError(JourneyError):
    """The data breaks the contract, or the contract doesn't fit the data."""


class ConflictingKeys(DataError):
    """Two different rows share a key."""

    def __init__(self, table: str, key: str, count: int, example: str) -> None:
        super().__init__(
            f"table '{table}': expected one row per {key}, found {count} keys with several different rows, such as {key}={example}. "
            f"Name the column that makes a row unique under tables.{table}.key, or mend the source."
        )


class RequestError(DataError):
    """A request that the server answers with 400."""

    def __init__(self, column: str, expected: str, found: str) -> None:
        super().__init__(f"column '{column}': expected {expected}, found {found}")
        self.column = column
        self.expected = expected
        self.found = found


class MalformedRequest(DataError):
    """A request whose form, not a value in it, is wrong; `status` is HTTP's number."""

    def __init__(self, where: str, expected: str, found: str, status: int = 400) -> None:
        super().__init__(f"{where}: expected {expected}, found {found}")
        self.status = status


class GateFailed(JourneyError):
    """The model is not good enough to go on; nothing is broken."""

    exit_code = 3


class Conflict(JourneyError):
    """Somebody else changed the record first."""


class Unavailable(JourneyError):
    """A service or a file that is needed didn't answer."""


class Untrusted(JourneyError):
    """A digest or a signature doesn't hold."""

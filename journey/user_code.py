"""The project's own Python files: how they are run, and how what they raise is told to people."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType

from journey.errors import JourneyError, ProjectError
from journey.project_files import project_files


def python_files(folder: Path) -> list[Path]:
    """The project's own Python files, sorted."""
    return [path for path in project_files(folder) if path.suffix == ".py"]


@dataclass(frozen=True)
class UserFile:
    """One Python file of the project: where it says it is (for messages), and its bytes."""

    path: str
    source: bytes

    @classmethod
    def read(cls, path: Path) -> "UserFile | None":
        """The file, or None where the project has no such file.

        Raises:
            ProjectError: the file is there and can't be read.
        """
        try:
            return cls(str(path), path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ProjectError(f"{path}: expected a readable Python file, found: {error.strerror}") from error

    @property
    def name(self) -> str:
        """The file's name without its folder, as messages show it."""
        return Path(self.path).name

    def run(self) -> ModuleType:
        """Runs the file and gives its module; sys.path and sys.modules stay as they are.

        Raises:
            ProjectError: the file is no Python, or raises; file, line and function are named.
        """
        module = ModuleType(f"project_{Path(self.path).stem}")
        module.__file__ = self.path
        with told(self.path):
            exec(compile(self.source, self.path, "exec", dont_inherit=True), vars(module))  # noqa: S102  running it is the point
        return module

    def functions(self, module: ModuleType) -> tuple[FunctionType, ...]:
        """The functions that the file itself defines, in its order; what it imported is left out."""
        return tuple(
            member for member in vars(module).values() if isinstance(member, FunctionType) and member.__code__.co_filename == self.path
        )


@contextmanager
def told(path: str, function: str = "") -> Iterator[None]:
    """Turns whatever the user's code raises into a ProjectError that names file, line and function.

    Args:
        path: the file whose lines are the user's.
        function: the function that was called, where it is known.
    """
    try:
        yield
    except JourneyError:
        raise
    except Exception as error:
        raise project_error(path, function, error) from error


def project_error(path: str, function: str, error: Exception) -> ProjectError:
    """What the user is told of an exception from their own file."""
    line, inner = _place(path, error)
    name = function or inner
    place = f"{Path(path).name}, line {line}" if line else Path(path).name
    where = f"{place}, in {name}" if name and name != "<module>" else place
    what = f"{type(error).__name__}: {_message(error)}"
    return ProjectError(f"{where}: expected it to run, found {what}.{_advice(error)}")


def _place(path: str, error: Exception) -> tuple[int | None, str]:
    """The last line of the user's file that the exception went through, and its function."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno, ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return (frames[-1].lineno, frames[-1].name) if frames else (None, "")


def _message(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return error.msg
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "no message"


def _advice(error: Exception) -> str:
    if not isinstance(error, ModuleNotFoundError):
        return ""
    standard = " (is it spelled right?)" if (error.name or "").split(".")[0] not in sys.stdlib_module_names else ""
    return f" A project's file may import installed packages only{standard}; put what it shares with another file into both."

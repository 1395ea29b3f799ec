"""Which code a piece of Python can reach, found by reading its imports without running anything.

A step's cache key covers the files named here and the versions of the libraries named here; so a change to a module makes exactly
those steps run again that can reach it.
"""

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

DATA_SUFFIXES = frozenset({".html", ".css", ".js", ".json", ".yaml", ".tmpl"})    # files beside a module that it may read


@dataclass(frozen=True)
class Reach:
    """What a piece of code can reach.

    Attributes:
        files: Python files below the root, and the data files beside them.
        libraries: top-level names of everything else that is imported and not in the standard library.
    """

    files: frozenset[Path]
    libraries: frozenset[str]


def reachable(roots: Iterable[Path], root: Path) -> Reach:
    """Everything that these files reach; modules are looked for below `root`."""
    return _close({path: _imports(path.read_text(encoding="utf-8"), _package(path, root)) for path in roots}, root)


def reachable_from_source(source: str, root: Path) -> Reach:
    """Everything that this source reaches; the source itself is not among the files."""
    return _close({}, root, _imports(source, ()))


def _close(seen: dict[Path, frozenset[str]], root: Path, names: frozenset[str] = frozenset()) -> Reach:
    waiting = set(names).union(*seen.values())
    done: set[str] = set()
    libraries: set[str] = set()
    while waiting:
        name = waiting.pop()
        done.add(name)
        files = _modules(name, root)
        if not files and (top := name.partition(".")[0]) not in sys.stdlib_module_names and not (root / top).is_dir():
            libraries.add(top)
        for path in files:
            if path not in seen:
                seen[path] = _imports_of(path, path.stat().st_mtime_ns, root)
                waiting |= seen[path] - done
    folders = {path.parent for path in seen if path.parent != root}
    beside = {path for folder in folders for path in folder.iterdir() if path.suffix in DATA_SUFFIXES}
    return Reach(frozenset(seen) | beside, frozenset(libraries))


@lru_cache(maxsize=4096)
def _imports_of(path: Path, changed: int, root: Path) -> frozenset[str]:
    """The names that a file imports; `changed` (mtime, ns) makes the cache see an edit."""
    return _imports(path.read_text(encoding="utf-8"), _package(path, root))


def _imports(source: str, package: tuple[str, ...]) -> frozenset[str]:
    """Dotted names that may be modules: `from a.b import c` gives a.b and a.b.c. Inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            names |= {base, *(f"{base}.{alias.name}" if base else alias.name for alias in node.names)}
    return frozenset(names - {""})


def _modules(name: str, root: Path) -> list[Path]:
    """The files that importing a dotted name runs: the packages above it and the module, where they lie below `root`."""
    found: list[Path] = []
    place = root
    for part in name.split("."):
        module, package = place / f"{part}.py", place / part / "__init__.py"
        if package.is_file():
            found.append(package)
            place = package.parent
        elif module.is_file():
            found.append(module)
            break
        else:
            break
    return found


def _package(path: Path, root: Path) -> tuple[str, ...]:
    return path.parent.relative_to(root).parts

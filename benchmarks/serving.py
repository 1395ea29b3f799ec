"""The server on census, beside what its transport alone can do and beside FastAPI with scikit-learn.

One core for the server, another for who asks; 64 connections, all counting on. The three are measured in turns, so that a slower minute of
the machine strikes them alike, and the figures are medians over the turns.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from journey.records.ledger import Ledger

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "build" / "bench" / "census"
CONNECTIONS = 64
TURNS = 5
SECONDS = 3.0
ROWS = 1_000              # different requests: categories and numbers change from one to the next
BUSY_ASKER = 0.9          # of a core: above this the figure would be the asker's


@dataclass(frozen=True)
class Contestant:
    """A server under measurement."""

    name: str
    port: int
    path: str


def measured(csv: Path, home: Path = HOME) -> dict[str, float]:
    """Trains census where that wasn't done yet, then measures.

    Returns:
        Requests a second of each server, and our server's as a multiple of the other two (medians of the turns' ratios).
    """
    uri = trained(csv, home)
    with tempfile.TemporaryDirectory() as folder:
        bodies, rows = Path(folder) / "bodies.jsonl", Path(folder) / "rows.parquet"
        write_requests(csv, bodies)
        write_rows(csv, rows)
        with started(uri, rows, home) as contestants:
            turns = [{one.name: asked(one, bodies) for one in contestants} for _ in range(TURNS)]
    own, echo, fastapi = ([turn[name] for turn in turns] for name in ("ours", "echo", "fastapi"))
    return {
        "serving_requests_per_second": round(median(own)),
        "serving_echo_requests_per_second": round(median(echo)),
        "serving_fastapi_requests_per_second": round(median(fastapi)),
        "serving_vs_echo": round(median(one / other for one, other in zip(own, echo, strict=True)), 3),
        "serving_vs_fastapi": round(median(one / other for one, other in zip(own, fastapi, strict=True)), 1),
    }


def trained(csv: Path, home: Path) -> Path:
    """The folder of census' newest bundle, trained now if there is none."""
    os.environ["CENSUS_CSV"] = str(csv)
    if not (home / "ledger.db").is_file() or not _versions(home):
        from pipelines.submit import RunOptions, submit

        done = submit(ROOT / "examples" / "census", options=RunOptions(home=home))
        if done.version is None:
            raise SystemExit(f"census: expected a registered version, found a run that {done.state}: {done.error}")
    return Path(_versions(home)[-1])


def _versions(home: Path) -> list[str]:
    with contextlib.closing(Ledger.connect(f"sqlite:///{home / 'ledger.db'}")) as ledger:
        return [version.uri for version in ledger.versions("census")]


def write_requests(csv: Path, path: Path) -> None:
    """Requests of one raw row each, as the file has them, without the label."""
    import pandas as pd

    frame = pd.read_csv(csv, nrows=ROWS).drop(columns=["income"])
    rows = json.loads(frame.to_json(orient="records"))
    path.write_text("".join(json.dumps({"jsonData": {"rows": [row]}}) + "\n" for row in rows), encoding="utf-8")


def write_rows(csv: Path, path: Path) -> None:
    """All rows with their label, for the baseline to be fitted on."""
    import pandas as pd

    frame = pd.read_csv(csv)
    frame["label"] = frame.pop("income").str.contains(">50K", regex=False)
    frame.to_parquet(path)


@contextmanager
def started(bundle: Path, rows: Path, home: Path) -> Iterator[Sequence[Contestant]]:
    """The three servers on one core."""
    ports = [_free_port() for _ in range(3)]
    commands = {
        "ours": ["serving", "--home", str(home), "--model", "census", "--newest", "--port", str(ports[0])],
        "echo": ["benchmarks.baselines", "echo", str(ports[1])],
        "fastapi": ["benchmarks.baselines", "fastapi", str(ports[2]), str(bundle), str(rows)],
    }
    paths = ("/api/v1.0/predictions", "/predict", "/predict")
    processes = [_on_core(min, command, subprocess.DEVNULL) for command in commands.values()]
    try:
        for process, port in zip(processes, ports, strict=True):
            _wait(process, port)
        yield [Contestant(name, port, path) for name, port, path in zip(commands, ports, paths, strict=True)]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def asked(contestant: Contestant, bodies: Path) -> float:
    """Answers a second.

    Raises:
        SystemExit: an answer wasn't 200, or whoever asks was busier than the server may make it.
    """
    command = ["benchmarks.load", str(contestant.port), contestant.path, str(bodies), str(CONNECTIONS), str(SECONDS)]
    printed, _ = _on_core(max, command, subprocess.PIPE).communicate()
    result = json.loads(printed)
    if result["bad"] or not result["per_second"] or result["own_cpu"] > BUSY_ASKER:
        raise SystemExit(f"{contestant.name}: expected good answers only and an asker with time to spare, found {result}")
    return float(result["per_second"])


def _on_core(pick: Callable[[set[int]], int], command: Sequence[str], output: int) -> "subprocess.Popen[bytes]":
    """Starts one of our modules, bound to the first or the last core that this process may use (the same where there is one)."""
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=output)
    os.sched_setaffinity(process.pid, {pick(os.sched_getaffinity(0))})
    return process


def _free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit(f"port {port}: expected a server within 60 s, found none")


def census_csv() -> Path:
    """Where census' raw file should be: ${CENSUS_CSV}, else where the tests look for it."""
    from tests.conftest import SHARED_DATA

    return Path(os.environ.get("CENSUS_CSV") or SHARED_DATA / "census.csv")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(census_csv()), indent=2) + "\n")

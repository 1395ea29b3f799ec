"""The loop on one machine: server, refresh of online features, monitor and trigger, supervised."""

import fcntl
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.answering import answering
from app.places import server_options
from app.supervisor import Service, Supervisor
from components.operations.promote import Promoter
from journey.clock import clock_of
from journey.errors import Conflict, ProjectError, Unavailable
from journey.model.bundle import open_bundle
from journey.model.keys import Trusted
from journey.model.lookups import is_redis
from journey.places import Places
from journey.project import Project, load_project
from journey.records.entries import PromotionRequest
from journey.records.ledger import Ledger
from pipelines.alert_service import PATH as RETRAIN_PATH
from pipelines.placement import target_of

ACTOR = "journey up"
READY_SECONDS = 180.0              # real time for the first process to answer: imports on a busy machine take long
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Place:
    """Where the loop runs.

    Attributes:
        project: the project's folder.
        home: $JOURNEY_HOME.
        host: the address that server and trigger listen on.
        port: the server's; 0 takes a free one.
        trigger_port: the trigger's; 0 takes a free one.
    """

    project: Path
    home: Path
    host: str = "127.0.0.1"
    port: int = 8080
    trigger_port: int = 8081

    @property
    def folder(self) -> Path:
        """Logs, status and what the monitor finds."""
        return self.home / "up"


def up(place: Place, told: Callable[[str], None], stop: threading.Event) -> None:
    """Runs the loop until `stop` is set. To be called in the main thread of a process: the services end when it does.

    Args:
        place: project, home and ports.
        told: is told what happens, for people.
        stop: ends the loop.

    Raises:
        ProjectError: there is no version to serve.
        Untrusted: the bundle of the version that would answer was changed, or its key isn't trusted.
        Conflict: another loop runs in this home.
        Unavailable: a port is taken, or the server doesn't start.
    """
    project = load_project(place.project)
    with _alone(place):
        looks_up = require_version(place, project)
        ports = free_ports(place.host, {"--port": place.port, "--trigger-port": place.trigger_port})
        fixed = Place(place.project, place.home, place.host, *ports)
        server, trigger = f"http://{place.host}:{fixed.port}", f"http://{place.host}:{fixed.trigger_port}"
        environment = os.environ | {"JOURNEY_HOME": str(place.home), "JOURNEY_PROJECT": str(place.project)}
        facts = {"project": project.name, "server": server, "trigger": trigger, "clock": environment.get("JOURNEY_CLOCK", "")}
        needs = _online_file(place, project) if looks_up else None
        keeper = Supervisor(services(fixed, project, server, trigger, needs), place.folder, environment, told, facts)
        beginning = _Beginning(place, project, (server, trigger), told, stop)
        beginning.start()
        keeper.run(stop)
        if beginning.error is not None:
            raise beginning.error


def places_of(place: Place, project: Project) -> Places:
    """Where the loop's records are: the target `local`'s."""
    return Places(target_of(project, "local"), place.home, os.environ)


def _online_file(place: Place, project: Project) -> Path | None:
    """The file that the server waits for; None where looked-up features aren't in one."""
    online = places_of(place, project).online
    return None if is_redis(online) else Path(online)


def require_version(place: Place, project: Project) -> bool:
    """Refuses a loop with nothing to serve; says whether the version that will answer looks features up.

    Raises:
        ProjectError: there is no version that could answer.
        DataError: its bundle is gone.
        Untrusted: its bundle was changed, or its key isn't trusted.
    """
    places = places_of(place, project)
    ledger = Ledger.connect(places.ledger)
    try:
        if all(version.retired is not None for version in ledger.versions(project.name)):
            raise ProjectError(f"model '{project.name}': expected a version in {place.home}, found none. `journey run` makes one.")
    finally:
        ledger.close()
    record = answering(places, project.name).version
    return bool(open_bundle(Path(record.uri), Trusted.of(places.keys)).signature.lookups)


def promote_first(place: Place, project: Project) -> str:
    """Makes the newest version champion where the model has none, and says which version answers."""
    places = places_of(place, project)
    ledger = Ledger.connect(places.ledger)
    try:
        champion = ledger.current(project.name)
        if champion is not None:
            return f"{project.name} version {champion.version} is champion"
        newest = [version for version in ledger.versions(project.name) if version.retired is None][-1]
        wanted = PromotionRequest(project.name, newest.version, 0, ACTOR, "the first version", clock_of(os.environ).now())
        promotion = Promoter(ledger, places).promote(wanted)
        return f"{project.name} version {promotion.version} promoted: the first"
    finally:
        ledger.close()


def services(place: Place, project: Project, server: str, trigger: str, needs: Path | None) -> list[Service]:
    """In the order of their start: the server once `needs` is there, then what watches it; they end the other way round."""
    python = (sys.executable, "-P", "-m")
    home, folder = str(place.home), str(place.project)
    latency = str(project.monitoring.latency_ms)
    serving = (*python, "serving", "--home", home, "--model", project.name, "--host", place.host, "--port", str(place.port))
    options = (*server_options(target_of(project, "local")), *(("--feedback",) if project.monitoring.feedback else ()))
    windows = ",".join(project.monitoring.windows)
    watching = (*python, "monitoring", "--server", f"{server}/metrics", "--trigger", trigger + RETRAIN_PATH, "--windows", windows)
    refresh = [Service("refresh", (*python, "pipelines.refresher", "-p", folder, "--home", home))] if project.entities else []
    return [
        *refresh,
        Service("server", (*serving, "--latency-ms", latency, *options), needs=needs),
        Service("monitor", (*watching, "--out", str(place.folder))),
        Service(
            "trigger",
            (*python, "pipelines.trigger", "-p", folder, "--home", home, "--host", place.host, "--port", str(place.trigger_port)),
        ),
    ]


class _Beginning(threading.Thread):
    """What is done while the processes start: the first promotion, which loads the registry; then it is said where they answer."""

    def __init__(self, place: Place, project: Project, urls: tuple[str, str], told: Callable[[str], None], stop: threading.Event) -> None:
        super().__init__(name="beginning", daemon=True)
        self.error: Exception | None = None
        self._place, self._project, self._urls, self._told, self._stop_all = place, project, urls, told, stop

    def run(self) -> None:
        server, trigger = self._urls
        try:
            self._told(promote_first(self._place, self._project))
            wait_until_it_answers(f"{server}/health/status", self._stop_all)
            self._told(f"server answers at {server}")
            wait_until_it_answers(f"{trigger}/health", self._stop_all)
            self._told(f"trigger answers at {trigger}")
        except Exception as error:      # whatever it is: nobody sees a thread end, and a loop without a champion answers nobody
            self.error = error
            self._stop_all.set()


def wait_until_it_answers(url: str, stop: threading.Event, seconds: float = READY_SECONDS) -> None:
    """Waits until a URL of this machine, to which no proxy leads, answers 200, or `stop` is set.

    Raises:
        Unavailable: it didn't in time.
    """
    end = time.monotonic() + seconds
    while not stop.wait(LOOK_SECONDS):
        try:
            if httpx.get(url, timeout=2.0, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > end:
            raise Unavailable(f"{url}: expected an answer within {seconds:g} s, found none. The logs are under $JOURNEY_HOME/up.")


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    place.folder.mkdir(parents=True, exist_ok=True)
    with (place.folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            status = place.folder / "status.json"
            raise Conflict(f"{place.home}: expected no `journey up` here, found one that runs ({status}). Stop that one first.") from error
        yield


def free_ports(host: str, wanted: Mapping[str, int]) -> list[int]:
    """The ports that are wanted, by option; for each 0 a free one.

    A process that finds its port taken would be started again and again, and whoever has the port might answer in its place.

    Raises:
        Unavailable: a port is taken, or the address isn't this machine's.
    """
    with ExitStack() as held:      # all at once, so that no free port is found twice
        ports = []
        for option, port in wanted.items():
            holder = held.enter_context(socket.socket())
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                holder.bind((host, port))
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)      # from here on nobody shares it, not even we
            except OSError as error:
                found = f"expected a free port, found: {error.strerror}"
                raise Unavailable(f"{host}:{port}: {found}. Give another one with {option}; 0 takes a free one.") from error
            ports.append(int(holder.getsockname()[1]))
        return ports

"""The demonstration: a model is trained, registered and served; the world turns; it is noticed, learned and put in place, with no hands.

The demonstration plays the world outside and watches. Server, refresh, monitor and trigger are those of `journey up`, in processes of
their own that are told nothing of it but where the bank is and what time it is.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.judge import LEAST_ROWS, matured
from app.simulate import Answer, Traffic
from app.stage import DAY_SECONDS, HISTORY_DAYS, BankWorld, Stage, generator_of, set_stage
from app.up import wait_until_it_answers
from journey.clock import Clock, duration
from journey.errors import JourneyError, Unavailable
from journey.project import Project, load_project
from journey.records.entries import Promotion, Retraining
from journey.records.ledger import Ledger

READY_SECONDS = 180.0              # on a machine that is busy with other things
LOOK_SECONDS = 0.5
END_SECONDS = 40.0                 # for `journey up` to end its processes

Told = Callable[[str], None]


@dataclass(frozen=True)
class Script:
    """What is asked of the demonstration.

    Attributes:
        out: folder in which this demonstration makes its own.
        drift: whether the world turns.
        rate: questions a second.
        seed: of the population.
        calm_seconds: from the first answer to the drift.
        most_seconds: of traffic, before the demonstration gives up.
        steady_seconds: of traffic where nothing drifts: as long as it takes where something does.
    """

    out: Path
    drift: bool = True
    rate: float = 100.0
    seed: int = 7
    calm_seconds: float = 20.0
    most_seconds: float = 360.0
    steady_seconds: float = 130.0


@dataclass(frozen=True)
class Performance:
    """What happened, to be judged.

    Attributes:
        stage: where.
        clock: the platform clock.
        first: Unix time of the first question.
        drifted: Unix time at which the world turned; None where it didn't.
        answers: all of them.
        retraining: the first request for a retraining; None where nobody asked.
        promotions: to champion, oldest first.
    """

    stage: Stage
    clock: Clock
    first: float
    drifted: float | None
    answers: tuple[Answer, ...]
    retraining: Retraining | None
    promotions: tuple[Promotion, ...]


def perform(script: Script, told: Told) -> Performance:
    """Plays the whole story.

    Raises:
        JourneyError: training failed, a process didn't start, or nothing came of the drift in time.
    """
    stage = set_stage(script.out)
    world = BankWorld(generator_of(stage.project), stage.bank, script.seed)
    with contextlib.closing(world):
        payments = world.found(HISTORY_DAYS, round(script.rate * DAY_SECONDS))
        told(f"a bank with {payments:,} payments of {HISTORY_DAYS} days: {stage.bank}")
        _train(stage, told)
        clock = stage.clock_from(time.time())
        traffic = Traffic(world, clock, script.rate)
        traffic.start()          # the bank doesn't wait for us: what is paid while the processes start is history, too
        try:
            with _running_loop(stage, clock) as server:
                told(f"`journey up`: server, refresh, monitor and trigger; the server is {server}")
                return _Act(script, stage, clock, world, told).play(traffic, server)
        finally:
            traffic.stop()


def _train(stage: Stage, told: Told) -> None:
    told("`journey run`: sixteen steps from raw data to a registered, signed bundle …")
    environment = stage.environment(Clock(stage.end_of_history, time.time()))
    command = [sys.executable, "-P", "-m", "app.cli.main", "run", "-p", str(stage.project), "--json"]
    with (stage.folder / "run.log").open("wb") as log:
        ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=log, check=False)
    result = json.loads(ended.stdout.strip().splitlines()[-1]) if ended.stdout.strip() else {}
    if ended.returncode != 0:
        raise JourneyError(f"training: expected a version, found: {result.get('error') or 'no answer'}. The log is {stage.folder}/run.log.")
    seconds = sum(step["seconds"] for step in result["steps"])
    metric = load_project(stage.project).predict.metric
    quality = f"{metric} {result['metrics']['test'][metric]:.3f} on test rows"
    told(f"version {result['version']} of {result['model']}: {len(result['steps'])} steps, {seconds:.0f} s of work, {quality}")


@contextlib.contextmanager
def _running_loop(stage: Stage, clock: Clock) -> Iterator[str]:
    """`journey up` on the stage; gives the server's URL once it answers, and ends it afterwards."""
    command = [sys.executable, "-P", "-m", "app.child", str(os.getpid()), sys.executable, "-P", "-m", "app.cli.main", "up"]
    place = ["-p", str(stage.project), "--port", "0", "--trigger-port", "0"]
    with (stage.folder / "up.log").open("wb") as log:
        process = subprocess.Popen([*command, *place], env=stage.environment(clock), stdout=log, stderr=log, start_new_session=True)
        try:
            yield _server_of(stage, process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _server_of(stage: Stage, process: "subprocess.Popen[bytes]") -> str:
    status, end = stage.home / "up" / "status.json", time.monotonic() + READY_SECONDS
    while not status.exists():
        if process.poll() is not None or time.monotonic() > end:
            said = (stage.folder / "up.log").read_text(encoding="utf-8").strip().splitlines() or ["nothing said"]
            raise Unavailable(f"journey up: expected it to run, found: {said[-1]}. The log is {stage.folder}/up.log.")
        time.sleep(0.1)
    server = str(json.loads(status.read_text(encoding="utf-8"))["server"])
    wait_until_it_answers(f"{server}/health/status", threading.Event(), READY_SECONDS)
    return server


@dataclass
class _Act:
    """Traffic, the drift, and what is seen of the loop meanwhile."""

    script: Script
    stage: Stage
    clock: Clock
    world: BankWorld
    told: Told

    def __post_init__(self) -> None:
        self._project: Project = load_project(self.stage.project)
        self._ledger = Ledger.connect(self.stage.places.ledger)
        self._said: set[str] = set()

    def play(self, traffic: Traffic, server: str) -> Performance:
        """From the first question to the last answer."""
        first = time.time()
        drifted = first + self.script.calm_seconds if self.script.drift else None
        self.world.drift_from = self.clock.at(drifted) if drifted else None
        traffic.ask(server)
        self._watch(traffic, first, drifted)
        traffic.stop()
        performance = Performance(self.stage, self.clock, first, drifted, tuple(traffic.answers()), *self._records())
        self._ledger.close()
        return performance

    def _watch(self, traffic: Traffic, first: float, drifted: float | None) -> None:
        end = first + (self.script.most_seconds if drifted else self.script.steady_seconds)
        while time.time() < end:
            time.sleep(LOOK_SECONDS)
            answers = traffic.answers()
            if answers:
                self._say("traffic", f"traffic: {self.script.rate:g} payments a second, a day is {DAY_SECONDS:g} s; the first answer came")
            if drifted and time.time() > drifted:
                self._say("drift", "the world turns: two inputs move by 0.8 standard deviations, and two effects turn their sign")
            if self._is_over(answers):
                return
        if drifted:
            raise JourneyError(
                f"expected a new version and {LEAST_ROWS} matured answers of it within {self.script.most_seconds:g} s of traffic, "
                f"found {self._where()}. The logs are under {self.stage.home}/up."
            )

    def _is_over(self, answers: list[Answer]) -> bool:
        retraining, promotions = self._records()
        if retraining is not None:
            self._tell_of(retraining)
        if len(promotions) < 2 or not self.script.drift:
            return False
        newest, before = promotions[-1], promotions[-2]
        self._say(f"promoted {newest.seq}", f"promoted: version {newest.version} in place of version {before.version}")
        its = [answer for answer in answers if answer.version == newest.version and not answer.failed]
        return len(matured(its, duration(self._project.predict.matures), self.clock.now())) >= LEAST_ROWS + 100

    def _tell_of(self, retraining: Retraining) -> None:
        self._say("noticed", f"noticed: {_drifted_features(self.stage)}; a retraining is stored")
        if retraining.state in ("waiting", "running"):
            rows = self._project.retraining.fresh_rows
            self._say("waiting", f"waiting until {rows:,} training rows from after the onset have matured …")
        if retraining.state == "running":
            self._say("running", "retraining on rows from after the onset …")
        if retraining.state in ("kept", "failed"):
            self._say("closed", f"the retraining ended: {retraining.state}: {retraining.reason}")

    def _records(self) -> tuple[Retraining | None, tuple[Promotion, ...]]:
        retrainings = self._ledger.retrainings(self._project.name)
        champions = tuple(one for one in self._ledger.promotions(self._project.name) if one.role == "champion")
        return (retrainings[0] if retrainings else None), champions

    def _where(self) -> str:
        retraining, promotions = self._records()
        if retraining is None:
            return "no drift noticed"
        return f"{len(promotions) - 1} promotions, the retraining {retraining.state} ({retraining.reason})"

    def _say(self, once: str, line: str) -> None:
        if once not in self._said:
            self._said.add(once)
            self.told(line)


def _drifted_features(stage: Stage) -> str:
    """The features that the monitor found drifted first."""
    try:
        lines = (stage.home / "up" / "monitor.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "drift"
    rung = next((found for found in map(json.loads, lines) if found["ringing"]), None)
    return f"drift in {', '.join(rung['drifted'])}" if rung and rung["drifted"] else "drift"

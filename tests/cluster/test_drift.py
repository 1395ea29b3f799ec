"""Prometheus in the cluster finds the server, has its series and our rules, and drifted payments make the alert fire."""

import importlib.util
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType

import httpx
import pytest

from journey.project import load_project
from journey.watching import metric_names as names
from monitoring.promql import Timing, rule_file
from monitoring.rules import MODEL_ALERT, TRIGGER_CLASS, rules_of
from tests.cluster.conftest import PROJECT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]           # the first to ask for a server waits for a whole run

DAY_SECONDS = 300
TIMING = Timing(timedelta(seconds=1), 86_400 / DAY_SECONDS)
FOUND_SECONDS = 180             # DNS is asked every 5 s, servers every 15 s, and rules are evaluated every 15 s or more
FIRED_SECONDS = 2 * DAY_SECONDS + 120      # a day, and another where the server stood still in the first: evidence with a gap is none
BATCH, PAUSE_SECONDS = 20, 0.5
MOST_BROKEN, MOST_BROKEN_SHARE = 10, 0.05        # a server that stands still for seconds is unready: the API server finds it nowhere
SILENT = {names.RULE_BREACHES, names.LOOKUP_AGE_SECONDS}       # counted only once a value is mended, or a looked-up row was there

Asked = Callable[..., dict]
Server = tuple[str, httpx.Client]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The example's generator, which plays the bank."""
    spec = importlib.util.spec_from_file_location("payments_generator", PROJECT / "generator.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module          # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class Payments:
    """Payments that are made all the time, drifted, until the end of the `with`; what the server refuses is an error."""

    def __init__(self, generator: ModuleType, server: Server) -> None:
        self.asked = 0
        self.errors: list[str] = []
        self.broken: list[str] = []             # on the way through the API server
        self._bank, self._start, (self._base, self._client) = generator.Bank(seed=7), generator.START, server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Payments":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            moments = [self._start + timedelta(seconds=self.asked + place) for place in range(BATCH)]
            rows = [payment.row for payment in self._bank.payments(moments, drifted=True)]
            try:
                answer = self._client.post(f"{self._base}/api/v1.0/predictions", json={"jsonData": {"rows": rows}})
            except httpx.TransportError as error:
                self.broken.append(repr(error))
                continue
            if answer.status_code in (502, 503, 504) and '"kind":"Status"' in answer.text.replace(" ", ""):
                self.broken.append(answer.text)         # the API server's own words
                continue
            if not answer.is_success:
                self.errors.append(answer.text)
            self.asked += BATCH

    @property
    def most_broken(self) -> float:
        """How many may break on the way."""
        return max(MOST_BROKEN, MOST_BROKEN_SHARE * (len(self.broken) + self.asked / BATCH))


def values(prometheus: Asked, expression: str) -> list[float]:
    return [float(sample["value"][1]) for sample in prometheus("query", query=expression)["result"]]


def waited(holds: Callable[[], object], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except httpx.HTTPError:                # Prometheus has just been made anew
            pass
        assert time.monotonic() < until, f"expected within {seconds:g} s: {what}"
        time.sleep(1)


def groups(prometheus: Asked) -> dict[str, dict]:
    return {group["name"]: group for group in prometheus("rules")["groups"]}


def test_the_server_is_found_and_every_series_of_it_is_there(server, prometheus, generator):
    waited(lambda: values(prometheus, 'up{job="journey", component="server"}') == [1.0], FOUND_SECONDS, "one server that is up")
    with Payments(generator, server) as payments:
        waited(lambda: values(prometheus, f"sum({names.PREDICTIONS}{{outcome='answered'}}) > 0"), FOUND_SECONDS, "answers that are counted")
    assert payments.errors == []
    assert len(payments.broken) <= payments.most_broken, payments.broken
    exported = {value for name, value in vars(names).items() if name.isupper()}
    there = {name.removesuffix("_bucket") for name in prometheus("label/__name__/values")}
    known = set(prometheus("metadata"))
    assert exported - SILENT - there == set()
    assert {name for name in SILENT if not {name, name.removesuffix("_total")} & known} == set()


def test_all_our_rules_are_loaded_and_none_has_an_error(server, prometheus):
    expected = rule_file(rules_of(load_project(PROJECT).monitoring.windows)).count("expr:")
    waited(lambda: groups(prometheus).get("journey_drift", {}).get("lastEvaluation", "0001") > "0002", 420, "rules that were evaluated")
    group = groups(prometheus)["journey_drift"]
    assert len(group["rules"]) == expected
    assert [(rule["name"], rule["lastError"]) for rule in group["rules"] if rule["health"] != "ok" or rule.get("lastError")] == []


def test_drifted_payments_make_the_alert_fire_once_a_day_is_over(server, prometheus, prometheus_with, generator):
    windows = load_project(PROJECT).monitoring.windows
    firing = f'ALERTS{{alertname="{MODEL_ALERT}", alertstate="firing", action="retrain"}}'
    with prometheus_with(rules=rule_file(rules_of(windows), TIMING), scrape="1s"), Payments(generator, server) as payments:
        began = time.monotonic()
        waited(lambda: values(prometheus, "journey:psi:1h"), FOUND_SECONDS, "evidence over an hour, which is 12 s here")
        waited(lambda: values(prometheus, firing), FIRED_SECONDS, f"{MODEL_ALERT}; {payments.errors[:1] or payments.broken[:1]}")
        assert time.monotonic() - began > DAY_SECONDS * 0.8, "a part of a day is no day"
        (fired,) = prometheus("query", query=firing)["result"]
        (champion,) = prometheus("query", query=f'{names.MODEL_INFO}{{role="champion"}}')["result"]
        for label in ("model", "version"):
            assert fired["metric"][label] == champion["metric"][label]
        assert fired["metric"]["class"] == TRIGGER_CLASS
        drifted = {sample["metric"]["feature"] for sample in prometheus("query", query="journey:drifted:1d")["result"]}
        assert {"amount", "distance_km"} <= drifted
        assert "channel" not in drifted
    assert payments.errors == []
    assert len(payments.broken) <= payments.most_broken, payments.broken

"""A run in a real cluster: one pod a step, the laptop's model, nothing done twice, and the pod's own reason where there is none.

Pods of steps are gone when their step has ended: the cluster's events tell which there were.
"""

import json
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from journey.step_names import STEPS
from tests.cluster.conftest import PROJECT, TARGET, Kubectl, Laptop

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

LONGEST_NAME = 63
TOLD_SECONDS = 30               # until an event that is on its way is there
TRIES = 3                       # at what a machine that stands still at that moment misses
_TO = ("--target", TARGET)


def pods_of(kubectl: Kubectl, run: str) -> Counter[str]:
    """How many pods each step of a run had."""
    found = kubectl.json("get", "events", "--field-selector=reason=Scheduled")["items"]
    names = {event["involvedObject"]["name"] for event in found}
    steps = (re.fullmatch(rf"{re.escape(run)}-(?P<step>.+)-[0-9a-f]{{6}}", name) for name in names)
    return Counter(step["step"] for step in steps if step)


def pods_at_last(kubectl: Kubectl, run: str, expected: Counter[str]) -> Counter[str]:
    """The same, a moment later where they aren't those: the scheduler tells of a pod after it has given it to a node."""
    until = time.monotonic() + TOLD_SECONDS
    while (found := pods_of(kubectl, run)) != expected and time.monotonic() < until:
        time.sleep(0.5)
    return found


def pods_needed(told: dict) -> Counter[str]:
    """One pod for each step that a run, as --json tells of it, didn't have in the cache."""
    room = LONGEST_NAME - len(f"{told['run']}--123456")                 # a pod's name ends where Kubernetes' longest one does
    names = [step["name"] for step in told["steps"] if not (step["cached"] and step["seconds"] == 0)]
    return Counter(re.sub("[._]", "-", name)[:room] for name in names)


def changed(project: Path, **sections: object) -> Path:
    """A copy of the example with other sections."""
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(".journey", "__pycache__"))
    told = yaml.safe_load((project / "project.yaml").read_text())
    (project / "project.yaml").write_text(yaml.safe_dump(told | sections, sort_keys=False))
    return project


def unseen() -> dict:
    """Gates that no run has had before, so that validating and choosing don't come from the cache, and that every model passes."""
    return {"model": {"bytes": {"max": 20_000_000 + random.randrange(10**6)}}}


def asked(kubectl: Kubectl, database: str, query: str) -> list[str]:
    """A query's rows, from the Postgres of the cluster itself."""
    user, password = (database, "POSTGRES_PASSWORD" if database == "journey" else "MLFLOW_PASSWORD")
    command = f'PGPASSWORD="${password}" psql -h 127.0.0.1 -U {user} -d {database} -tAc "{query}"'
    return kubectl("exec", "postgres-0", "--", "sh", "-c", command).split()


def soon(found: Callable[[], object], what: str, seconds: float = 240) -> object:
    """What `found` finds, once it finds something."""
    until = time.monotonic() + seconds
    while not (it := found()):
        assert time.monotonic() < until, f"expected {what} within {seconds:.0f} s, found {it!r}"
        time.sleep(0.3)
    return it


def begun(process: subprocess.Popen[str]) -> str:
    """The id of a run that `journey run` has begun, as it says on stderr."""
    for line in process.stderr:
        if found := re.match(r"run (\S+) begins", line):
            return found[1]
    raise AssertionError(f"journey run ended with {process.wait()} before its run began")


def followed(process: subprocess.Popen[str]) -> None:
    """Waits until `journey run` has told of the first step that ended."""
    for line in process.stderr:
        if line.startswith("✓"):
            return
    raise AssertionError(f"journey run ended with {process.wait()} before a step had")


def running(kubectl: Kubectl, selector: str) -> list[str]:
    """The names of running pods."""
    found = kubectl.json("get", "pods", f"--selector={selector}", "--field-selector=status.phase=Running")["items"]
    return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]]


def test_a_run_completes_with_one_pod_a_step_and_leaves_none(first_run: dict, kubectl: Kubectl) -> None:
    ran = pods_needed(first_run)
    if len(ran) > 1:                    # in a namespace that tests have used before, most of it comes from the cache
        assert pods_at_last(kubectl, first_run["run"], ran) == ran
    of_steps = f"--selector=journey/run={first_run['run']},app.kubernetes.io/component=step"
    soon(lambda: not kubectl.json("get", "pods", of_steps)["items"], "no pod of a step")     # a node takes up to a minute to put one away
    assert {step["state"] for step in first_run["steps"]} == {"done"}


def test_the_model_is_the_laptops(first_run: dict, laptop_run: dict) -> None:
    assert first_run["bundle_digest"] == laptop_run["bundle_digest"]
    assert first_run["metrics"] == laptop_run["metrics"]


def test_result_and_page_are_on_the_laptop(first_run: dict, laptop: Laptop) -> None:
    folder = laptop.home / "runs" / first_run["run"]
    assert first_run["report"] == str(folder / "report.html")
    page = (folder / "report.html").read_text()
    assert "journey run -p payments --target kind" in page
    assert first_run["bundle_digest"][:12] in page
    assert "✓ ingest-data" in (folder / "log" / "run.log").read_text()
    told = laptop("logs", first_run["run"], "validate-data", *_TO)
    assert told.returncode == 0, told.stderr


def test_a_second_run_looks_at_the_sources_and_finds_all_else_done(first_run: dict, laptop: Laptop, kubectl: Kubectl) -> None:
    if laptop.json("status", *_TO)["champion"]:
        laptop("run", *_TO, "--wait")   # choose-model compares with the champion: once, anew
    again = laptop.json("run", *_TO, "--wait")
    assert {step["name"] for step in again["steps"] if not step["cached"]} == set()
    expected = Counter({"ingest-data": 1})
    assert pods_at_last(kubectl, again["run"], expected) == expected
    assert (again["version"], again["bundle_digest"]) == (first_run["version"], first_run["bundle_digest"])


def test_other_candidates_are_another_version_of_the_same_data(first_run: dict, second_run: dict) -> None:
    cached = {step["name"] for step in second_run["steps"] if step["cached"]}
    assert set(STEPS[:STEPS.index("identify-candidates")]) <= cached
    assert not {"train-model", "package-model", "register-model"} & cached
    assert second_run["bundle_digest"] != first_run["bundle_digest"]


def killed_while_it_chooses(laptop: Laptop, kubectl: Kubectl) -> dict:
    """What a run says whose pod of choose-model was killed, if it was seen in time: it runs for some seconds only."""
    process = laptop.started("run", *_TO, "--wait", "--json")
    run = begun(process)
    chooses = f"journey/run={run},journey/step=choose-model"
    soon(lambda: running(kubectl, chooses) or process.poll() is not None, "a pod that chooses, or the run's end", 900)
    for victim in running(kubectl, chooses):
        kubectl("delete", "pod", victim, "--grace-period=0", "--force", "--ignore-not-found")
    out, err = process.communicate(timeout=1500)
    assert process.returncode == 0, err
    told = json.loads(out.splitlines()[-1])
    assert told["run"] == run
    return told


def test_a_step_whose_pod_is_killed_is_tried_again_and_nothing_is_doubled(
    first_run: dict, laptop: Laptop, kubectl: Kubectl, tmp_path: Path
) -> None:
    for number in range(TRIES):
        told = killed_while_it_chooses(replace(laptop, project=changed(tmp_path / str(number) / "payments", gates=unseen())), kubectl)
        expected = pods_needed(told) + Counter({"choose-model": 1})
        pods = pods_at_last(kubectl, told["run"], expected)
        if pods["choose-model"] > 1:
            break
    assert pods == expected
    assert expected["choose-model"] == 2
    versions = asked(kubectl, "journey", "select version from versions where model = 'payments'")
    bundles = asked(kubectl, "journey", "select distinct bundle from versions where model = 'payments'")
    assert len(versions) == len(set(versions)) == len(bundles)
    assert sorted(versions) == sorted(asked(kubectl, "mlflow", "select version from model_versions where name = 'payments'"))
    assert asked(kubectl, "journey", f"select state from runs where id = '{told['run']}'") == ["done"]


def test_the_version_is_in_mlflow_and_the_promotion_in_the_ledger_both_on_postgres(
    promoted: dict, first_run: dict, laptop: Laptop, kubectl: Kubectl
) -> None:
    version = first_run["version"]
    assert str(version) in asked(kubectl, "mlflow", "select version from model_versions where name = 'payments'")
    rows = asked(kubectl, "journey", "select version || '/' || actor from promotions where role = 'champion' order by seq")
    assert any(row.startswith(f"{version}/") for row in rows)
    assert not any(row.endswith("/65532") for row in rows), "the audit log names who typed it, not the pod's user"
    trail = laptop.json("audit", *_TO)
    assert trail["entries"][-1]["actor"] == promoted["actor"]


def test_a_memory_limit_that_is_too_small_ends_the_run_with_that_reason(first_run: dict, laptop: Laptop, tmp_path: Path) -> None:
    targets = yaml.safe_load((PROJECT / "project.yaml").read_text())["targets"]
    targets[TARGET]["resources"]["validate-model"] = {"memory": "48Mi"}         # scikit-learn alone needs more
    answer = replace(laptop, project=changed(tmp_path / "payments", targets=targets, gates=unseen()))("run", *_TO, "--wait", "--json")
    assert answer.returncode == 1
    assert "OOMKilled" in answer.stderr
    assert "48Mi" in answer.stderr
    assert "validate-model.memory in project.yaml" in answer.stderr
    assert json.loads(answer.stdout.splitlines()[-1])["seconds"] < 290, "its reason is told, not waited for"


def test_an_executor_that_is_lost_goes_on_in_another_pod_and_a_second_run_is_refused_meanwhile(
    first_run: dict, laptop: Laptop, kubectl: Kubectl, tmp_path: Path
) -> None:
    longer = replace(laptop, project=changed(tmp_path / "payments", gates=unseen()))    # two steps are still to come when its executor goes
    process = longer.started("run", *_TO, "--wait", "--json")
    selector = f"journey/run={begun(process)},app.kubernetes.io/component=executor"
    followed(process)                   # a pod that goes before it is followed is no loss, and isn't told of
    [executor] = running(kubectl, selector)
    kubectl("delete", "pod", executor, "--wait=false")
    second = laptop("run", *_TO)        # while the run begins again: it takes longer than looking for it
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "goes on in its place" in err
    assert json.loads(out.splitlines()[-1])["version"] == first_run["version"]
    assert second.returncode == 1
    assert "expected no other run of 'payments'" in second.stderr


def test_ctrl_c_takes_the_run_and_its_pods_out_of_the_cluster(
    first_run: dict, laptop: Laptop, kubectl: Kubectl, tmp_path: Path
) -> None:
    longer = replace(laptop, project=changed(tmp_path / "payments", gates=unseen()))    # with steps to do: it must not end first
    process = longer.started("run", *_TO, "--wait")
    run = begun(process)
    soon(lambda: running(kubectl, f"journey/run={run},app.kubernetes.io/component=executor"), "an executor")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "Finished steps are kept: the next run goes on from there." in err
    soon(lambda: not kubectl.json("get", "jobs,pods", f"--selector=journey/run={run}")["items"], "nothing of the run")

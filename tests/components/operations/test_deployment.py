"""The Deployment follows the ledger: what is waited for, what ends the wait, and what is said then."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.operations import deployment
from components.operations.deployment import Deployed, Served, deploy, follow_with_deployment, standing
from components.release.deploy import DeployRequest
from journey.errors import Conflict, ProjectError, Unavailable
from journey.records.entries import PromotionRequest, Registration
from journey.records.ledger import Ledger
from journey.targets import Target
from tests.components.operations.deployments import SmallCluster

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = Target(engine="job", namespace="payments", serving="deployment")
SERVED = Served("income", "kind", PLACE, False, 20.0)
RUNS = {"running": {"startedAt": "2026-03-01T12:00:00Z"}}
NO_IMAGE = {"waiting": {"reason": "ErrImageNeverPull", "message": "it isn't there"}}
CRASHES = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(deployment, "REFUSED_SECONDS", 0.01)


@pytest.fixture
def cluster() -> SmallCluster:
    return SmallCluster()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger.connect(f"sqlite:///{tmp_path}/ledger.db")
    for number in (1, 2):
        made.register_version(Registration("income", f"bundle-{number}", f"/b/{number}", "run", (None, None), NOON, "register"))
        made.record_image("income", number, f"registry/income@sha256:{number}", NOON)
    yield made
    made.close()


def request(version: int) -> DeployRequest:
    return DeployRequest("income", version, f"registry/income@sha256:{version}", "kind", PLACE, False, 20.0)


def promoted(ledger: Ledger, version: int) -> None:
    seen = ledger.current("income")
    ledger.promote(PromotionRequest("income", version, seen.seq if seen else 0, "ada", "better", NOON, reinstate=True))


def test_a_version_that_was_deployed_answers_alone(cluster):
    assert deploy(cluster, request(1)) == Deployed("income", 1, "registry/income@sha256:1", 1)
    assert [found["kind"] for found in cluster.applied] == ["Service", "Deployment"]
    assert deploy(cluster, request(2)).version == 2
    found = standing(cluster, "income")
    assert (found.version, found.answering, found.ready, found.desired, found.done, found.trouble) == (2, (2,), 1, 1, True, ())


def test_what_is_so_already_is_applied_unchanged(cluster):
    deploy(cluster, request(1))
    deploy(cluster, request(1))
    assert cluster.applied[:2] == cluster.applied[2:]


def test_the_wait_is_not_ended_by_what_the_cluster_says_of_the_version_before(cluster):
    """Right after a change the status is still the old one's, which is all ready."""
    deploy(cluster, request(1))
    cluster.fates["registry/income@sha256:2"] = NO_IMAGE
    with pytest.raises(Unavailable):
        deploy(cluster, request(2), 1)


def test_a_pod_that_cannot_start_ends_the_wait_with_its_own_reason_while_the_old_version_answers(cluster):
    deploy(cluster, request(1))
    cluster.fates["registry/income@sha256:2"] = NO_IMAGE
    with pytest.raises(Unavailable, match=r"version 2 of payments/income: pod payments/pod-2: .*found ErrImageNeverPull: it isn't"):
        deploy(cluster, request(2), 30)
    found = standing(cluster, "income")
    assert (found.version, found.answering, found.done) == (2, (1,), False)
    assert "ErrImageNeverPull" in found.trouble[0]


class Passing:
    """Time that passes while somebody sleeps, by ten seconds, and at no other moment."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 10


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Passing:
    passing = Passing()
    monkeypatch.setattr(deployment, "time", passing)
    return passing


def test_trouble_that_may_pass_is_waited_out_for_as_long_as_there_is_time(cluster, passing):
    cluster.fates["registry/income@sha256:1"] = CRASHES
    with pytest.raises(Unavailable, match=r"version 1 of payments/income, after 45 s: .*CrashLoopBackOff"):
        deploy(cluster, request(1), 45)
    assert passing.now > 45


@pytest.mark.usefixtures("passing")
def test_a_pod_that_runs_and_never_answers_is_told_of_with_the_end_of_its_log(cluster):
    cluster.fates["registry/income@sha256:1"] = RUNS
    with pytest.raises(Unavailable, match=r"expected it to answer /health/status.*ends with: first line / last line of its log"):
        deploy(cluster, request(1), 45)


def test_a_pod_that_a_quota_leaves_no_room_for_is_told_of(cluster):
    cluster.quota = "exceeded quota: small"
    with pytest.raises(Unavailable, match="expected a new pod, found FailedCreate: exceeded quota: small"):
        deploy(cluster, request(1), 30)


class Tight(SmallCluster, Passing):
    """A quota that has no room for half a minute in each two, while pods of before are on their way out."""

    def get(self, kind, name):
        self.quota = "exceeded quota: small" if self.now % 120 < 30 else ""
        return super().get(kind, name)


def test_a_quota_that_has_room_again_and_again_fails_no_rollout(monkeypatch):
    monkeypatch.setattr(deployment, "REFUSED_SECONDS", 60.0)
    tight = Tight(moments=31)
    monkeypatch.setattr(deployment, "time", tight)
    assert deploy(tight, request(1), 600).version == 1
    assert tight.now > 240, "the last refusal began four minutes after the first"


class Littered(SmallCluster):
    """Beside each pod lies one of the same ReplicaSet that was evicted long ago: Kubernetes replaces these, and leaves them."""

    def list(self, kind, selector="", fields=""):
        found = super().list(kind, selector, fields)
        over = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"}
        evicted = [{**pod, "metadata": {**pod["metadata"], "name": "evicted"}, "status": over} for pod in found if kind == "Pod"]
        return found + evicted


def test_a_pod_that_was_evicted_long_ago_fails_no_rollout():
    littered = Littered()
    assert deploy(littered, request(1)).version == 1
    littered.fates["registry/income@sha256:2"] = CRASHES
    with pytest.raises(Unavailable, match="CrashLoopBackOff"):
        deploy(littered, request(2), 0.1)
    assert all("Evicted" not in reason for reason in standing(littered, "income").trouble)


def test_where_each_new_pod_is_evicted_the_last_one_s_reason_is_told(passing):
    littered = Littered(moments=1000)
    with pytest.raises(Unavailable, match=r"expected 1 ready pods, found 0, .*The last one that was replaced: .*Evicted: The node was low"):
        deploy(littered, request(1), 45)
    [why] = standing(littered, "income").trouble
    assert "Evicted" in why


def test_a_log_that_cannot_be_read_hides_no_reason(cluster, passing, monkeypatch):
    def shut(pod: str) -> str:
        raise Unavailable("its node doesn't answer")

    cluster.fates["registry/income@sha256:1"] = RUNS
    monkeypatch.setattr(cluster, "log", shut)
    with pytest.raises(Unavailable, match=r"expected it to answer /health/status.*Its log can't be read: its node doesn't answer"):
        deploy(cluster, request(1), 45)


class Wide(SmallCluster, Passing):
    """Four pods, one after the other, each in three minutes and a bit."""

    REPLICAS, POD_SECONDS = 4, 200.0

    def __init__(self, stops_at: int) -> None:
        super().__init__()
        self._stops_at = stops_at

    def get(self, kind, name):
        found = super().get(kind, name)
        if kind != "Deployment" or found is None:
            return found
        new = min(int(self.now // self.POD_SECONDS), self._stops_at)
        counts = {"replicas": self.REPLICAS + (new < self.REPLICAS), "updatedReplicas": min(new + 1, self.REPLICAS)}
        status = {"observedGeneration": found["metadata"]["generation"], **counts, "availableReplicas": self.REPLICAS}
        return {**found, "spec": {"replicas": self.REPLICAS}, "status": status}


def test_many_pods_may_take_longer_than_one(monkeypatch):
    wide = Wide(stops_at=4)
    monkeypatch.setattr(deployment, "time", wide)
    assert deploy(wide, request(1)).replicas == 4
    assert wide.now > deployment.PROGRESS_SECONDS


def test_a_rollout_of_many_pods_that_stops_on_its_way_is_given_up(monkeypatch):
    wide = Wide(stops_at=2)
    monkeypatch.setattr(deployment, "time", wide)
    with pytest.raises(Unavailable, match="after 300 s"):
        deploy(wide, request(1))
    assert wide.now < 2 * wide.POD_SECONDS + deployment.PROGRESS_SECONDS + 30


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_what_others_made_under_the_name_is_left_alone(cluster, kind):
    cluster.put({"kind": kind, "metadata": {"name": "income", "labels": {"app": "theirs"}}})
    with pytest.raises(ProjectError, match=f"{kind} payments/income: expected none or the server of model 'income'"):
        deploy(cluster, request(1))
    assert cluster.applied == []


def test_another_deployment_that_comes_between_is_noticed(cluster, monkeypatch):
    class Overtaken(SmallCluster):
        def list(self, kind, selector="", fields=""):
            if kind == "ReplicaSet":
                self.apply(deployment.deployment_of(request(2)))
            return super().list(kind, selector, fields)

    with pytest.raises(Conflict, match="expected nobody to change it meanwhile, found version 2"):
        deploy(Overtaken(moments=5), request(1))


def test_nothing_is_deployed_before_a_first_promotion(cluster, ledger):
    assert follow_with_deployment(cluster, ledger, SERVED) is None
    assert cluster.applied == []
    assert standing(cluster, "income") is None


def test_the_champion_is_served_and_after_a_rollback_the_one_before(cluster, ledger):
    for version in (1, 2, 1):
        promoted(ledger, version)
        assert follow_with_deployment(cluster, ledger, SERVED).version == version
        assert standing(cluster, "income").answering == (version,)


def test_who_is_promoted_while_another_is_deployed_is_served_in_the_end(cluster, ledger):
    promoted(ledger, 1)

    class Busy(SmallCluster):
        def apply(self, manifest):
            if manifest["kind"] == "Deployment" and ledger.current("income").version == 1:
                promoted(ledger, 2)
            return super().apply(manifest)

    busy = Busy()
    assert follow_with_deployment(busy, ledger, SERVED).version == 2
    assert standing(busy, "income").answering == (2,)


def test_a_rollout_that_fails_after_the_promotion_says_who_answers_and_both_ways_out(cluster, ledger):
    promoted(ledger, 1)
    follow_with_deployment(cluster, ledger, SERVED)
    promoted(ledger, 2)
    cluster.fates["registry/income@sha256:2"] = NO_IMAGE
    with pytest.raises(Unavailable) as error:
        follow_with_deployment(cluster, ledger, SERVED)
    said = str(error.value)
    assert "version 2 of income is champion in the ledger, and isn't served" in said
    assert "ErrImageNeverPull" in said
    assert "Meanwhile version 1 goes on answering." in said
    assert "`journey rollback --target kind` goes back; `journey promote 2 --target kind` tries again." in said


def test_a_version_without_an_image_is_not_deployed(cluster, ledger):
    ledger.register_version(Registration("income", "bundle-3", "/b/3", "run", (None, None), NOON, "register"))
    promoted(ledger, 3)
    with pytest.raises(Unavailable, match=r"expected an image that serves it, found none .*`journey run --target kind` makes it"):
        follow_with_deployment(cluster, ledger, SERVED)
    assert cluster.applied == []


def test_a_cluster_that_is_away_hides_neither_the_promotion_nor_the_ways_out(ledger):
    promoted(ledger, 2)

    class Away(SmallCluster):
        def get(self, kind, name):
            raise Unavailable("the API server doesn't answer.")

        def list(self, kind, selector="", fields=""):
            return self.get(kind, selector)

    with pytest.raises(Unavailable, match=r"version 2 of income is champion.*the API server doesn't answer\. Who answers .*rollback"):
        follow_with_deployment(Away(), ledger, SERVED)

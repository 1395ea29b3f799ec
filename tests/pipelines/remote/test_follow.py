import pytest

from journey.errors import Unavailable
from pipelines.remote import follow
from pipelines.remote.follow import Follower, Lost, NeverStarted
from tests.pipelines.remote.fake_cluster import BROKEN, NOW, FakeCluster, gone, nothing, pod

JOB = {"kind": "Job", "metadata": {"name": "run-a"}, "spec": {}, "status": {}}
LOST = {"exitCode": 137, "reason": "Error"}
DONE = {"exitCode": 0}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(follow, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(follow, "_UNTOLD_SECONDS", 0.0)


def followed(cluster: FakeCluster, again: bool = True):
    said: list[str] = []
    cluster.jobs.setdefault("run-a", dict(JOB))
    follower = Follower(cluster, "run-a", again, said.append)
    return follower, said


def test_lines_are_told_from_the_first_to_the_last_and_the_exit_code_is_taken_over():
    log = ["1", "2", pod("a", terminated={"exitCode": 3})]
    cluster = FakeCluster(nothing, pod("a", waiting={"reason": "ContainerCreating"}), pod("a", log=log, running=NOW))
    follower, said = followed(cluster, again=False)
    assert list(follower.lines()) == ["1", "2"]
    assert follower.exit_code == 3
    assert said == ["waiting: a pod is made", "waiting: pod payments/a starts"]


def test_a_log_that_breaks_goes_on_where_it_was():
    cluster = FakeCluster(pod("a", log=["1", "2", BROKEN, "3", pod("a", terminated=DONE)], running=NOW))
    follower, said = followed(cluster)
    assert list(follower.lines()) == ["1", "2", "3"]
    assert said == ["the log of pod a is silent; it is followed on"]


@pytest.mark.parametrize("moment", ["list Pod", "get Pod"])
def test_a_laptop_that_loses_its_network_finds_the_job_again(monkeypatch, moment):
    """Before the pod has started, and after its log has ended."""
    monkeypatch.setattr(follow, "_AWAY_PAUSE_SECONDS", 0.0)
    cluster = FakeCluster(nothing, pod("a", log=["1", pod("a", terminated=DONE)], running=NOW))
    verb, kind = moment.split()
    asked, away = getattr(cluster, verb), [BROKEN, BROKEN]

    def broken(of: str, *words: str, **more: str):
        if of == kind and away:
            raise away.pop()
        return asked(of, *words, **more)

    monkeypatch.setattr(cluster, verb, broken)
    follower, said = followed(cluster)
    assert list(follower.lines()) == ["1"]
    assert follower.exit_code == 0
    assert said.count("the cluster is out of reach, and is asked again. Job payments/run-a goes on by itself: see `journey status`.") == 1


def test_a_cluster_that_stays_out_of_reach_is_given_up_and_the_job_is_not(monkeypatch):
    monkeypatch.setattr(follow, "_AWAY_SECONDS", -1.0)
    cluster = FakeCluster()
    follower, _ = followed(cluster)
    monkeypatch.setattr(cluster, "list", lambda *_, **__: (_ for _ in ()).throw(BROKEN))
    with pytest.raises(Unavailable, match=r"broken connection Job payments/run-a goes on by itself") as raised:
        list(follower.lines())
    assert not isinstance(raised.value, Lost | NeverStarted), "these two have the Job taken away"


def test_a_log_that_breaks_for_ever_ends_with_its_reason(monkeypatch):
    monkeypatch.setattr(follow, "_ROUNDS", 3)
    cluster = FakeCluster(pod("a", log=["1", BROKEN, BROKEN, BROKEN, BROKEN], running=NOW))
    follower, _ = followed(cluster)
    with pytest.raises(Unavailable, match="a broken connection"):
        list(follower.lines())


@pytest.mark.parametrize("end", [gone("a"), pod("a", terminated=LOST), pod("a", terminated={"exitCode": 1, "reason": "Error"})])
def test_an_executor_that_is_lost_is_followed_on_in_the_pod_that_takes_its_place(end):
    second = pod("b", born=9, log=["1", "2", pod("b", terminated=DONE)], running=NOW)
    cluster = FakeCluster(pod("a", log=["1", end], running=NOW), nothing, second)
    follower, said = followed(cluster)
    assert list(follower.lines()) == ["1", "1", "2"]
    assert follower.exit_code == 0
    assert "pod b goes on in its place" in said


def test_a_node_that_is_silent_is_not_listened_to_once_another_pod_goes_on(monkeypatch):
    monkeypatch.setattr(follow, "_END_SECONDS", 0.0)
    second = pod("b", born=9, log=["1", "2", pod("b", terminated=DONE)], running=NOW)
    follower, said = followed(FakeCluster(pod("a", log=["1", second, BROKEN], running=NOW)))
    assert list(follower.lines()) == ["1", "1", "2"]
    assert follower.exit_code == 0
    assert "the log of pod a is silent; it is followed on" not in said


def test_a_pod_that_runs_on_without_a_log_is_not_taken_for_lost(monkeypatch):
    monkeypatch.setattr(follow, "_END_SECONDS", 0.0)
    follower, _ = followed(FakeCluster(pod("a", log=["1"], running=NOW)))
    with pytest.raises(Unavailable, match=r"cut off while the pod runs\. Job payments/run-a goes on by itself") as raised:
        list(follower.lines())
    assert not isinstance(raised.value, Lost | NeverStarted), "these two have the Job taken away"


def test_an_operator_that_is_lost_is_not_done_again():
    cluster = FakeCluster(pod("a", log=[pod("a", terminated=LOST)], running=NOW))
    follower, _ = followed(cluster, again=False)
    with pytest.raises(Lost, match="killed by SIGKILL"):
        list(follower.lines())


def test_an_operator_whose_node_would_not_take_it_ends_with_the_nodes_reason(monkeypatch):
    monkeypatch.setattr(follow, "_END_SECONDS", 3600.0)

    def refused(cluster: FakeCluster) -> None:
        pod("a", log=[])(cluster)
        cluster.pods["a"]["status"] = {"phase": "Failed", "reason": "OutOfmemory", "message": "Node didn't have enough resource: memory"}

    follower, _ = followed(FakeCluster(refused), again=False)
    with pytest.raises(Lost, match=r"found OutOfmemory: Node didn't have enough resource: memory"):
        list(follower.lines())


def test_an_executor_that_needs_more_memory_is_not_started_again_in_vain():
    cluster = FakeCluster(pod("a", log=[pod("a", terminated={"exitCode": 137, "reason": "OOMKilled"})], running=NOW))
    follower, _ = followed(cluster)
    with pytest.raises(Lost, match=r"expected at most 64Mi of memory.*OOMKilled"):
        list(follower.lines())


def test_an_image_that_cannot_be_pulled_ends_the_wait_with_that_reason(monkeypatch):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(follow.time, "monotonic", lambda: float(next(clock)))
    turns = [pod("a", waiting={"reason": reason, "message": "no such host"}) for reason in ("ErrImagePull", "ImagePullBackOff") * 20]
    follower, said = followed(FakeCluster(*turns))
    with pytest.raises(NeverStarted, match=r"payments/run-a: pod payments/a: expected it to start, found .*no such host"):
        list(follower.lines())
    assert next(clock) < 200, "a minute's patience, though two reasons take turns"
    assert said[0].startswith("waiting: pod payments/a: expected it to start, found ErrImagePull")


def test_a_quota_that_lets_no_pod_be_made_is_told(monkeypatch):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(follow.time, "monotonic", lambda: float(next(clock)))
    cluster = FakeCluster()
    cluster.events = [{"message": "pods run-a-x is forbidden: exceeded quota: small", "reason": "FailedCreate"}]
    follower, _ = followed(cluster)
    with pytest.raises(NeverStarted, match="exceeded quota: small"):
        list(follower.lines())


def test_a_job_that_somebody_deleted_is_told():
    cluster = FakeCluster(pod("a", log=["1", gone("a"), lambda cluster: cluster.jobs.clear()], running=NOW))
    follower, _ = followed(cluster)
    with pytest.raises(Lost, match=r"found it deleted\. pod a"):
        list(follower.lines())


def test_a_job_that_ended_well_but_whose_pod_is_gone_is_not_waited_for():
    def ended(cluster: FakeCluster) -> None:
        cluster.pods.clear()
        cluster.jobs["run-a"]["status"] = {"succeeded": 1}

    cluster = FakeCluster(pod("a", log=["1", ended], running=NOW))
    follower, _ = followed(cluster)
    with pytest.raises(Lost, match=r"it has ended\. `journey status` tells how"):
        list(follower.lines())


def test_a_job_that_gave_up_is_told_with_how_its_last_pod_ended():
    def gives_up(cluster: FakeCluster) -> None:
        failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}
        cluster.jobs["run-a"]["status"] = {"conditions": [failed]}

    cluster = FakeCluster(pod("a", log=[pod("a", terminated=LOST), gives_up], running=NOW))
    follower, _ = followed(cluster)
    with pytest.raises(Lost, match=r"found BackoffLimitExceeded: too often. pod payments/a.*SIGKILL"):
        list(follower.lines())

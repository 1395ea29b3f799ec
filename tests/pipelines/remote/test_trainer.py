"""The trigger's trainer in a cluster: what it asks for by Jobs, and what it makes of their ends."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from journey.clock import clock_of
from journey.errors import Conflict, DataError, Unavailable
from journey.records.entries import PromotionRequest, Registration, Retraining
from journey.records.ledger import Ledger
from journey.targets import Target
from pipelines.remote import errand, follow
from pipelines.remote.command import Site
from pipelines.remote.trainer import MENDED, ClusterTrainer
from pipelines.retraining import Trained
from tests.income import on_a_cluster
from tests.pipelines.remote.fake_cluster import NOW, FakeCluster, pod
from tests.pipelines.remote.test_run import IMAGE, events

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REQUEST = Retraining("k" * 64, "income", 1, "drift", NOON, NOON, reason="drift of age")
Act = Callable[[list[str]], tuple[int, list[str]]]


class Acting(FakeCluster):
    """A cluster whose Jobs do this: given their words, what they write and how they end."""

    def __init__(self, act: Act) -> None:
        super().__init__()
        self.act = act
        self.asked: list[list[str]] = []

    def create(self, manifest):
        name = super().create(manifest)
        words = manifest["spec"]["template"]["spec"]["containers"][0]["command"][3:]
        self.asked.append(words)
        code, lines = self.act(words)
        self.pods.clear()
        pod(f"{name}-x", log=[*lines, pod(f"{name}-x", terminated={"exitCode": code})], running=NOW)(self)
        return name


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(follow, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(errand, "PAUSE_SECONDS", 0.0)
    (tmp_path / "project.yaml").write_text(on_a_cluster("payments"))
    ledger = Ledger.connect(f"sqlite:///{tmp_path}/ledger.db")
    for number in (1, 2, 3):
        ledger.register_version(Registration("income", str(number) * 64, "/bundle", f"run-{number}", (None, None), NOON, "register"))
    ledger.promote(PromotionRequest("income", 1, 0, "ada", "the first", NOON))
    yield ledger
    ledger.close()


def trainer(tmp_path: Path, ledger: Ledger, act: Act, **more: str) -> ClusterTrainer:
    place = Target(engine="job", namespace="payments", ledger="${LEDGER_URL}", registry="${MLFLOW_URL}", images="localhost:5000", **more)
    site = Site("income", "kind", place, IMAGE)
    return ClusterTrainer(tmp_path, tmp_path, "income", site.target, ledger, clock_of({}), Acting(act), site)


def promoting(ledger: Ledger, version: int, code: int = 0) -> Act:
    def act(words: list[str]) -> tuple[int, list[str]]:
        ledger.promote(PromotionRequest("income", version, 1, "trigger", "as asked", NOON))
        return code, ["the rollout failed"] if code else []

    return act


def test_what_was_trained_is_promoted_in_place_of_what_was_seen(tmp_path, ledger):
    one = trainer(tmp_path, ledger, promoting(ledger, 2))
    promotion = one.promote(REQUEST, Trained("retrain-k", "done", 2), ledger.current("income"))
    assert (promotion.version, promotion.seq) == (2, 2)
    [words] = one.cluster.asked
    assert words[:4] == ["promote", "2", "--replaces=1", "--reason=drift: all gates passed against version 1"]
    assert json.loads(words[4].removeprefix("--evidence=")) == {"retraining": "k" * 64, "run": "retrain-k", "onset": NOON.isoformat()}


def test_a_promotion_whose_rollout_failed_is_a_promotion(tmp_path, ledger, caplog):
    one = trainer(tmp_path, ledger, promoting(ledger, 2, code=1))
    assert one.promote(REQUEST, Trained("r", "done", 2), ledger.current("income")).version == 2
    assert "the rollout failed" in caplog.text


def test_a_promotion_that_somebody_overtook_is_a_conflict(tmp_path, ledger):
    one = trainer(tmp_path, ledger, promoting(ledger, 3, code=1))
    with pytest.raises(Conflict):
        one.promote(REQUEST, Trained("r", "done", 2), ledger.current("income"))


def test_a_promotion_that_somebody_takes_back_at_once_was_made(tmp_path, ledger):
    def promoted_and_taken_back(words: list[str]) -> tuple[int, list[str]]:
        ended = promoting(ledger, 2)(words)
        ledger.promote(PromotionRequest("income", 1, 2, "ada", "complaints", NOON, reinstate=True))
        return ended

    promotion = trainer(tmp_path, ledger, promoted_and_taken_back).promote(REQUEST, Trained("r", "done", 2), ledger.current("income"))
    assert (promotion.version, promotion.seq) == (2, 2)


def test_a_promotion_that_was_refused_says_why(tmp_path, ledger):
    one = trainer(tmp_path, ledger, lambda _: (1, ["journey: expected card.md with SHA-256 1, found 2"]))
    with pytest.raises(DataError, match=r"expected card\.md"):
        one.promote(REQUEST, Trained("r", "done", 2), ledger.current("income"))


def test_what_a_kill_left_undone_is_done_and_tried_again_where_it_fails(tmp_path, ledger):
    promotion = ledger.promote(PromotionRequest("income", 2, 1, "trigger", "better", NOON))
    good = trainer(tmp_path, ledger, lambda _: (0, []))
    good.conclude(REQUEST, promotion)
    assert good.cluster.asked[0][:3] == ["retire", "1", "--reason=replaced by version 2: better"]
    with pytest.raises(Unavailable, match="away"):
        trainer(tmp_path, ledger, lambda _: (1, ["away"])).conclude(REQUEST, promotion)


def test_a_deployment_that_a_lost_pod_left_behind_the_ledger_follows_it(tmp_path, ledger, caplog):
    promotion = ledger.promote(PromotionRequest("income", 2, 1, "trigger", "better", NOON))
    one = trainer(tmp_path, ledger, lambda words: (words[0] == "promote", ["the rollout failed"]), serving="deployment")
    one.conclude(REQUEST, promotion)
    assert [words[:2] for words in one.cluster.asked] == [["retire", "1"], ["promote", "2"]]
    assert one.cluster.asked[1][2] == "--replaces=2"
    assert "version 2 is promoted, but: the rollout failed" in caplog.text
    one.conclude(REQUEST, replace(promotion, reason=MENDED))
    assert [words[0] for words in one.cluster.asked] == ["retire", "promote", "retire"], "each try is a promotion: one is enough"
    assert "version 2 is promoted, and may not be served" in caplog.text


def test_a_run_is_a_job_whose_end_is_told_to_the_retrainer(tmp_path, ledger):
    away = trainer(tmp_path, ledger, lambda _: (0, events(lambda w: w.error(Unavailable("the bank is away")))))
    long_ago = {"name": "run-first", "creationTimestamp": "2026-03-01T12:00:00Z"}
    away.cluster.jobs["run-first"] = {"metadata": long_ago, "status": {"succeeded": 1}}
    with pytest.raises(Unavailable, match="the bank is away"):
        away.fresh_rows(NOON)
    [words] = away.cluster.asked
    assert words[-5:] == ["--parameter", f"onset={NOON.isoformat()}", "--until", "curate-data", "--wait"]
    assert "run-first" not in away.cluster.jobs, "it ended long ago: nobody else may be there to sweep it away"
    assert words[words.index("--called") + 1] == "income", "its page names the project, not the folder that it was published in"

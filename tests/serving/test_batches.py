"""Requests that go through the model together."""

import asyncio

import pytest

from journey.errors import JourneyError
from journey.model.bundle import open_bundle
from journey.model.keys import Trusted
from journey.model.scoring import Scorer
from journey.watching.bins import Reference
from serving.batches import Batches
from serving.counts import BinCounts
from tests.serving.tiny import probability, write_tiny_bundle


@pytest.fixture
def scorer(tmp_path):
    write_tiny_bundle(tmp_path / "bundle", tmp_path / "keys")
    return Scorer(open_bundle(tmp_path / "bundle", Trusted.of(tmp_path / "keys")))


@pytest.fixture
def counts(scorer):
    return BinCounts(Reference.model_validate_json(scorer.bundle.read("reference.json")), "tiny", 1)


def values(scorer, *amounts: float) -> list[dict]:
    return [scorer.values({"amount": amount, "channel": "online"}) for amount in amounts]


def counted(counts: BinCounts, feature: str) -> int:
    return sum(int(line.rsplit(" ", 1)[1]) for line in counts.samples() if f'feature="{feature}"' in line)


def test_requests_that_come_together_are_one_call_and_each_gets_its_own_rows(scorer, counts):
    batches = Batches(scorer, counts)

    async def ask():
        return await asyncio.gather(*(batches.score(rows, [{}] * len(rows)) for rows in (values(scorer, 1, 2), values(scorer, 3))))

    first, second = asyncio.run(ask())
    assert [row[1] for row in first.predictions] == pytest.approx([probability(1, "online", 1), probability(2, "online", 1)])
    assert second.scores == pytest.approx([probability(3, "online", 1)])
    assert batches.model_seconds.samples("m")[-1] == "m_count 1"
    assert counted(counts, "amount") == 3


def test_one_requests_failure_is_its_own(scorer, counts):
    batches = Batches(scorer, counts)

    async def ask():
        asked = (batches.score(values(scorer, amount), [{}]) for amount in (1, 13, 2))
        return await asyncio.gather(*asked, return_exceptions=True)

    first, unlucky, last = asyncio.run(ask())
    assert isinstance(unlucky, JourneyError)
    assert [first.scores[0], last.scores[0]] == pytest.approx([probability(1, "online", 1), probability(2, "online", 1)])
    assert counted(counts, "score") == 2


def test_a_client_that_leaves_takes_nobody_with_it(scorer, counts):
    batches = Batches(scorer, counts)

    async def ask():
        leaving, staying = batches.score(values(scorer, 1), [{}]), batches.score(values(scorer, 2), [{}])
        leaving.cancel()
        return await staying

    assert asyncio.run(ask()).scores == pytest.approx([probability(2, "online", 1)])

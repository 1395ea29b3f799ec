"""A batch against the rows a model was made from."""

from dataclasses import dataclass

import numpy as np

from components.operations.monitor import monitor
from journey.artifacts import FrameSchema, Input
from journey.watching.bins import Floats, Objects, reference_of
from monitoring.rules import WindowRule

SCHEMA = FrameSchema(
    task="binary",
    classes=(False, True),
    inputs=(Input(name="amount", type="float", origin="spine"), Input(name="channel", type="category", origin="spine")),
)


@dataclass(frozen=True)
class Rows:
    numbers: Floats
    categories: Objects


def rows(random: np.random.Generator, count: int, shift: float = 0.0, phone: float = 0.2) -> Rows:
    words = np.where(random.random(count) < phone, "phone", "online").astype(object)
    return Rows(random.normal(shift, size=(count, 1)), words[:, None])


def test_only_what_moved_is_drifted() -> None:
    random = np.random.default_rng(7)
    reference = reference_of(rows(random, 10_000), SCHEMA, random.random(5_000), ("1h", "1d"))
    rule = WindowRule("1d")
    calm = monitor(reference, rows(random, 2_000), random.random(2_000), rule)
    assert [one.feature for one in calm] == ["amount", "channel", "score"]
    assert not any(one.drifted for one in calm)
    moved = monitor(reference, rows(random, 2_000, shift=0.5), random.random(2_000), rule)
    assert [one.feature for one in moved if one.drifted] == ["amount"]
    called = monitor(reference, rows(random, 2_000, phone=0.4), random.random(2_000) ** 2, rule)
    assert [one.feature for one in called if one.drifted] == ["channel", "score"]


def test_a_window_that_the_reference_has_no_limit_for_is_not_judged() -> None:
    random = np.random.default_rng(7)
    reference = reference_of(rows(random, 1_000), SCHEMA, random.random(1_000), ("1d",))
    assert monitor(reference, rows(random, 1_000), random.random(1_000), WindowRule("7d")) == ()

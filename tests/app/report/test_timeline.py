"""The page of the loop: charts whose points are where they belong, and one file that needs nothing beside it."""

import json
import re
from pathlib import Path

import numpy as np

from app.demo import Performance
from app.outcome import Outcome, Quality
from app.report.lines import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Line, Mark, draw_chart
from app.report.timeline import write_timeline
from app.simulate import Answer, Happening
from app.stage import set_stage
from journey.records.entries import PromotionRequest, Registration
from journey.records.ledger import Ledger


def test_a_line_runs_from_corner_to_corner_and_what_is_beyond_stays_at_the_edge() -> None:
    svg = draw_chart(Chart("c", (Line("a <b>", ((0.0, 0.0), (10.0, 1.0), (10.0, 7.0)), "#000"),), (Mark(5.0, "half"),), 10.0, 0.0, 1.0))
    points = re.search(r'points="([^"]*)"', svg)
    assert points is not None
    top = f"{WIDTH - RIGHT:.1f},{TOP:.1f}"
    assert points[1] == f"{LEFT:.1f},{HEIGHT - BOTTOM:.1f} {top} {top}"
    assert "a &lt;b&gt;" in svg
    assert f'd="M{(LEFT + WIDTH - RIGHT) / 2:.1f}' in svg


def test_the_page_of_a_quiet_performance_stands_alone_and_says_that_nothing_happened(tmp_path: Path) -> None:
    stage = set_stage(tmp_path)
    clock = stage.clock_from(1000.0)
    (stage.home / "up").mkdir(parents=True)
    day, week = {"psi": 0.01, "limit": 0.05, "whole": True}, {"psi": 0.0, "limit": 0.01, "whole": False}
    found = {"unix": 1030.0, "worst": {"1d": day, "7d": week}}
    (stage.home / "up" / "monitor.jsonl").write_text(json.dumps(found) + "\n")
    ledger = Ledger.connect(f"sqlite:///{stage.home}/ledger.db")
    ledger.register_version(Registration("payments", "b", "uri", "run", (None, None), stage.end_of_history, "test"))
    first = ledger.promote(PromotionRequest("payments", 1, 0, "journey up", "the first version", stage.end_of_history))
    random = np.random.default_rng(7)
    answers = tuple(
        Answer(Happening({}, clock.at(1000.0 + second), bool(p > random.random())), 1000.0 + second, 0.002, 200, 1, (1 - p, p))
        for second, p in zip(np.linspace(0, 40, 4000).tolist(), random.random(4000).tolist(), strict=True)
    )
    performance = Performance(stage, clock, 1000.0, None, answers, None, (first,))
    outcome = Outcome((1,), None, None, 4000, 0, 0, Quality("roc_auc", 0.83), None)
    page = write_timeline(performance, outcome, tmp_path / "demo.html").read_text()
    assert "nothing changed" in page
    assert "all 2 lines hold" in page
    assert "4,000" in page
    assert not re.search(r'(?:src|href)="', page)
    assert len(re.findall("<svg", page)) == 3
    ledger.close()

"""The steps of a run as a drawing."""

from xml.etree import ElementTree

from app.report.graph import Node, depths, draw
from app.report.intervals import Bar, draw_bars

DIAMOND = [
    Node("ingest", "cached", 0.1, ()),
    Node("left", "done", 1.0, ("ingest",)),
    Node("right", "failed", 2.0, ("ingest",)),
    Node("join", "skipped", 0.0, ("left", "right", "ingest")),
]


def test_a_step_stands_below_all_that_it_waited_for() -> None:
    assert depths(DIAMOND) == {"ingest": 0, "left": 1, "right": 1, "join": 2}


def test_a_step_that_waits_for_nobody_stands_just_above_the_first_that_needs_it() -> None:
    chain = [Node("a", "done", 0, ()), Node("b", "done", 0, ("a",)), Node("c", "done", 0, ("b", "late")), Node("late", "done", 0, ())]
    assert depths(chain)["late"] == 1


def test_each_step_is_drawn_once_with_its_state() -> None:
    drawing = ElementTree.fromstring(draw(DIAMOND))
    assert [title.text for title in drawing.iter("title")] == [
        "ingest: cached, 0.10 s",
        "left: done, 1.00 s",
        "right: failed, 2.00 s",
        "join: skipped, 0.00 s",
    ]


def test_a_line_that_others_imply_is_left_out() -> None:
    drawing = ElementTree.fromstring(draw(DIAMOND))
    assert len(list(drawing.iter("path"))) == 4          # ingest to left and right, these to join; not ingest to join


def test_a_name_from_outside_is_no_markup() -> None:
    drawing = ElementTree.fromstring(draw([Node("<b>&", "done", 0.0, ())]))
    assert [title.text for title in drawing.iter("title")] == ["<b>&: done, 0.00 s"]


def test_a_longer_interval_is_drawn_longer() -> None:
    drawing = ElementTree.fromstring(draw_bars([Bar("narrow", 0.5, 0.45, 0.55), Bar("wide", 0.5, 0.3, 0.7)], "roc_auc"))
    narrow, wide = [path.get("d", "") for path in drawing.iter("path") if path.get("stroke-width")]
    assert _length(wide) > 3 * _length(narrow)


def test_equal_values_still_have_an_axis() -> None:
    assert "nan" not in draw_bars([Bar("one", 0.0, 0.0, 0.0)], "r2")


def _length(path: str) -> float:
    start, end = path.lstrip("M").split(" ")[0], path.split("H")[1]
    return float(end) - float(start)

"""The leaderboard as one self-contained page: figures with their intervals, and the curves as SVG."""

from collections.abc import Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray

from components.models.curves import Curves
from journey.artifacts import Board, BoardRow

SIDE = 220             # pixels of a chart
COLOURS = ("#2f6f9f", "#c8553d", "#588157", "#8f6bb3", "#b08900", "#4a4e69", "#d1495b", "#00798c")
TITLES = {
    "roc": ("ROC", "false positive rate", "true positive rate"),
    "precision_recall": ("Precision and recall", "recall", "precision"),
    "calibration": ("Calibration", "predicted", "observed"),
    "predicted": ("Predicted and actual", "predicted", "actual"),
}
STYLE = """
body{font:14px/1.5 system-ui,sans-serif;color:#222;margin:24px;max-width:1100px}table{border-collapse:collapse;margin:12px 0}
th,td{padding:4px 12px;text-align:right;border-bottom:1px solid #ddd;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}small{color:#777}figure{display:inline-block;margin:8px 16px 8px 0}
figcaption{font-weight:600}
"""


def leaderboard_page(board: Board, curves: Mapping[str, Curves]) -> str:
    """The page's HTML."""
    names = [metric.name for metric in board.rows[0].metrics]
    head = "".join(f"<th>{escape(name)}</th>" for name in ("candidate", *names, "folds", "µs a row", "KiB"))
    rows = "".join(_row(row) for row in board.rows)
    charts = "".join(_chart(name, curves) for name in TITLES if any(name in each.lines for each in curves.values()))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Leaderboard</title><style>{STYLE}</style>'
        f"<h1>Leaderboard by {escape(board.metric)}</h1><p>On validation rows, with 95 % intervals by bootstrap.</p>"
        f"<table><tr>{head}</tr>{rows}</table>{charts}{_legend(curves)}</html>\n"
    )


def _row(row: BoardRow) -> str:
    values = "".join(f"<td>{each.value:.4f}<br><small>{each.low:.4f} to {each.high:.4f}</small></td>" for each in row.metrics)
    folds = ", ".join(f"{score:.4f}" for score in row.fold_scores)
    return (
        f"<tr><td>{escape(row.candidate.name)}<br><small>{escape(row.candidate.why)}</small></td>{values}"
        f"<td><small>{folds}</small></td><td>{row.microseconds_a_row:.1f}</td><td>{row.bytes / 1024:,.0f}</td></tr>"
    )


def _chart(name: str, curves: Mapping[str, Curves]) -> str:
    """One kind of curve, a line for each candidate, on axes that hold them all."""
    title, across, up = TITLES[name]
    lines = {candidate: each.lines[name] for candidate, each in curves.items() if name in each.lines}
    points = np.concatenate(list(lines.values()))
    low, high = (0.0, 1.0) if name != "predicted" else (float(points.min()), float(points.max()))
    drawn = "".join(
        f'<polyline points="{_points(points, low, high)}" fill="none" stroke="{_colour(curves, candidate)}" stroke-width="1.5"/>'
        for candidate, points in lines.items()
    )
    diagonal = "" if name == "precision_recall" else f'<path d="M0 {SIDE}L{SIDE} 0" stroke="#ccc" stroke-dasharray="4"/>'
    return (
        f"<figure><figcaption>{title}</figcaption>"
        f'<svg width="{SIDE}" height="{SIDE}" style="border:1px solid #ddd">{diagonal}{drawn}</svg>'
        f"<br><small>{across} → {up} ↑ ({low:.3g} to {high:.3g})</small></figure>"
    )


def _points(points: NDArray[np.float64], low: float, high: float) -> str:
    scaled = (points - low) / ((high - low) or 1.0) * SIDE
    return " ".join(f"{x:.1f},{SIDE - y:.1f}" for x, y in scaled.tolist())


def _legend(curves: Mapping[str, Curves]) -> str:
    names = "".join(f'<li style="color:{_colour(curves, candidate)}">{escape(candidate)}</li>' for candidate in curves)
    return f"<ul>{names}</ul>"


def _colour(curves: Mapping[str, Curves], candidate: str) -> str:
    return COLOURS[list(curves).index(candidate) % len(COLOURS)]

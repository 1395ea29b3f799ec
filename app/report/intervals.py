"""Values with their intervals, one under the other on a common axis, drawn as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 1000
NAMES = 220
ROW_HEIGHT = 26
AXIS_HEIGHT = 26
TICKS = 5


@dataclass(frozen=True)
class Bar:
    """A value between the ends of its interval, with a name beside it."""

    name: str
    value: float
    low: float
    high: float
    marked: bool = False


def draw_bars(bars: Sequence[Bar], label: str) -> str:
    """The bars as one SVG element, the axis below them; nothing for no bars."""
    if not bars:
        return ""
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    low, high = low - margin, high + margin

    def x(value: float) -> float:
        return NAMES + (value - low) / (high - low) * (WIDTH - NAMES - 20)

    rows = [_row(bar, index, x(bar.low), x(bar.value), x(bar.high)) for index, bar in enumerate(bars)]
    bottom = ROW_HEIGHT * len(bars)
    ticks = [_tick(low + (high - low) * step / TICKS, x(low + (high - low) * step / TICKS), bottom) for step in range(TICKS + 1)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {bottom + AXIS_HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(ticks)}{"".join(rows)}</svg>'
    )


def _row(bar: Bar, index: int, low: float, middle: float, high: float) -> str:
    y = ROW_HEIGHT * (index + 0.5)
    colour = "#2b7a4b" if bar.marked else "#2563a8"
    spoken = f"{escape(bar.name)}: {bar.value:.4f}, {bar.low:.4f} to {bar.high:.4f}"
    return (
        f'<g><title>{spoken}</title><text x="{NAMES - 12}" y="{y + 4:.0f}" text-anchor="end">{escape(bar.name)}</text>'
        f'<path d="M{low:.1f} {y:.0f} H{high:.1f}" stroke="{colour}" stroke-width="3" stroke-opacity="0.45"/>'
        f'<circle cx="{middle:.1f}" cy="{y:.0f}" r="5" fill="{colour}"/></g>'
    )


def _tick(value: float, x: float, bottom: float) -> str:
    return (
        f'<path d="M{x:.1f} 0 V{bottom}" stroke="#e7ebef"/>'
        f'<text class="soft" x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{value:.3g}</text>'
    )

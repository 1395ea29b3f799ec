"""Values over time as lines, with moments marked, drawn as SVG."""

from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 1000, 260
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 30, 28
TICKS = 5


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        name: what it shows.
        points: (seconds, value), by seconds.
        colour: as SVG takes it.
        dashed: for what would have been, or a limit.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class Mark:
    """A moment that is marked by an upright line."""

    seconds: float
    name: str


@dataclass(frozen=True)
class Chart:
    """Lines over the same seconds.

    Attributes:
        label: what the chart shows, for those who can't see it.
        end: the last second shown.
        low: the lowest value shown.
        high: the highest value shown.
    """

    label: str
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    end: float
    low: float
    high: float

    def x(self, seconds: float) -> float:
        """Where a second stands."""
        return LEFT + seconds / self.end * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Where a value stands; one beyond the chart stands at its edge."""
        inside = min(max(value, self.low), self.high)
        return HEIGHT - BOTTOM - (inside - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)


def draw_chart(chart: Chart) -> str:
    """The chart as one SVG element, and below it which line is which."""
    marks = [_mark(chart, index, mark) for index, mark in enumerate(chart.marks)]
    parts = "".join([*_grid(chart), *marks, *(_line(chart, line) for line in chart.lines)])
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.label)}">{parts}</svg>'
    return f'{svg}<p class="lead">{" &nbsp; ".join(map(_named, chart.lines))}</p>'


def _named(line: Line) -> str:
    return f'<span style="color:{line.colour}">{"╌╌" if line.dashed else "──"}</span> {escape(line.name)}'


def _grid(chart: Chart) -> list[str]:
    parts = []
    for step in range(TICKS + 1):
        value, seconds = chart.low + (chart.high - chart.low) * step / TICKS, chart.end * step / TICKS
        parts.append(f'<path d="M{LEFT} {chart.y(value):.1f} H{WIDTH - RIGHT}" stroke="#e7ebef"/>')
        parts.append(f'<text class="soft" x="{LEFT - 6}" y="{chart.y(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>')
        parts.append(f'<text class="soft" x="{chart.x(seconds):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{seconds:.0f} s</text>')
    return parts


def _mark(chart: Chart, index: int, mark: Mark) -> str:
    x, y = chart.x(mark.seconds), 10 + 11 * (index % 2)
    anchor = "end" if mark.seconds > 0.8 * chart.end else "start"
    shift = -4 if anchor == "end" else 4
    return (
        f'<path d="M{x:.1f} {TOP - 4} V{HEIGHT - BOTTOM}" stroke="#8a94a0" stroke-dasharray="2 3"/>'
        f'<text class="soft" x="{x + shift:.1f}" y="{y}" text-anchor="{anchor}">{escape(mark.name)}</text>'
    )


def _line(chart: Chart, line: Line) -> str:
    points = " ".join(f"{chart.x(seconds):.1f},{chart.y(value):.1f}" for seconds, value in line.points)
    dashes = ' stroke-dasharray="6 4"' if line.dashed else ""
    title = f"<title>{escape(line.name)}</title>"
    return f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="2"{dashes}>{title}</polyline>'

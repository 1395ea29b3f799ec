"""The steps of a run as a graph: one row a depth, who waits for whom as lines, drawn as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 1040
BOX_WIDTH = 244
BOX_HEIGHT = 38
ROW_HEIGHT = 62
COLOURS = {"done": "#2b7a4b", "cached": "#2563a8", "failed": "#b3372f", "refused": "#9a6a00"}
UNKNOWN = "#8a94a0"


@dataclass(frozen=True)
class Node:
    """One step as it is drawn.

    Attributes:
        name: the task's name, unique in the run.
        state: done, cached, failed, refused or skipped.
        seconds: how long it took.
        after: names of the steps that it waited for.
    """

    name: str
    state: str
    seconds: float
    after: tuple[str, ...]


def depths(nodes: Sequence[Node]) -> dict[str, int]:
    """The row of each node: below all that it waits for; one that waits for nobody stands just above the first that waits for it.

    Names that are no node's are passed over.
    """
    by_name = {node.name: node for node in nodes}
    found: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in found:
            found[name] = 0
            found[name] = max((depth(before) + 1 for before in by_name[name].after if before in by_name), default=0)
        return found[name]

    for node in nodes:
        depth(node.name)
    for node in nodes:
        waiting = [found[other.name] for other in nodes if node.name in other.after]
        if waiting and not any(before in by_name for before in node.after):
            found[node.name] = min(waiting) - 1
    return found


def draw(nodes: Sequence[Node]) -> str:
    """The graph as one SVG element, as wide as the page."""
    depth = depths(nodes)
    rows: dict[int, list[Node]] = {}
    for node in nodes:
        rows.setdefault(depth[node.name], []).append(node)
    at = {node.name: _place(index, len(row), level) for level, row in rows.items() for index, node in enumerate(row)}
    lines = [_line(at[before], at[node.name]) for node in nodes for before in _direct(node, nodes) if before in at]
    boxes = [_box(node, *at[node.name], width=_box_width(len(rows[depth[node.name]]))) for node in nodes]
    height = ROW_HEIGHT * (max(rows, default=0) + 1)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="steps of the run">{"".join(lines)}{"".join(boxes)}</svg>'


def _direct(node: Node, nodes: Sequence[Node]) -> list[str]:
    """The steps waited for, without those that another of them waits for already: fewer lines say the same."""
    after = {other.name: set(other.after) for other in nodes}

    def reached(name: str, seen: set[str]) -> set[str]:
        for before in after.get(name, set()) - seen:
            seen.add(before)
            reached(before, seen)
        return seen

    implied: set[str] = set()
    for before in node.after:
        implied |= reached(before, set())
    return sorted(before for before in node.after if before not in implied)


def _box_width(count: int) -> float:
    return min(BOX_WIDTH, WIDTH / max(count, 1) - 12)


def _place(index: int, count: int, level: int) -> tuple[float, float]:
    """The middle of a box: boxes of one depth share the width evenly."""
    share = min(WIDTH / count, BOX_WIDTH + 40)
    return WIDTH / 2 + (index - (count - 1) / 2) * share, level * ROW_HEIGHT + BOX_HEIGHT / 2 + 4


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    y1, y2 = y1 + BOX_HEIGHT / 2, y2 - BOX_HEIGHT / 2
    middle = (y1 + y2) / 2
    return f'<path d="M{x1:.0f} {y1:.0f} C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}" fill="none" stroke="#b6bfca"/>'


def _box(node: Node, x: float, y: float, *, width: float) -> str:
    colour = COLOURS.get(node.state, UNKNOWN)
    letters = int(width / 6.8)
    name = node.name if len(node.name) <= letters else node.name[: letters - 1] + "…"
    took = f"{node.seconds:.1f} s" if node.state != "cached" else f"cached, {node.seconds:.1f} s"
    corner = f'x="{x - width / 2:.0f}" y="{y - BOX_HEIGHT / 2:.0f}"'
    size = f'width="{width:.0f}" height="{BOX_HEIGHT}" rx="6"'
    note = took if node.state in COLOURS else node.state
    return (
        f"<g><title>{escape(node.name)}: {escape(node.state)}, {node.seconds:.2f} s</title>"
        f'<rect {corner} {size} fill="#ffffff" stroke="{colour}"/>'
        f'<text x="{x:.0f}" y="{y - 2:.0f}" text-anchor="middle">{escape(name)}</text>'
        f'<text class="soft" x="{x:.0f}" y="{y + 13:.0f}" text-anchor="middle">{escape(note)}</text></g>'
    )

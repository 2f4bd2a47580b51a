"""Line, dot, size and reliability charts as inline SVG: no scripts, no fonts, colours by CSS class.

Every function returns one `<svg>` element, the same text for the same numbers. The page that holds it gives
the classes (`grid`, `axis`, `line`, `mark`, `series-1` and so on) their colours. Texts are escaped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 340, 200
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 34
SMALLEST_RANGE = 0.02


@dataclass(frozen=True)
class Line:
    """One curve."""

    points: Sequence[tuple[float, float]]
    series: int
    """1 to 3: the colour; 2 is dashed and 3 dotted, so that they can be told apart without colour."""

    faint: bool = False


@dataclass(frozen=True)
class Curve:
    """One method's scores over the number of examples."""

    label: str
    points: Sequence[tuple[float, float, tuple[float, float] | None]]
    """Examples, score, and where the true score lies; None: not known."""

    more: Sequence[tuple[float, float, tuple[float, float] | None]] = ()
    """The same for numbers of examples that were not tried."""


@dataclass(frozen=True)
class Dot:
    """One row of a dot plot."""

    label: str
    filled: float
    """Validation score."""

    hollow: float
    """Test score."""

    each: Sequence[float] = ()
    """Scores of the single seeds, drawn small."""

    strong: bool = False


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    marked: tuple[float, float] | None = None,
    since: float | None = None,
) -> str:
    """Return curves over whole-numbered x.

    Args:
        lines: Curves; points outside the ranges are not drawn.
        title: What a screen reader says.
        x_label: Below the axis.
        x_range: Lowest and highest x, for example the first and the last epoch.
        y_range: Lowest and highest y; widened to round numbers.
        marked: A point with a ring around it.
        since: An x with a vertical line through it.
    """
    ticks = round_ticks(*y_range)
    x_low, x_high = x_range if x_range[1] > x_range[0] else (x_range[0] - 0.5, x_range[1] + 0.5)

    def x_at(x: float) -> float:
        return LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def y_at(y: float) -> float:
        return TOP + (ticks[-1] - y) / (ticks[-1] - ticks[0]) * (HEIGHT - TOP - BOTTOM)

    parts = [_horizontal(y_at(tick), _number(tick)) for tick in ticks]
    parts += [_x_tick(x_at(x), str(x)) for x in _whole_ticks(*x_range)]
    if since is not None:
        at = _p(x_at(since))
        parts.append(f'<line class="floor" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    for line in lines:
        kind = f"series-{line.series}{' faint' if line.faint else ''}"
        points = [(x, y) for x, y in line.points if math.isfinite(y) and ticks[0] <= y <= ticks[-1]]
        placed = [(_p(x_at(x)), _p(y_at(y))) for x, y in points]
        if len(placed) > 1:
            path = " ".join(f"{x},{y}" for x, y in placed)
            parts.append(f'<polyline class="line {kind}" points="{path}"/>')
        parts += [f'<circle class="point {kind}" cx="{x}" cy="{y}" r="2.5"/>' for x, y in placed]
    if marked is not None and ticks[0] <= marked[1] <= ticks[-1]:
        parts.append(f'<circle class="mark" cx="{_p(x_at(marked[0]))}" cy="{_p(y_at(marked[1]))}" r="6"/>')
    parts.append(_x_label(x_label))
    return _svg(parts, title=title, width=WIDTH, height=HEIGHT)


def dot_chart(dots: Sequence[Dot], *, title: str, x_label: str, floor: float | None) -> str:
    """Return one row per dot: filled and hollow mark on a common axis, the floor as a dashed line.

    Args:
        dots: At least one.
        title: What a screen reader says.
        x_label: Below the axis.
        floor: What a model scores that has learnt nothing; None leaves it out.
    """
    values = [value for dot in dots for value in (dot.filled, dot.hollow, *dot.each)]
    ticks = round_ticks(*wide_enough([*values, *([floor] if floor is not None else [])]), at_most=5)
    width, row, left = 480, 36, 120
    below = BOTTOM + 8
    height = TOP + row * len(dots) + below

    def x_at(x: float) -> float:
        return left + (x - ticks[0]) / (ticks[-1] - ticks[0]) * (width - left - 20)

    bottom = height - below
    parts = []
    for tick in ticks:
        parts.append(
            f'<line class="grid" x1="{_p(x_at(tick))}" x2="{_p(x_at(tick))}" y1="{TOP}" y2="{bottom}"/>'
        )
        parts.append(_text(x_at(tick), bottom + 15, _number(tick), "middle"))
    if floor is not None:
        at = _p(x_at(floor))
        parts.append(f'<line class="floor" x1="{at}" x2="{at}" y1="{TOP}" y2="{bottom}"/>')
    for index, dot in enumerate(dots):
        y = TOP + row * (index + 0.5)
        label = dot.label if len(dot.label) <= 16 else dot.label[:15] + "…"
        parts.append(_text(left - 12, y + 4, label, "end", " strong" if dot.strong else ""))
        parts.append(
            f'<line class="stem" x1="{_p(x_at(dot.hollow))}" x2="{_p(x_at(dot.filled))}" '
            f'y1="{_p(y)}" y2="{_p(y)}"/>'
        )
        parts += [
            f'<circle class="seed series-1" cx="{_p(x_at(value))}" cy="{_p(y + 10)}" r="2"/>'
            for value in dot.each
        ]
        parts.append(f'<circle class="hollow series-2" cx="{_p(x_at(dot.hollow))}" cy="{_p(y)}" r="6"/>')
        parts.append(f'<circle class="filled series-1" cx="{_p(x_at(dot.filled))}" cy="{_p(y)}" r="5"/>')
    parts.append(_text((left + width - 20) / 2, height - 4, x_label, "middle"))
    return _svg(parts, title=title, width=width, height=height, kind="dots")


def size_chart(curves: Sequence[Curve], *, title: str, x_label: str, y_label: str) -> str:
    """Return scores over the number of examples, which has a logarithmic axis, with their intervals.

    What was not tried is drawn hollow. Curves beside each other at one number of examples, so that their
    intervals can be told apart.

    Args:
        curves: At least one, all with points at the same numbers of examples.
        title: What a screen reader says.
        x_label, y_label: Below the axis, and above its upper end.
    """
    width, height, left, right, top = 640, 320, 52, 110, 26
    every = [point for curve in curves for point in (*curve.points, *curve.more)]
    values = [value for _, score, ends in every for value in (score, *(ends or ()))]
    ticks = round_ticks(*wide_enough(values))
    sizes = sorted({x for x, _, _ in every})
    low, high = math.log(sizes[0]), math.log(max(sizes[-1], sizes[0] * 1.01))

    def x_at(x: float) -> float:
        return left + 20 + (math.log(x) - low) / (high - low) * (width - left - right - 40)

    def y_at(y: float) -> float:
        return top + (ticks[-1] - y) / (ticks[-1] - ticks[0]) * (height - top - BOTTOM)

    parts = []
    for tick in ticks:
        at = _p(y_at(tick))
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{at}" y2="{at}"/>')
        parts.append(_text(left - 6, y_at(tick) + 4, _number(tick), "end"))
    parts += [_text(x_at(x), height - BOTTOM + 14, f"{x:,.0f}", "middle") for x in sizes]
    labels: list[float] = []
    for index, curve in enumerate(curves):
        aside = 7 * (index - (len(curves) - 1) / 2)
        kind = f"series-{index % 3 + 1}"
        path = " ".join(f"{_p(x_at(x) + aside)},{_p(y_at(y))}" for x, y, _ in curve.points)
        parts.append(f'<polyline class="line {kind}" points="{path}"/>')
        for shape, points in (("point", curve.points), ("hollow", curve.more)):
            for x, y, ends in points:
                at = _p(x_at(x) + aside)
                if ends is not None:
                    span = f'y1="{_p(y_at(ends[0]))}" y2="{_p(y_at(ends[1]))}"'
                    parts.append(f'<line class="span {kind}" x1="{at}" x2="{at}" {span}/>')
                parts.append(f'<circle class="{shape} {kind}" cx="{at}" cy="{_p(y_at(y))}" r="4"/>')
        # Names at the ends of their curves, pushed apart where two curves end at the same height.
        y = y_at((curve.more or curve.points)[-1][1]) + 4
        while any(abs(y - other) < 13 for other in labels):
            y += 1
        labels.append(y)
        parts.append(f'<circle class="filled {kind}" cx="{_p(width - right + 8)}" cy="{_p(y - 4)}" r="4"/>')
        parts.append(_text(width - right + 16, y, curve.label[:14], "start"))
    parts.append(_text(left, 12, y_label, "start"))
    parts.append(_text((left + width - right) / 2, height - 4, x_label, "middle"))
    return _svg(parts, title=title, width=width, height=height, kind="dots")


def reliability_chart(bins: Sequence[tuple[float, float, float, int]], *, title: str) -> str:
    """Return bars of accuracy over confidence, with the diagonal of perfect calibration.

    Args:
        bins: lower edge, upper edge, accuracy, rows; bins without rows are left out.
        title: What a screen reader says.
    """

    def x_at(x: float) -> float:
        return LEFT + x * (WIDTH - LEFT - RIGHT)

    def y_at(y: float) -> float:
        return TOP + (1 - y) * (HEIGHT - TOP - BOTTOM)

    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    parts = [_horizontal(y_at(tick), _number(tick)) for tick in ticks]
    parts += [_x_tick(x_at(tick), _number(tick)) for tick in ticks]
    for lower, upper, accuracy, rows in bins:
        if rows:
            height = max(y_at(0) - y_at(accuracy), 1.0)
            parts.append(
                f'<rect class="bar" x="{_p(x_at(lower) + 1)}" y="{_p(y_at(0) - height)}" '
                f'width="{_p(x_at(upper) - x_at(lower) - 2)}" height="{_p(height)}"/>'
            )
    parts.append(
        f'<line class="floor" x1="{_p(x_at(0))}" y1="{_p(y_at(0))}" x2="{_p(x_at(1))}" y2="{_p(y_at(1))}"/>'
    )
    parts.append(_x_label("confidence"))
    return _svg(parts, title=title, width=WIDTH, height=HEIGHT)


def floor_fits(scores: Sequence[float], floor: float) -> bool:
    """Return whether the floor can be drawn without squeezing the scores into a fifth of the axis."""
    low, high = wide_enough(scores)
    return low - 4 * (high - low) < floor < high + 4 * (high - low)


def wide_enough(values: Sequence[float]) -> tuple[float, float]:
    """Return lowest and highest value, at least 0.02 apart: smaller differences should look small."""
    low, high = min(values), max(values)
    missing = max(0.0, SMALLEST_RANGE - (high - low))
    return low - missing / 2, high + missing / 2


def round_ticks(low: float, high: float, *, at_most: int = 6) -> list[float]:
    """Return evenly spaced round numbers, the first at most `low`, the last at least `high`, 2 or more."""
    if high - low <= 1e-9 * max(1.0, abs(low), abs(high)):
        # Room on both sides, so that a flat curve lies in the middle.
        room = max(abs(low) * 0.1, 0.01)
        low, high = low - room, high + room
    raw = (high - low) / (at_most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (1, 2, 2.5, 5, 10, 20):
        step = factor * power
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first < at_most:
            break
    return [round(index * step, 12) for index in range(first, last + 1)]


def _whole_ticks(low: float, high: float) -> list[int]:
    first, last = math.ceil(low), math.floor(high)
    step = max(1, math.ceil((last - first) / 8))
    return list(range(first, last + 1, step))


def _number(value: float) -> str:
    return f"{value:.4g}" if value else "0"


def _p(value: float) -> str:
    return f"{value:.1f}"


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text class="axis{more}" x="{_p(x)}" y="{_p(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def _horizontal(y: float, label: str) -> str:
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_p(y)}" y2="{_p(y)}"/>'
    return line + _text(LEFT - 6, y + 4, label, "end")


def _x_tick(x: float, label: str) -> str:
    return _text(x, HEIGHT - BOTTOM + 14, label, "middle")


def _x_label(label: str) -> str:
    return _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, label, "middle")


def _svg(parts: Sequence[str], *, title: str, width: int, height: int, kind: str = "plot") -> str:
    name = escape(title, quote=True)
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{name}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )

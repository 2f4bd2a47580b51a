import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritune.charts import (
    Dot,
    Line,
    dot_chart,
    floor_fits,
    line_chart,
    reliability_chart,
    round_ticks,
    wide_enough,
)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.12, 0.88, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (3, 47, [0, 10, 20, 30, 40, 50]),
        (0.912, 0.915, [0.912, 0.913, 0.914, 0.915]),
    ],
)
def test_ticks_are_round_numbers_around_the_range(low, high, ticks):
    assert round_ticks(low, high) == pytest.approx(ticks)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_enclose_the_range_evenly(low, width):
    high = low + width
    ticks = round_ticks(low, high)
    assert 2 <= len(ticks) <= 6
    slack = 1e-6 * max(1, ticks[-1] - ticks[0])
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert ticks == sorted(set(ticks))


def points(svg: str) -> list[tuple[float, float]]:
    text = re.search(r'points="([^"]+)"', svg).group(1)
    return [tuple(map(float, pair.split(","))) for pair in text.split()]


def chart(values: list[float], **more) -> str:
    line = Line([(i + 1, v) for i, v in enumerate(values)], 1)
    return line_chart(
        [line], title="a <b>", x_label="epoch", x_range=(1, len(values)), y_range=(0, 1), **more
    )


def test_a_line_goes_from_edge_to_edge_and_up_is_more():
    first, middle, last = points(chart([0.0, 0.5, 1.0]))
    assert first == (44.0, 166.0)
    assert last == (328.0, 12.0)
    assert middle == ((44 + 328) / 2, (166 + 12) / 2)


def test_a_single_epoch_is_a_point_in_the_middle():
    svg = chart([0.5])
    assert "polyline" not in svg
    assert 'cx="186.0"' in svg


def test_the_best_epoch_is_marked():
    assert 'class="mark" cx="328.0" cy="12.0"' in chart([0, 1], marked=(2, 1.0))


def test_a_value_that_is_not_finite_is_left_out():
    assert len(points(chart([0.1, float("nan"), 0.3]))) == 2


@pytest.mark.parametrize(
    "svg",
    [
        chart([0.1, 0.2]),
        dot_chart([Dot("<x>", 0.9, 0.8, (0.88, 0.92))], title='"<', x_label="F1", floor=0.1),
        dot_chart([Dot("x", 0.9, 0.9)], title="t", x_label="F1", floor=None),
        reliability_chart([(0.0, 0.5, 0.4, 3), (0.5, 1.0, 0.0, 0)], title="<t>"),
    ],
)
def test_every_chart_is_well_formed_and_escaped(svg):
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert root.find("title").text == root.get("aria-label")


def test_an_empty_bin_has_no_bar():
    assert reliability_chart([(0.0, 0.5, 0.4, 3), (0.5, 1.0, 0.0, 0)], title="t").count("<rect") == 1


def test_a_far_floor_is_left_out_so_that_differences_show():
    assert floor_fits([0.7, 0.9], 0.1)
    assert not floor_fits([0.915, 0.917], 0.1)


def test_scores_that_are_nearly_equal_look_nearly_equal():
    assert wide_enough([0.1609, 0.16095]) == pytest.approx((0.150925, 0.170925))
    assert wide_enough([0.1, 0.9]) == (0.1, 0.9)
    svg = dot_chart([Dot("a", 0.1609, 0.16095)], title="t", x_label="F1", floor=None)
    ticks = re.findall(r'text-anchor="middle">([^<]+)<', svg)
    assert len(ticks) == len(set(ticks))


def test_a_vertical_line_stands_where_something_begins():
    assert 'class="floor"' not in chart([0.0, 0.5, 1.0])
    assert '<line class="floor" x1="186.0" x2="186.0" y1="12" y2="166"/>' in chart([0.0, 0.5, 1.0], since=2)

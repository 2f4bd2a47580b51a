import re
import runpy
from pathlib import Path

import pytest

from tritune.advise.advice import advise
from tritune.advise.page import render_advice
from tritune.settings.decide import CompareSettings

at_size = runpy.run_path(str(Path(__file__).with_name("test_advice.py")))["at_size"]
SETTINGS = CompareSettings(metric="accuracy")


@pytest.fixture(scope="module")
def advice() -> dict:
    sizes = [
        at_size(100, {"full": 0.50, "partial": 0.60}),
        at_size(1000, {"full": 0.80, "partial": 0.80}),
        at_size(9000, {"full": 0.93, "partial": 0.88}),
    ]
    return advise(sizes, SETTINGS)


def test_the_verdict_comes_first_and_all_numbers_of_the_table_are_there(advice):
    page = render_advice(advice)
    assert page.index(advice["verdict"][0]) < page.index("<h2")
    for size in advice["sizes"]:
        for method in size["methods"]:
            for split in ("validation", "test"):
                assert f"{method[split]['mean']:.4f}" in page
    for method in ("full", "partial"):
        for one in advice["forecasts"][method]:
            assert f"{one['score']:.4f}" in page


def test_it_is_one_file_without_scripts_and_the_same_bytes_again(advice):
    page = render_advice(advice)
    assert page == render_advice(advice)
    assert not re.search(r"<script|https?://|<link rel=.stylesheet|url\(", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_each_method_has_a_curve_with_intervals_and_a_hollow_forecast(advice):
    page = render_advice(advice)
    validation, test = re.findall(r"<svg.*?</svg>", page)
    assert validation.count("<polyline") == test.count("<polyline") == 2
    assert validation.count('class="span') == 2 * (3 + 2)
    assert validation.count('class="hollow') == 2 * 2
    assert test.count('class="hollow') == 0
    xs = [float(x) for x in re.findall(r'<circle class="point series-1" cx="([\d.]+)"', test)]
    # Tenfold from 100 to 1,000 and ninefold to 9,000, on a logarithmic axis.
    assert (xs[1] - xs[0]) / (xs[2] - xs[1]) == pytest.approx(1 / 0.954, rel=0.01)


def test_what_is_missing_leaves_no_hole():
    page = render_advice(advise([at_size(300, {"full": 0.7}, seeds=1)], SETTINGS))
    assert "One size, or one seed a size, doesn't tell" in page
    assert "None" not in page

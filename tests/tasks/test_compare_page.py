"""The page of the comparison: what it shows, and that any browser and a screen reader can read it."""

# A fixture is imported by name, and tests ask for it by name.
# ruff: noqa: F401, F811

import itertools
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from tests.tasks import fabricated
from tests.tasks.compared import compare, project
from tritune.sweep.halving import Trial
from tritune.sweep.result import GradientNorm, Round, Sweep

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.usefixtures("project")
def test_the_page_shows_what_each_method_changed():
    _, page = compare()
    section = page.split('<h2 id="changed">')[1].split("</section>")[0]
    assert section.count('<table class="heat">') == 3
    rows = re.findall(r'<th scope="row">(\w+)</th>(.*?)</tr>', section)
    assert [name for name, _ in rows] == ["full", "partial", "adaptive"] * 3
    assert re.findall(r">([^<]+)</td>", rows[1][1]) == ["0"] * 5 + [
        "2.40\u202f%",
        "2.80\u202f%",
        "3.20\u202f%",
    ]
    assert re.findall(r"--shade: (\d+)%", rows[1][1]) == ["0"] * 5 + ["75", "88", "100"]


def test_the_page_shows_how_a_rate_was_found(project):
    _, page = compare()
    assert "How the rates were found" not in page
    losses = {-1: 0.5, 0: 0.4, 1: 0.6}
    trials = [
        Trial(number, octave, seed, loss + 0.01 * seed - 0.1 * number)
        for number in (0, 1)
        for octave, loss in losses.items()
        for seed in (1, 2)
    ]
    found = Sweep(
        reason="the sweep took 4.4e-04 <by> its losses",
        factor=0.9,
        planned_lr=5e-4,
        seeds=(1, 2),
        rounds=(Round(1 / 8, 1, 5, 3), Round(1 / 3, 1, 13, 1)),
        trials=[*trials, Trial(1, 2, 1, None), Trial(1, 2, 2, 9.0)],
        training_steps=40,
        steps=130,
        gradient_norms=[GradientNorm("layer.0", 0.25, 2.0, 0.5, 1.25)],
    )
    fabricated.write_sweep(project, "full", found)
    content, page = compare()
    assert content["rates"]["full"]["peak"] == pytest.approx(4.5e-4)
    assert content["rates"]["full"]["why"] == "the sweep took 4.4e-04 <by> its losses"
    assert content["rates"]["partial"]["peak"] == 5e-4
    assert "full: the sweep took 4.4e-04 &lt;by&gt; its losses." in page
    assert "took 3.2 times the steps of one training" in page
    assert "<title>full: validation loss by learning rate</title>" in page
    assert "5 steps, 3 rates" in page
    assert "13 steps, 4 rates" in page
    row = page.split('<th scope="row">layer.0</th>')[1].split("</tr>")[0]
    assert re.findall(r">([^<]+)</td>", row) == ["0.25", "2", "0.50", "1.25"]


@pytest.mark.usefixtures("project")
def test_what_one_seed_cannot_show_is_said_beside_its_differences():
    content, page = compare()
    assert not any(one["claimed"] for one in content["differences"])
    section = page.split("How sure the differences are</h3>")[1].split("</table>")[0]
    assert section.count("not shown to differ") == len(content["differences"])
    assert "Fewer than three seeds show nothing." in section.split("</caption>")[0]


class Page(HTMLParser):
    """Collects what the tests ask for; `convert_charrefs` gives texts as a reader sees them."""

    VOID = ("meta", "link", "br", "line", "circle", "rect", "polyline")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.usefixtures("project")
def test_the_page_is_well_formed_and_needs_no_network_and_no_script():
    page = Page(compare()[1])
    assert page.open == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "iframe", "object", "embed", "base", "form"}
    for tag, attributes in page.tags:
        for key, value in attributes.items():
            assert not key.startswith("on"), f"{tag} has {key}"
            if key in ("href", "src", "action"):
                assert value.startswith(("#", "data:")), value
    text = compare()[1]
    assert "http://" not in text.replace('http-equiv="', "")
    assert "https://" not in text
    assert "@import" not in text
    assert "url(" not in text


@pytest.mark.usefixtures("project")
def test_the_page_can_be_read_by_a_screen_reader():
    page = Page(compare()[1])
    headings = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert headings.count(1) == 1
    # One level at a time, so that nobody looks for a heading that is not there.
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(headings))
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags) >= 6
    charts = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(charts) == 1 + 2 * 3 + 1
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in charts)
    assert ("html", {"lang": "en"}) in page.tags


@pytest.mark.usefixtures("project")
def test_texts_and_labels_of_the_data_are_shown_but_never_markup():
    content, text = compare(methods=("adaptive",))
    page = Page(text)
    words = "".join(page.words)
    assert '<script>alert("x")</script>' in words
    assert "<i>other</i>" in words
    assert "<i>" not in text
    assert "<b>" not in text
    assert "\x00" not in text
    assert "\x1b" not in text
    assert content["chosen"]["method"] == "adaptive"


@pytest.mark.usefixtures("project")
def test_a_perfect_model_has_no_mistakes_to_show(tmp_path):
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    os.chdir(tmp_path)
    fabricated.fabricate(tmp_path, skill={"full": 60.0})
    assert compare(methods=("full",))[1].count("None: every validation row was right.") == 2


def test_many_classes_are_folded_away_after_the_weakest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fabricated.fabricate(tmp_path, labels=[f"class {index}" for index in range(20)])
    _, page = compare()
    assert "<summary>The other 8 classes</summary>" in page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [390, 1200])
def test_a_browser_draws_every_chart_without_an_error(project, tmp_path, width):
    compare()
    page = (project / "scratch/outputs/results/report.html").resolve()
    # The page itself may run no script, so a frame around it measures; file pages need the flag for that.
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<!doctype html><title>waiting</title><iframe src="{page.as_uri()}" width="{width}" height="900">'
        "</iframe><pre></pre><script>onload = () => { const d = document.querySelector('iframe')"
        ".contentDocument; const boxes = [...d.querySelectorAll('svg')].map(s => s.getBoundingClientRect());"
        "document.querySelector('pre').textContent = 'MEASURED ' + JSON.stringify({"
        "boxes: boxes.map(b => [b.width, b.height]), wide: d.documentElement.scrollWidth}); }</script>"
    )
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--allow-file-access-from-files",
        "--enable-logging=stderr",
        "--virtual-time-budget=4000",
        "--dump-dom",
    ]
    done = subprocess.run(
        [CHROMIUM, *flags, f"--user-data-dir={tmp_path / 'profile'}", frame.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    measured = json.loads(re.search("<pre>MEASURED (.*?)</pre>", done.stdout).group(1))
    assert len(measured["boxes"]) == 8
    assert all(w > 100 and h > 50 for w, h in measured["boxes"])
    assert measured["wide"] <= width, "the page must not scroll sideways"

import csv
import importlib.util
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tasks.compare import run
from tritune.errors import InputError
from tritune.sweep.halving import Trial
from tritune.sweep.result import GradientNorm, Round, Sweep

SPEC = importlib.util.spec_from_file_location("fabricated", Path(__file__).with_name("fabricated.py"))
fabricated = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fabricated)

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    fabricated.fabricate(tmp_path)
    return tmp_path


def compare(**more) -> tuple[dict, str]:
    """Run the stage; return comparison.json and the page."""
    context = fabricated.compare_context(**more)
    run(context)
    results = context.scratch / "outputs/results"
    return json.loads((results / "comparison.json").read_text()), (results / "report.html").read_text()


@pytest.mark.usefixtures("project")
def test_chooses_and_says_why():
    content, page = compare()
    assert content["chosen"] == {"method": "partial", "seed": 13}
    assert content["reason"].startswith("partial ships: its validation macro F1")
    assert content["reason"].replace("'", "&#39;") in page
    assert content["rows"] == {"train": 900, "validation": 150, "test": 220}
    full = content["methods"][0]
    assert full["method"] == "full"
    assert full["trained_compute"] == 9.1e6 * 14 * 900 * 3
    assert full["seeds"][0]["best_epoch"] == 3
    assert (
        full["seeds"][0]["validation"] == json.loads(Path("metrics/full-13.json").read_text())["validation"]
    )


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


@pytest.mark.usefixtures("project")
def test_changed_test_scores_change_no_choice():
    before, _ = compare()
    for path in Path("metrics").iterdir():
        scores = json.loads(path.read_text())
        scores["test"] = {metric: 1.0 - value / 100 for metric, value in scores["test"].items()}
        if path.stem == "partial-13":
            scores["test"] = dict.fromkeys(scores["test"], 0.0)
        path.write_text(json.dumps(scores))
    after, _ = compare()
    assert after["methods"][1]["test"]["macro_f1"] == 0.0
    assert (after["chosen"], after["reason"]) == (before["chosen"], before["reason"])


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
def test_the_csv_has_a_row_per_method():
    compare()
    with Path("scratch/outputs/results/comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["chosen"]) for row in rows] == [
        ("full", "false"),
        ("partial", "true"),
        ("adaptive", "false"),
    ]


@pytest.mark.usefixtures("project")
def test_what_is_not_listed_is_ignored_and_left_alone():
    content, page = compare(methods=("full", "adaptive"))
    assert content["chosen"]["method"] == "full"
    assert [one["method"] for one in content["methods"]] == ["full", "adaptive"]
    assert "partial" not in page.split("</style>")[1]
    assert Path("metrics/partial-13.json").exists()


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (
            "metrics/adaptive-13.json",
            "metrics/adaptive-13.json is missing: methods and seeds in params.yaml list adaptive with seed "
            "13; make it with `dvc repro evaluate@adaptive-13`",
        ),
        (
            "evaluations/full-13/changes.json",
            "evaluations/full-13/changes.json is missing: methods and seeds in params.yaml list full with "
            "seed 13; make it with `dvc repro evaluate@full-13`",
        ),
        ("histories/full-13.parquet", "make it with `dvc repro train@full-13`"),
        (
            "plans/full/plan.json",
            "plans/full/plan.json is missing; make it with `dvc repro prepare@full`",
        ),
        (
            "sweeps/full/sweep.json",
            "sweeps/full/sweep.json is missing; make it with `dvc repro sweep@full`",
        ),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_missing_result_is_named(gone, message):
    Path(gone).unlink()
    with pytest.raises(InputError) as error:
        compare()
    assert message in str(error.value)


@pytest.mark.usefixtures("project")
def test_a_score_that_is_no_number_is_named():
    path = Path("metrics/full-13.json")
    scores = json.loads(path.read_text())
    scores["validation"]["accuracy"] = float("nan")
    path.write_text(json.dumps(scores))
    with pytest.raises(InputError) as error:
        compare()
    assert str(error.value) == (
        "metrics/full-13.json: validation.accuracy must be a finite number (got nan); "
        "make the file anew with `dvc repro -f -s evaluate@full-13`"
    )


def test_a_model_that_has_learnt_nothing_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fabricated.fabricate(tmp_path, skill={"full": 0.0})
    content, page = compare(methods=("full",))
    assert content["warnings"][0].startswith("full is not clearly better than always answering 'billing'")
    assert "Before you trust it" in page


@pytest.mark.usefixtures("project")
def test_warnings_of_the_trainings_are_passed_on_once():
    import pyarrow.parquet as pq

    for method in ("full", "partial"):
        path = Path(f"histories/{method}-13.parquet")
        table = pq.read_table(path).replace_schema_metadata({"warnings": '["the loss did not fall"]'})
        pq.write_table(table, path)
    assert "full, partial: the loss did not fall" in compare()[0]["warnings"]


@pytest.mark.usefixtures("project")
def test_a_method_that_overfits_is_told_marked_and_kept_as_numbers():
    fabricated.overfit(Path("histories/full-13.parquet"))
    content, page = compare()
    (sentence,) = [one for one in content["warnings"] if one.startswith("full overfits")]
    assert "from epoch 2 to 3 its validation loss rises from 0.500 to 0.900" in sentence
    found = content["overfit_watch"]
    assert found["monitor"] == "macro_f1"
    assert {name: one["13"]["verdict"] for name, one in found["methods"].items()} == {
        "full": "overfitting",
        "partial": "healthy",
        "adaptive": "healthy",
    }
    assert found["methods"]["full"]["13"]["onset"] == 2
    assert found["methods"]["full"]["13"]["sentence"] == sentence
    assert page.count(str(escape(sentence))) == 2  # before the page is trusted, and beside the curves
    assert "the validation loss rises from here on" in page
    assert "training rows: the same 100 examples after each epoch" in page
    assert "a gap alone is no harm" in page


@pytest.mark.usefixtures("project")
def test_histories_of_an_earlier_version_are_shown_with_the_running_loss():
    for path in Path("histories").iterdir():
        fabricated.forget_the_watch(path)
    content, page = compare()
    (finding,) = content["overfit_watch"]["methods"]["full"].values()
    assert (finding["loss_gap"], finding["metric_gap"]) == (None, None)
    assert "How they learnt" in page
    assert "after each epoch" not in page
    assert "a gap alone" not in page


def test_two_runs_give_the_same_bytes(project):
    compare(scratch="one")
    compare(scratch="two")
    for name in fabricated.OUTPUTS:
        assert (project / "one/outputs" / name).read_bytes() == (project / "two/outputs" / name).read_bytes()


def test_needs_no_torch(project):
    code = (
        "import sys, tasks.compare, tasks.select; "
        "assert not {'torch', 'transformers', 'sklearn'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=project, env=environment)


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


def test_several_seeds_are_told_as_mean_and_spread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fabricated.fabricate(tmp_path, seeds=(1, 2, 3), epochs=6)
    content, page = compare(seeds=(1, 2, 3), epochs=6)
    assert "(mean of 3 seeds)" in content["reason"]
    assert content["methods"][0]["validation_spread"]["accuracy"]["sd"] > 0
    assert "Mean over seeds ± standard deviation" in page
    assert "which seeds and which examples were scored" in page
    low, high = content["methods"][0]["validation_interval"]
    assert low < content["methods"][0]["validation"]["macro_f1"] < high
    assert [(one["first"], one["second"]) for one in content["differences"]] == [
        ("full", "partial"),
        ("full", "adaptive"),
        ("partial", "adaptive"),
    ]
    assert "full over partial" in page


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


def test_a_model_that_is_not_shown_to_beat_the_baseline_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fabricated.fabricate(tmp_path, skill={"full": 1.0, "partial": 0.9, "adaptive": 0.8})
    content, page = compare()
    (warning,) = [one for one in content["warnings"] if "counted words" in one]
    baseline = content["baseline"]
    low, high = baseline["interval"]
    assert low <= 0 < high
    shipped = content["chosen"]["method"]
    assert warning == (
        f"{shipped} is not shown to be better than counted words, which takes seconds "
        f"and scores {baseline['validation']['macro_f1']:.4f} (macro F1, validation): the difference lies "
        f"between {low:+.4f} and {high:+.4f} with 95% confidence. Ship that, or look for more or cleaner "
        "data, a better base model or other learning rates."
    )
    assert "counted words" in page


@pytest.mark.usefixtures("project")
def test_a_model_that_beats_the_baseline_needs_no_warning():
    content, page = compare()
    assert content["baseline"]["interval"][0] > 0
    assert not [one for one in content["warnings"] if "counted words" in one]
    assert "against counted words, which takes seconds and no pretrained model" in page


def test_without_a_baseline_nothing_is_said_of_one(project):
    (project / "baseline/baseline.json").write_text("null")
    content, page = compare()
    assert content["baseline"] is None
    assert "takes seconds" not in page

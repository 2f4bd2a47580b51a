"""Question answering through the real pipeline: a file of SQuAD v2, a tiny encoder, `tritune predict`."""

import json
import random
import shutil
import sys

import pyarrow.parquet as pq
import pytest

WORDS = ["bread", "oven", "salt", "butter", "rose", "soil", "seed", "water", "the", "a", "my", "old", "new"]
PLACES = ["train", "hotel", "map", "road"]


def squad(questions: int) -> dict:
    """Questions whose answer is the one word for a place in their context; a quarter has none."""
    draw = random.Random(7)
    paragraphs = []
    for number in range(questions):
        words = [draw.choice(WORDS) for _ in range(draw.randint(8, 20))]
        answers = []
        if number % 4:
            words[draw.randrange(len(words))] = place = draw.choice(PLACES)
            answers = [{"text": place, "answer_start": " ".join(words).index(place)}]
        entry = {
            "id": f"q{number}",
            "question": "where is it",
            "answers": answers,
            "is_impossible": not answers,
        }
        paragraphs.append({"context": " ".join(words), "qas": [entry]})
    return {"version": "v2.0", "data": [{"title": "places", "paragraphs": paragraphs}]}


@pytest.fixture(scope="module")
def ran(make_clone, tiny_base):
    """A clone in which the DAG has run once, with one method."""
    clone = make_clone()
    shutil.copytree(tiny_base, clone.folder / "my base")
    (clone.folder / "train-v2.0.json").write_text(json.dumps(squad(320)))

    def use(params):
        params["task"] = "question_answering"
        params["data"] = {"source": "train-v2.0.json"}
        params["model"]["source"] = "my base"
        params["tokenize"] = {"max_length": 20, "stride": 5}
        params["methods"] = ["full"]
        params["method"] = {"full": {"kind": "full", "lr": 1e-2}}
        params["train"].update(epochs=6, batch_size=16, monitor="auto")
        params["compare"]["metric"] = "auto"

    clone.set_params(use)
    done = clone.run(sys.executable, "-m", "dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    return clone


def test_it_learns_and_the_denominator_is_the_raw_file(ran):
    scores = json.loads((ran.folder / "metrics/full-13.json").read_text())
    assert scores["test"]["answer_f1"] > 0.6  # always "no answer": about 0.25
    assert set(scores["test"]) == {"answer_f1", "exact_match", "negative_log_likelihood"}
    predictions = pq.read_table(ran.folder / "evaluations/full-13/predictions.parquet")
    rows = {
        split: pq.read_metadata(ran.folder / f"data/ingested/{split}.parquet").num_rows
        for split in ("train", "validation", "test")
    }
    assert predictions.num_rows == rows["validation"] + rows["test"]
    profile = json.loads((ran.folder / "data/ingested/profile.json").read_text())
    assert sum(rows.values()) + sum(one["rows"] for one in profile["dropped"]["train"].values()) == 320


def test_long_contexts_are_windows_and_every_answer_is_reachable(ran):
    info = json.loads((ran.folder / "data/tokens/tokens.json").read_text())
    assert info["rows"]["train"] > info["examples"]["train"]
    assert info["counts"]["train"]["unreachable"] == 0


def test_the_report_shows_answers_in_their_context(ran):
    page = (ran.folder / "results/report.html").read_text()
    assert "By kind of question" in page
    assert "always “no answer”" in page


def test_predict_answers_with_offsets_or_says_that_there_is_none(ran):
    given = [
        {"question": "where is it", "context": "the bread my old " * 5 + "salt the hotel a rose"},
        {"question": "where is it", "context": "the bread and the salt"},
    ]
    done = ran.tritune("predict", "--model", "models/selected", stdin="\n".join(map(json.dumps, given)))
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert given[0]["context"][first["start"] : first["end"]] == first["answer"] == "hotel"
    assert 0 < first["score"] <= 1
    assert not first["no_answer"]
    assert (second["answer"], second["start"], second["no_answer"]) == (None, None, True)


def test_the_model_to_ship_knows_how_sure_no_answer_has_to_be(ran):
    decided = json.loads((ran.folder / "models/selected/decided.json").read_text())
    assert isinstance(decided["no_answer_threshold"], float)
    assert decided == json.loads((ran.folder / "evaluations/full-13/decided.json").read_text())
    assert "pipeline_tag: question-answering" in (ran.folder / "models/selected/README.md").read_text()

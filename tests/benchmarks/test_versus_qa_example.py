"""The example's rules against ours on the same windows, and the arithmetic of the comparison."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.qa_example import answers, features, positions
from benchmarks.versus_qa_example import interval, markdown, sample_questions, summary
from tritune.question_answering.span_answers import chosen_answer
from tritune.question_answering.span_search import WindowScores, candidates
from tritune.question_answering.windows import Windower, whole_answer
from tritune.tokenizing import load_tokenizer

ROOT = Path(__file__).parents[2]
CONTEXTS = ["the rose is near the old tree with a new bag please", "a bag", "bread, salt and butter"]
QUESTIONS = ["where is the rose", "what", "which"]
GOLD = ["old tree", "bag", "salt"]


@pytest.fixture(scope="module")
def cut(tiny_base):
    tokenizer = load_tokenizer(tiny_base, max_length=14)
    theirs = features(tokenizer.tokenizer, QUESTIONS, CONTEXTS, max_length=14, stride=3)
    return tokenizer, theirs, Windower(tokenizer, stride=3).windows(QUESTIONS, CONTEXTS)


def test_the_windows_are_the_same(cut):
    _, theirs, ours = cut
    assert theirs["input_ids"] == [window.input_ids for window in ours]
    assert theirs["overflow_to_sample_mapping"] == [window.example for window in ours]
    assert len(ours) > len(QUESTIONS)


def test_the_labels_are_the_same(cut):
    tokenizer, theirs, ours = cut
    starts = [context.index(gold) for context, gold in zip(CONTEXTS, GOLD, strict=True)]
    ends = [start + len(gold) for start, gold in zip(starts, GOLD, strict=True)]
    labels = positions(theirs, starts, ends, cls_token_id=tokenizer.tokenizer.cls_token_id)
    expected = []
    for example in range(len(QUESTIONS)):
        windows = [window for window in ours if window.example == example]
        spans = whole_answer(windows, starts[example], ends[example])
        expected += [span or (0, 0) for span in spans]
    assert labels == expected
    assert any(first > 0 for first, _ in labels)


def test_the_answers_are_the_same_where_the_best_span_is_among_the_best_starts_and_ends(cut):
    _, theirs, ours = cut
    draw = np.random.RandomState(2)
    logits = draw.randn(len(ours), 14, 2).astype(np.float32)
    told = answers(theirs, CONTEXTS, logits[..., 0], logits[..., 1])
    for example, context in enumerate(CONTEXTS):
        windows = [
            WindowScores(logits[row, : len(one.input_ids)], one.starts, one.ends, one.no_answer)
            for row, one in enumerate(ours)
            if one.example == example
        ]
        assert told[example] == chosen_answer(candidates(windows), context, threshold=None).text


def training(name: str, seed: int, *f1: float) -> dict:
    exact = [float(one == 1) for one in f1]
    return {"name": name, "seed": seed, "seconds": 10.0, "f1": list(f1), "exact": exact}


CONDITIONS = {
    "questions": {"train": 9, "validation": 4, "test": 4},
    "settings": {
        "model": {"source": "mine"},
        "tokenize": {"max_length": 384, "stride": 128},
        "method": {"full": {"kind": "full", "lr": 1e-4}},
        "train": {"epochs": 3, "batch_size": 16},
    },
    "threads": 1,
    "precision": "bf16",
    "machine": {"processor": "x86_64", "cores": 2},
    "versions": {"torch": "2"},
}
TRAININGS = [
    training("tritune", 1, 1, 0.5, 0, 1),
    training("example", 1, 1, 0.5, 0, 0),
    training("example", 2, 0, 1, 0, 1),
    training("tritune", 2, 1, 1, 0, 1),
]


def test_the_difference_is_that_of_the_means_and_lies_in_its_interval():
    report = summary(TRAININGS, CONDITIONS)
    assert report["difference"]["mean"] == 0.25
    assert report["difference"]["low"] <= 0.25 <= report["difference"]["high"]
    table = markdown(report)
    assert "| F1, mean | 0.6875 | 0.4375 |" in table
    assert "| F1, seed 2 | 0.7500 | 0.5000 |" in table
    assert "**+0.2500**" in table
    assert "2 seeds so far" in table
    assert "1 thread, bf16;" in table
    assert "9 training, 4 validation and 4 test questions" in table


def test_a_seed_counts_once_both_have_finished_it():
    report = summary(TRAININGS[:3], CONDITIONS)
    assert report["seeds_of_both"] == [1]
    assert report["difference"]["mean"] == 0.25
    assert "| F1, mean | 0.6250 | 0.3750 |" in markdown(report)
    assert "No seed is finished by both yet." in markdown(summary(TRAININGS[:1], CONDITIONS))


def test_an_interval_without_differences_is_a_point_and_a_constant_one_is_itself():
    assert interval(np.zeros((3, 50)), resamples=100) == (0, 0)
    assert interval(np.full((3, 50), 0.5), resamples=100) == (0.5, 0.5)


def test_the_interval_of_one_seed_is_that_of_its_questions():
    differences = np.random.RandomState(1).randn(1, 400)
    low, high = interval(differences, resamples=4000)
    error = differences.std() / np.sqrt(400)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_a_sample_keeps_the_order_and_is_the_same_again(tmp_path):
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"id": [f"{i:03d}" for i in range(100)]}), path)
    sample_questions(path, 20)
    first = pq.read_table(path).column("id").to_pylist()
    assert len(first) == 20
    assert first == sorted(first)
    sample_questions(path, None)
    assert pq.read_table(path).num_rows == 20


@pytest.mark.slow
def test_both_trainings_run_on_the_same_windows(tmp_path, tiny_base):
    for split, count in (("train", 40), ("validation", 10), ("test", 10)):
        rows = [
            {
                "question": "where is it",
                "context": f"the rose is near {word} {split} {i}",
                "answers": {"text": [word], "answer_start": [17]},
            }
            for i, word in enumerate(["tree", "soil"] * (count // 2))
        ]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = [
        "--data",
        tmp_path,
        "--model",
        tiny_base,
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--threads",
        "1",
        "--max-length",
        "24",
    ]

    def run(*more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "benchmarks.versus_qa_example", *command, "--out", tmp_path, *more],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    first = run()
    assert first.returncode == 0, first.stderr
    assert "seed 1, this project: " in first.stdout
    file = tmp_path / "versus_qa_example.json"
    report = json.loads(file.read_text())
    assert [one["name"] for one in report["trainings"]] == ["tritune", "example"]
    assert all(len(one["f1"]) == 10 for one in report["trainings"])
    before = file.read_bytes()
    again = run()
    assert "seed 1, this project: " not in again.stdout
    assert file.read_bytes() == before
    assert (tmp_path / "versus_qa_example.md").read_text() in again.stdout

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tasks.baseline
from tritune.pipeline.context import StageContext
from tritune.statistics.resample import plain_score
from tritune.task.contract import task_module
from tritune.task.named_entity_recognition.baseline import known_names, looked_up


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def baseline(task: str, splits: dict[str, list[dict]], labels: list[str], scratch: str = "scratch") -> Path:
    """Write the splits as the stage `ingest` does, run the stage, and return its folder."""
    folder = Path("data/ingested")
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        each = [{"id": f"{split}:{index}", **row} for index, row in enumerate(rows)]
        pq.write_table(pa.Table.from_pylist(each), folder / f"{split}.parquet")
    (folder / "labels.json").write_text(json.dumps(labels))
    ctx = StageContext(
        stage="baseline",
        item={},
        params={"task": task},
        inputs={"data/ingested": folder},
        outputs=("baseline",),
        scratch=Path(scratch),
    )
    tasks.baseline.run(ctx)
    return Path(scratch) / "outputs/baseline"


def holds_together(folder: Path, task: str, *, labels: int, objective: str) -> dict:
    """The scores are those of the predictions."""
    content = json.loads((folder / "baseline.json").read_text())
    for split, scores in content["scores"].items():
        for metric, score in scores.items():
            of = task_module(task, "parts").parts(
                folder, metric, split=split, labels=labels, objective=objective
            )
            assert plain_score(of) == pytest.approx(score, abs=1e-6), (split, metric)
    return content["scores"]


ROOT = Path(__file__).parents[2]
SAMPLES = {"card lost": "card", "transfer late": "transfer", "丢了卡片": "card", "转账太慢": "transfer"}
TEXTS = [{"text": f"{text} {index}", "label": label} for index in range(9) for text, label in SAMPLES.items()]


def test_words_that_tell_the_class_are_learnt_in_any_script():
    new = [
        {"text": "my card was lost", "label": "card"},
        {"text": "a late transfer", "label": "transfer"},
        {"text": "我的卡片", "label": "card"},
        {"text": "太慢了", "label": "transfer"},
    ]
    folder = baseline(
        "text_classification",
        {"train": TEXTS, "validation": new, "test": new[:3]},
        ["card", "other", "transfer"],
    )
    scores = holds_together(folder, "text_classification", labels=3, objective="single_label")
    assert scores["validation"]["accuracy"] == 1.0
    assert scores["test"]["macro_f1"] == 1.0


def test_several_labels_are_learnt_one_by_one():
    train = [
        {"text": "red", "label": ["r"]},
        {"text": "blue", "label": ["b"]},
        {"text": "red and blue", "label": ["b", "r"]},
        {"text": "grey", "label": []},
    ] * 5
    folder = baseline(
        "text_classification", {"train": train, "validation": train, "test": train}, ["b", "r", "x"]
    )
    scores = holds_together(folder, "text_classification", labels=3, objective="multi_label")
    assert scores["test"]["exact_match"] == 1.0
    assert scores["test"]["micro_f1"] == 1.0


def test_of_pairs_both_texts_count():
    train = [
        {"text": first, "text_pair": second, "label": label}
        for first, second, label in [("a cat", "a dog", "x"), ("a dog", "a cat", "y")]
    ] * 8
    folder = baseline("text_classification", {"train": train, "validation": train, "test": train}, ["x", "y"])
    scores = holds_together(folder, "text_classification", labels=2, objective="single_label")
    assert scores["validation"]["accuracy"] == 1.0


def test_a_single_label_of_several_has_no_baseline():
    rows = [{"text": "a", "label": ["x"]}, {"text": "b", "label": []}]
    folder = baseline("text_classification", {"train": rows, "validation": rows, "test": rows}, ["x", "y"])
    assert json.loads((folder / "baseline.json").read_text()) is None


def test_a_single_class_has_no_baseline():
    rows = [{"text": "a", "label": "x"}]
    folder = baseline("text_classification", {"train": rows, "validation": rows, "test": rows}, ["x"])
    assert json.loads((folder / "baseline.json").read_text()) is None


def test_the_same_rows_give_the_same_bytes():
    splits = {"train": TEXTS, "validation": TEXTS[:4], "test": TEXTS[:4]}
    one, other = (
        baseline("text_classification", splits, ["card", "transfer"], scratch=name) for name in ("a", "b")
    )
    for file in ("baseline.json", "predictions.parquet"):
        assert (one / file).read_bytes() == (other / file).read_bytes()


def test_entities_are_found_again_the_longest_first_whatever_their_case():
    names = known_names(
        [["New", "York", "and", "new"], ["York", "is", "York"]],
        [["B-place", "I-place", "O", "O"], ["B-team", "O", "B-place"]],
    )
    assert names == {("new", "york"): "place", ("york",): "place"}
    assert looked_up(["in", "NEW", "YORK", "York"], names) == ["O", "B-place", "I-place", "B-place"]
    assert looked_up([], names) == []


def test_a_tagger_is_scored_on_whole_entities():
    rows = [
        {"tokens": ["Ada", "met", "Bob"], "tags": ["B-x", "O", "B-x"]},
        {"tokens": ["Eve"], "tags": ["B-x"]},
    ]
    folder = baseline(
        "named_entity_recognition", {"train": rows[:1], "validation": rows, "test": rows}, ["O", "B-x", "I-x"]
    )
    scores = holds_together(folder, "named_entity_recognition", labels=3, objective="token_labels")
    assert scores["test"]["entity_recall"] == pytest.approx(2 / 3)


def test_the_sentence_with_the_rarest_common_words_answers():
    context = "The sea is wide. Ada wrote programs! The end."
    rows = [
        {"question": "Who wrote the programs?", "context": context, "answers": ["Ada wrote programs"]},
        {"question": "What about the moon?", "context": context, "answers": []},
    ]
    folder = baseline("question_answering", {"train": rows, "validation": rows, "test": rows[:1]}, [])
    scores = holds_together(folder, "question_answering", labels=0, objective="spans")
    assert scores["test"] == {"answer_f1": 1.0, "exact_match": 1.0}
    # By the rules of version 2 the second question is wrong, as the baseline always answers.
    assert scores["validation"]["exact_match"] == 0.5


def test_answers_do_not_depend_on_the_order_of_a_set(project):
    """Sentences with the same words tie; sums in another order would break the tie otherwise each time."""

    def named(question: int, places: range) -> str:
        return " ".join(f"w{place}q{question}" for place in places)

    rows = [
        {
            "question": f"{named(i, range(10))} {named(i, range(100, 120))}",
            "context": " ".join(
                f"{named(i, range(10))} {named(i, range(200, 200 + n))}." for n in range(0, 48, 6)
            ),
            "answers": ["fir"],
        }
        for i in range(150)
    ]
    train = [
        {"question": "q", "context": " ".join(named(i, range(n, 10)) for i in range(150)), "answers": ["fir"]}
        for n in range(10)
    ]
    baseline("question_answering", {"train": train, "validation": rows, "test": rows}, [])
    code = (
        "import hashlib; from pathlib import Path; "
        "from tritune.task.question_answering.baseline import baseline; "
        "said = baseline(Path('data/ingested')).predictions.column('predicted').to_pylist(); "
        "print(hashlib.sha256(repr(said).encode()).hexdigest())"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)},
            cwd=project,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(2)
    }
    assert len(hashes) == 1


def test_dialogue_has_none(capsys):
    folder = baseline("dialogue", {}, [])
    assert json.loads((folder / "baseline.json").read_text()) is None
    assert capsys.readouterr().out == "this task has no baseline that takes seconds\n"

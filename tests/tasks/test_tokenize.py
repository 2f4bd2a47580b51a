import json
from pathlib import Path

import pyarrow as pa
import pytest

from tasks import tokenize
from tests.tasks.training_folder import base_and_rows
from tritune.pipeline.context import StageContext
from tritune.tokens import read_tokens, read_tokens_info, token_schema


@pytest.fixture
def run_tokenize(tmp_path: Path, tiny_base: Path, topic_rows, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base_and_rows(tmp_path, tiny_base, topic_rows)

    def run(scratch: str = "scratch", max_length: int = 8) -> Path:
        ctx = StageContext(
            stage="tokenize",
            item={},
            params={"task": "text_classification", "tokenize": {"max_length": max_length}},
            inputs={name: Path(name) for name in ("data/ingested", "base")},
            outputs=("data/tokens",),
            scratch=tmp_path / scratch,
        )
        tokenize.run(ctx)
        return tmp_path / scratch / "outputs" / "data" / "tokens"

    return run


def test_rows_come_out_in_order_with_their_ids_and_classes(run_tokenize, topic_rows):
    folder = run_tokenize()
    table = read_tokens(folder / "train.arrow")
    assert table.rows == 100
    assert table.row_ids.to_pylist()[:2] == ["train.csv:1", "train.csv:2"]
    assert table.labels[:3].tolist() == [0, 1, 2]
    assert table.row(0)[0] == 2
    assert table.row(0)[-1] == 3
    words = len(topic_rows[0][0].split())
    assert len(table.row(0)) == min(8, words + 2)
    with pa.memory_map(str(folder / "train.arrow")) as source:
        assert pa.ipc.open_file(source).schema == token_schema(listed_labels=False)


def test_tokens_json_counts_everything(run_tokenize, topic_rows):
    info = read_tokens_info(folder := run_tokenize(max_length=6))
    assert info.labels == ["garden", "kitchen", "travel"]
    assert (info.objective, info.inputs) == ("single_label", ["text"])
    assert (info.task, info.pad_token_id, info.max_length) == ("text_classification", 0, 6)
    assert info.examples == info.rows == {"train": 100, "validation": 30, "test": 50}
    for split, rows in {"train": topic_rows[:100], "test": topic_rows[130:]}.items():
        lengths = [len(text.split()) + 2 for text, _ in rows]
        assert info.counts[split]["truncated"] == sum(length > 6 for length in lengths)
        assert info.tokens[split] == sum(min(6, length) for length in lengths)
    assert json.loads((folder / "tokens.json").read_text())["labels"] == info.labels


def test_the_bytes_are_the_same_each_time_and_for_any_batch_size(run_tokenize, monkeypatch):
    first = run_tokenize("one")
    again = run_tokenize("two")
    for path in first.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()
    monkeypatch.setattr(tokenize, "ROWS_PER_BATCH", 7)
    batched = run_tokenize("three")
    whole, parts = read_tokens(first / "train.arrow"), read_tokens(batched / "train.arrow")
    assert whole.tokens.tolist() == parts.tokens.tolist()
    assert whole.offsets.tolist() == parts.offsets.tolist()
    assert whole.row_ids.equals(parts.row_ids)


def test_a_limit_that_the_model_sets_is_said(run_tokenize, capsys):
    run_tokenize(max_length=100)
    assert "max_length 100 lowered to 64: the model reads no more" in capsys.readouterr().out

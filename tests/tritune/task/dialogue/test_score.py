import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tritune.chat.templates import CHATML, SPECIAL, turns
from tests.tritune.tiny_tokenizers import byte_level
from tritune.generation import Written
from tritune.outputs import Outputs
from tritune.settings.model import TokenizeSettings
from tritune.statistics.resample import plain_score
from tritune.task.contract import Split
from tritune.task.dialogue.encode import encoder
from tritune.task.dialogue.parts import parts
from tritune.task.dialogue.score import (
    PREDICTIONS,
    perplexity,
    prediction_table,
    sampled,
    scorer,
    turns_of,
)
from tritune.tokenizing import TextTokenizer
from tritune.training.train_slice import write_slice

TOKENIZER = byte_level(special=SPECIAL[CHATML])
TOKENIZER.chat_template = CHATML
LONG = turns(*[f"turn number {i}" for i in range(8)], system="Be.")
DIALOGUES = {"a": turns("Hi", "Yo", "x", "y"), "b": LONG, "c": turns("q", "abc" * 60)}


@pytest.fixture(params=["causal_lm", "sequence_to_sequence"])
def split(request, tmp_path):
    """A split with a dialogue that fits, one of several rows, and a reply of several rows."""
    text = TextTokenizer(TOKENIZER, pad_token_id=0, pad_is_eos=False, max_length=120)
    encode = encoder(text, TokenizeSettings(), labels=[], objective=request.param, given=[])
    batch = encode.encode({"id": list(DIALOGUES), "messages": list(DIALOGUES.values())}, {})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pa.ipc.new_file(sink, encode.schema) as writer:
        writer.write_batch(batch)
    rows = [{"id": name, "messages": messages} for name, messages in DIALOGUES.items()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    reads_first = request.param == "sequence_to_sequence"
    return Split("validation", tmp_path / "x.arrow", tmp_path / "x.parquet"), batch.to_pylist(), reads_first


def outputs_of(rows):
    """One nat per token, as if from a model: each row's runs of labels in order."""
    found = []
    for row in rows:
        labels = np.asarray(row["labels"])
        runs = [
            len(run)
            for run in np.split(labels, np.flatnonzero(np.diff(labels == -100)) + 1)
            if run[0] != -100
        ]
        found.append(np.asarray([[count * 1.0, count] for count in runs], dtype=np.float32))
    return Outputs(np.concatenate(found), np.cumsum([0, *map(len, found)]))


def test_each_turn_is_found_once_with_all_its_tokens_and_what_stands_before_it(split):
    where, rows, reads_first = split
    found = turns_of(where, outputs_of(rows), reads_first=reads_first)
    assert [(turn.id, turn.turn) for turn in found] == [
        ("a", 1), ("a", 3), ("b", 2), ("b", 4), ("b", 6), ("b", 8), ("c", 1)
    ]  # fmt: skip
    for turn in found:
        content = DIALOGUES[turn.id][turn.turn]["content"]
        wanted = len(TOKENIZER(content)["input_ids"]) + 1
        assert turn.tokens == (min(wanted, 120) if reads_first else wanted)
        assert turn.loss == turn.tokens
        assert TOKENIZER.decode(turn.prompt).endswith("<|im_start|>assistant\n")
        assert DIALOGUES[turn.id][turn.turn - 1]["content"] in TOKENIZER.decode(turn.prompt)


def test_the_sample_stays_put_when_dialogues_are_added(split):
    where, rows, reads_first = split
    found = turns_of(where, outputs_of(rows), reads_first=reads_first)
    few = {(found[i].id, found[i].turn) for i in sampled(found, most=3)}
    without = [turn for turn in found if turn.id != "a"]
    rest = {(without[i].id, without[i].turn) for i in sampled(without, most=3)}
    assert len(few) == 3
    assert {one for one in few if one[0] != "a"} <= rest
    assert sampled(found, most=99) == list(range(len(found)))


def test_predictions_hold_every_turn_and_replies_where_there_are_some(split):
    where, rows, reads_first = split
    found = turns_of(where, outputs_of(rows), reads_first=reads_first)
    gold = dict(DIALOGUES)
    table = prediction_table("validation", found, {1: Written((5,), "z", -0.5, True)}, gold).to_pylist()
    assert len(table) == len(found)
    assert table[1] == {
        "split": "validation",
        "id": "a",
        "turn": 3,
        "before": "x",
        "reference": "y",
        "tokens": 2,
        "negative_log_likelihood": 1.0,
        "generated": "z",
        "ended": True,
    }
    assert (table[0]["generated"], table[0]["ended"]) == (None, None)


def test_perplexity_is_e_to_the_mean_over_tokens():
    outputs = Outputs(np.asarray([[3.0, 1], [1.0, 3]], dtype=np.float32), np.asarray([0, 1, 2]))
    assert scorer(None, None)(outputs) == {"perplexity": pytest.approx(math.e)}
    assert math.isfinite(perplexity(1e9))


def test_scores_are_sums_over_dialogues(tmp_path):
    rows = [
        {"id": name, "tokens": tokens, "negative_log_likelihood": loss, "generated": said, "reference": "a b"}
        for name, tokens, loss, said in [("x", 1, 2.0, "a b"), ("y", 3, 1.0, None), ("x", 4, 0.5, "c")]
    ]
    defaults = {"split": "validation", "turn": 1, "before": "", "ended": None}
    table = pa.Table.from_pylist([defaults | row for row in rows], schema=PREDICTIONS)
    pq.write_table(table, tmp_path / "predictions.parquet")

    def of(metric):
        return parts(tmp_path, metric, split="validation", labels=0, objective="causal_lm")

    assert of("perplexity").ids == ["x", "y"]
    assert plain_score(of("perplexity")) == pytest.approx(math.exp((2 + 3 + 2) / 8))
    assert plain_score(of("negative_log_likelihood")) == pytest.approx(7 / 8)
    assert plain_score(of("rouge_l")) == pytest.approx(0.5)
    assert of("bleu") is None


def test_a_slice_of_the_dialogues_has_all_rows_of_its_turns(split, tmp_path):
    given, rows, reads_first = split
    chosen = [number for number, row in enumerate(rows) if row["id"] == "b"]
    cut = write_slice(given, np.array(chosen), tmp_path / "cut")
    outputs = outputs_of(rows)
    found = turns_of(cut, outputs.rows_at(np.array(chosen)), reads_first=reads_first)
    assert found == [turn for turn in turns_of(given, outputs, reads_first=reads_first) if turn.id == "b"]

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tritune.chat.templates import turns
from tritune.task.contract import Floor, Shipped
from tritune.task.dialogue.card import card_text
from tritune.task.dialogue.score import PREDICTIONS
from tritune.task.dialogue.show import block, cautions, data_columns


def prediction(number, *, generated="same", ended=True, split="validation", nll=1.0):
    return {
        "split": split,
        "id": f"v:{number}",
        "turn": 5,
        "before": "q",
        "reference": "same",
        "tokens": 2,
        "negative_log_likelihood": nll,
        "generated": generated,
        "ended": None if generated is None else ended,
    }


@pytest.fixture
def shipped(tmp_path):
    def make(rows, *, own=5.0, untouched=20.0):
        pq.write_table(pa.Table.from_pylist(rows, schema=PREDICTIONS), tmp_path / "predictions.parquet")
        gold = [{"id": f"v:{i}", "messages": turns(*[f"t{k}" for k in range(6)])} for i in range(40)]
        pq.write_table(pa.Table.from_pylist(gold), tmp_path / "validation.parquet")
        scores = {"validation": {"perplexity": own}, "test": {"perplexity": own}}
        floor = Floor("untouched model", {"validation": {"perplexity": untouched}})
        return Shipped(tmp_path, tmp_path, [], "causal_lm", {}, scores, floor)

    return make


def test_replies_are_shown_by_chance_and_at_their_worst_with_the_turns_before(shipped):
    rows = [prediction(i, generated=f"other {i}" if i in (3, 7) else "same") for i in range(30)]
    rows += [prediction(i, generated=None, nll=9.0) for i in range(30, 33)] + [prediction(0, split="test")]
    shown = block(shipped(rows))
    assert (shown["turns"], shown["replies"], shown["ended"]) == (33, 30, 30)
    assert (shown["perplexity"], shown["untouched"]) == (5.0, 20.0)
    by_title = dict(shown["lists"])
    assert len(by_title["Replies drawn by chance"]) == 8
    unlike = by_title["Replies least like the real ones"]
    drawn = {row["id"] for row in by_title["Replies drawn by chance"]}
    assert not drawn & {row["id"] for row in unlike}
    worst = [row["id"] for row in unlike if row["generated"] != "same"]
    assert set(worst) | (drawn & {"v:3", "v:7"}) == {"v:3", "v:7"}
    assert by_title["Real replies that surprise it most"][0]["generated"] is None
    first = by_title["Replies drawn by chance"][0]
    assert [turn["content"] for turn in first["history"]] == ["t1", "t2", "t3", "t4"]
    assert (first["left_out"], first["turn"]) == (1, 6)


def test_a_person_is_told_of_a_model_that_has_learnt_nothing_and_of_replies_without_an_end(shipped):
    good = shipped([prediction(0), prediction(1)])
    assert cautions("full", good) == []
    bad = shipped([prediction(0, ended=False), prediction(1)], own=20.0)
    assert cautions("full", bad) == [
        "full is no better than the model before any training: perplexity 20.00 against 20.00 on the "
        "validation split. Try another learning rate, or look at the dialogues.",
        "1 of 2 replies of full on the validation split had not ended after generate.max_new_tokens; "
        "their scores are of texts cut short. Raise it, or train for longer.",
    ]


def test_the_table_of_splits_counts_turns():
    assert data_columns({"turns": 9, "assistant_turns": 4}) == {"turns": 9, "of the assistant": 4}


@pytest.mark.parametrize("objective", ["causal_lm", "sequence_to_sequence"])
def test_the_card_shows_how_to_ask_a_model_of_either_family(objective):
    words = card_text({"objective": objective})
    assert words.command == "tritune chat --model FOLDER"
    compile("\n".join(words.example), "card", "exec")
    assert any("FOLDER" in line for line in words.example)

"""Dialogue through the real pipeline, for both families: tiny random models learn to say where things are."""

import json
import random

import pytest

from tests.tritune.chat.templates import CHATML, SPECIAL
from tests.tritune.tiny_tokenizers import byte_level

THINGS = {"rose": "garden", "soup": "kitchen", "ticket": "station", "pillow": "bedroom"}


def dialogues(number):
    draw = random.Random(3)
    for index in range(number):
        turns = []
        for thing in draw.sample(sorted(THINGS), draw.randint(1, 3)):
            turns += [
                {
                    "role": "user",
                    "content": f"Where is {draw.choice(['the', 'my', 'a'])} {thing}, friend {index}?",
                },
                {"role": "assistant", "content": f"The {thing} is in the {THINGS[thing]}."},
            ]
        yield {"messages": turns}


def base(folder, family):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

    texts = [turn["content"] for one in dialogues(40) for turn in one["messages"]]
    if family == "decoder":
        tokenizer = byte_level(special=SPECIAL[CHATML], vocabulary=420, corpus=texts)
        tokenizer.chat_template = CHATML
    else:
        tokenizer = byte_level(vocabulary=420, corpus=texts)
    tokenizer.model_max_length = 256
    tokenizer.save_pretrained(folder)
    words = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        if family == "decoder":
            size = {
                "hidden_size": 48,
                "intermediate_size": 96,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
            }
            model = LlamaForCausalLM(LlamaConfig(**words, **size, num_hidden_layers=3, bos_token_id=None))
        else:
            size = {"d_model": 48, "d_kv": 24, "d_ff": 96, "num_heads": 2, "num_layers": 2}
            model = T5ForConditionalGeneration(T5Config(**words, **size, decoder_start_token_id=0))
        model.save_pretrained(folder)


@pytest.fixture(scope="module", params=["decoder", pytest.param("encoder_decoder", marks=pytest.mark.slow)])
def ran(request, make_clone, tmp_path_factory):
    """A clone in which `tritune run` has just finished, and what it printed."""
    given = tmp_path_factory.mktemp("given")
    base(given / "base", request.param)
    (given / "talk.jsonl").write_text("".join(json.dumps(one) + "\n" for one in dialogues(160)))
    clone = make_clone()

    def choose(params):
        params["task"] = "dialogue"
        params["data"]["source"] = str(given / "talk.jsonl")
        params["model"]["source"] = str(given / "base")
        params["tokenize"]["max_length"] = 200
        params["generate"] = {"max_new_tokens": 24, "replies": 12}
        params["methods"] = ["partial"]
        params["method"] = {"partial": {"kind": "partial", "freeze_layers": 1, "lr": 0.01}}
        params["train"]["epochs"] = 6
        params["train"]["batch_size"] = 8

    clone.set_params(choose)
    finished = clone.tritune("run", timeout=550)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return request.param, clone, finished.stdout


def test_it_learns_and_is_held_against_the_untouched_model(ran):
    _, clone, _ = ran
    comparison = json.loads((clone.folder / "results/comparison.json").read_text())
    assert comparison["metric"] == "perplexity"
    assert comparison["floor"]["name"] == "untouched model"
    for split in ("validation", "test"):
        [shipped] = [
            one[split]
            for method in comparison["methods"]
            for one in method["seeds"]
            if (method["method"], one["seed"])
            == (comparison["chosen"]["method"], comparison["chosen"]["seed"])
        ]
        assert 1 < shipped["perplexity"] < comparison["floor"][split]["perplexity"] / 2
    assert comparison["warnings"] == [] or all("untouched" not in one for one in comparison["warnings"])


def test_every_turn_of_the_assistant_is_predicted_once(ran):
    import pyarrow.parquet as pq

    _, clone, _ = ran
    profile = json.loads((clone.folder / "data/ingested/profile.json").read_text())
    for folder in (clone.folder / "evaluations").iterdir():
        rows = pq.read_table(folder / "predictions.parquet").to_pylist()
        for split in ("validation", "test"):
            own = [row for row in rows if row["split"] == split]
            assert len({(row["id"], row["turn"]) for row in own}) == len(own)
            assert len(own) == profile["splits"][split]["assistant_turns"]
            assert sum(row["generated"] is not None for row in own) == 12
        scores = json.loads((clone.folder / f"metrics/{folder.name}.json").read_text())
        own = [row for row in rows if row["split"] == "test"]
        total = sum(row["negative_log_likelihood"] * row["tokens"] for row in own)
        mean = total / sum(row["tokens"] for row in own)
        assert scores["test"]["negative_log_likelihood"] == pytest.approx(mean, rel=1e-4)


def test_the_report_and_the_card_speak_of_dialogue(ran):
    _, clone, _ = ran
    page = (clone.folder / "results/report.html").read_text()
    assert "Replies drawn by chance" in page
    assert "Where is" in page
    card = (clone.folder / "models/selected/README.md").read_text()
    assert "# Dialogue model" in card
    assert "tritune chat --model" in card


def test_predict_gives_the_next_turn(ran):
    _, clone, _ = ran
    plain = clone.tritune("predict", stdin="Where is the rose, friend 3?\n")
    assert plain.returncode == 0, plain.stderr
    answer = json.loads(plain.stdout)
    assert "rose" in answer["reply"] or "garden" in answer["reply"]
    turns = [{"role": "user", "content": "Where is the rose, friend 3?"}]
    listed = clone.tritune("predict", "--all", stdin=json.dumps({"id": "a", "messages": turns}) + "\n")
    again = json.loads(listed.stdout)
    assert again["reply"] == answer["reply"]
    assert again["mean_log_probability"] <= 0
    wrong = clone.tritune("predict", stdin=json.dumps({"messages": [{"role": "assistant", "content": "x"}]}))
    assert wrong.returncode == 2
    assert "the last turn is the assistant's; a reply follows a turn of the user" in wrong.stderr


def test_chat_answers_the_lines_of_a_pipe_with_the_history_in_mind(ran):
    _, clone, _ = ran
    question = "Where is the rose, friend 3?"
    alone = json.loads(clone.tritune("predict", stdin=question).stdout)["reply"]
    turns = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": alone},
        {"role": "user", "content": "Where is my soup, friend 3?"},
    ]
    after = json.loads(clone.tritune("predict", stdin=json.dumps({"messages": turns})).stdout)["reply"]
    talk = clone.tritune("chat", stdin=f"{question}\n\nWhere is my soup, friend 3?\n/new\n{question}\n")
    assert talk.returncode == 0, talk.stderr
    assert talk.stdout.split("\n") == [alone, after, alone, ""]


def test_a_decoder_s_folder_holds_its_template(ran):
    family, clone, _ = ran
    template = clone.folder / "models/selected/chat_template.jinja"
    assert template.is_file() == (family == "decoder")

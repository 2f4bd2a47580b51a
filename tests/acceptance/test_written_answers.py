"""Written answers: the stages' bodies one after another, with a tiny decoder and a tiny encoder-decoder."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tritune.pipeline.context import StageContext

WORDS = ["bread", "oven", "salt", "butter", "rose", "soil", "seed", "water", "the", "a", "my", "old", "new"]
PLACES = ["train", "hotel", "map", "road"]
PROMPT = ["Context", ":", "Question", "Answer", "question", "context", "where", "is", "it", "no", "answer"]


def questions(count: int) -> list[dict]:
    """The answer is the one word for a place; a quarter of the contexts has none."""
    draw = random.Random(7)
    rows = []
    for number in range(count):
        words = [draw.choice(WORDS) for _ in range(draw.randint(6, 18))]
        answers: dict[str, list] = {"text": [], "answer_start": []}
        if number % 4:
            words[draw.randrange(len(words))] = place = draw.choice(PLACES)
            answers = {"text": [place], "answer_start": [" ".join(words).index(place)]}
        rows.append({"question": "where is it", "context": " ".join(words), "answers": answers})
    return rows


def save_base(folder: Path, family: str) -> None:
    """Write a random model with a tokenizer of one token a word."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, T5Config
    from transformers import T5ForConditionalGeneration as T5

    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *PROMPT, *WORDS, *PLACES])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    if family == "encoder_decoder":
        backend.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", 1)]
        )
    PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    ).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        if family == "decoder":
            sizes = {
                "n_embd": 48,
                "n_layer": 2,
                "n_head": 2,
                "n_positions": 64,
                "eos_token_id": 1,
                "bos_token_id": 1,
            }
            model = GPT2LMHeadModel(GPT2Config(vocab_size=len(vocabulary), **sizes))
        else:
            sizes = {"d_model": 48, "d_kv": 24, "d_ff": 96, "num_layers": 2, "num_heads": 2}
            sizes |= {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
            model = T5(T5Config(vocab_size=len(vocabulary), **sizes))
    model.save_pretrained(folder)


def stage(name: str, inputs: list[str], outputs: list[str], params: dict[str, Any]) -> None:
    """Run one stage's body and put its outputs in place."""
    from importlib import import_module

    scratch = Path("scratch") / name
    scratch.mkdir(parents=True)
    item = {"method": "full", "seed": "13"}
    inside = {path: Path(path) for path in inputs}
    import_module(f"tasks.{name}").run(
        StageContext(
            stage=name, item=item, params=params, inputs=inside, outputs=tuple(outputs), scratch=scratch
        )
    )
    for path in outputs:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        (scratch / "outputs" / path).rename(path)


@pytest.fixture(scope="module", params=["decoder", "encoder_decoder"])
def trained(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    before = Path.cwd()
    os.chdir(folder)
    try:
        save_base(folder / "base", request.param)
        (folder / "data/raw").mkdir(parents=True)
        (folder / "data/raw/source.json").write_text('{"files": {}}')
        lines = "\n".join(map(json.dumps, questions(400)))
        (folder / "data/raw/train.jsonl").write_text(lines)
        task = {"task": "question_answering"}
        compute = {"compute": {"threads": 1}}
        train = {"train": {"epochs": 8, "batch_size": 16, "patience": 8, "monitor": "auto"}}
        stage("ingest", ["data/raw"], ["data/ingested"], {**task, "data": {"source": "x"}})
        # A decoder's row holds the answer too.
        length = 32 if request.param == "decoder" else 20
        tokens = {"tokenize": {"max_length": length, "stride": 4}}
        stage("tokenize", ["data/ingested", "base"], ["data/tokens"], {**task, **tokens})
        method = {"method.full": {"kind": "full", "lr": 5e-3}}
        stage("prepare", ["base", "data/tokens"], ["plans/full"], {**task, **method})
        inputs = ["base", "data/tokens", "plans/full", "data/ingested"]
        outputs = ["checkpoints/full-13", "histories/full-13.parquet"]
        stage("train", inputs, outputs, {**task, **train, **compute})
        inputs = [
            "base",
            "checkpoints/full-13",
            "data/tokens",
            "data/ingested/validation.parquet",
            "data/ingested/test.parquet",
        ]
        outputs = ["evaluations/full-13", "metrics/full-13.json"]
        stage("evaluate", inputs, outputs, {**task, **compute, "generate": {"max_new_tokens": 8}})
    finally:
        os.chdir(before)
    return folder


def test_it_learns_to_write_the_answer_or_that_there_is_none(trained):
    scores = json.loads((trained / "metrics/full-13.json").read_text())
    assert scores["test"]["answer_f1"] > 0.5  # always "no answer": about 0.25
    history = pq.read_table(trained / "histories/full-13.parquet").to_pylist()
    assert "validation_loss" in history[0]
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]


def test_every_question_is_answered_once_and_written_answers_have_no_place(trained):
    rows = pq.read_table(trained / "evaluations/full-13/predictions.parquet").to_pylist()
    gold = [
        row_id
        for split in ("validation", "test")
        for row_id in pq.read_table(trained / f"data/ingested/{split}.parquet").column("id").to_pylist()
    ]
    assert [row["id"] for row in rows] == gold
    assert {row["start"] for row in rows} == {None}
    assert all(0 < row["probability"] <= 1 for row in rows)


def test_windows_and_answers_are_counted(trained):
    info = json.loads((trained / "data/tokens/tokens.json").read_text())
    assert info["rows"]["train"] > info["examples"]["train"]
    assert info["counts"]["train"]["unreachable"] == 0


def test_new_questions_are_answered_as_in_the_evaluation(trained):
    import torch

    from tritune.task.question_answering.answer import Answerer

    rows = pq.read_table(trained / "evaluations/full-13/predictions.parquet").to_pylist()
    contexts = pq.read_table(trained / "data/ingested/validation.parquet").to_pylist()[:20]
    answerer = Answerer(trained / "checkpoints/full-13", device=torch.device("cpu"))
    given = [{"question": one["question"], "context": one["context"]} for one in contexts]
    told = answerer.answer(given, batch_size=4, ids=[""] * len(given), everything=True)
    assert {frozenset(one) for one in told} == {frozenset({"answer", "start", "end", "score", "no_answer"})}
    for one, row in zip(told, rows, strict=False):
        assert (one["answer"] or "") == row["predicted"]
        assert one["no_answer"] == (not row["predicted"])

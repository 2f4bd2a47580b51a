"""Answers to new questions from their contexts, by a fine-tuned model: a span or written words, or "no
answer"."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from tritune.generation import write
from tritune.inference import model_outputs
from tritune.models.classes import purpose
from tritune.models.finetuned import load_finetuned
from tritune.question_answering.prompts import Prompter
from tritune.question_answering.span_answers import THRESHOLD, Answer, chosen_answer
from tritune.question_answering.span_search import Candidates, WindowScores, candidates
from tritune.question_answering.windows import Windower
from tritune.question_answering.written_answers import MAX_NEW_TOKENS, surest
from tritune.settings.model import GenerateSettings
from tritune.task.contract import DECIDED
from tritune.tokenizing import NO_LIMIT, load_tokenizer
from tritune.tokens import TokenTable


class Answerer:
    """A loaded model with its tokenizer.

    Windows are cut as in training. How sure "no answer" has to be is what the evaluation set on the
    validation split; without its file every question gets an answer.
    """

    def __init__(self, folder: Path, *, device: torch.device) -> None:
        """Load both.

        Raises:
            InputError: The folder holds no fine-tuned model, or no usable tokenizer.
        """
        # The tokenizer's own limit is the length at which training cut its rows.
        self._tokenizer = load_tokenizer(folder, max_length=NO_LIMIT)
        self._tuned = load_finetuned(folder)
        self._tuned.model.to(device)
        self._device = device
        stride: int = purpose(folder).answering["stride"]
        decided = folder / DECIDED
        said = json.loads(decided.read_text(encoding="utf-8")) if decided.is_file() else {}
        self._threshold: float | None = said.get(THRESHOLD)
        self._max_new_tokens: int = said.get(MAX_NEW_TOKENS, GenerateSettings().max_new_tokens)
        self._windower: Windower | None = None
        self._prompter: Prompter | None = None
        if self._tuned.objective.name == "spans":
            self._windower = Windower(self._tokenizer, stride=stride)
        else:
            writes_on = self._tuned.objective.name == "causal_lm"
            self._prompter = Prompter(self._tokenizer, writes_on=writes_on, stride=stride)

    def answer(
        self,
        inputs: Sequence[Mapping[str, Any]],
        *,
        batch_size: int,
        ids: Sequence[str],  # noqa: ARG002
        everything: bool,
    ) -> list[Mapping[str, Any]]:
        """Return `answer`, `start`, `end`, `score` and `no_answer` for each `question` with its `context`.

        `answer` is null where `no_answer` is true. `start` and `end` are characters of the context, from 0,
        the end one past the last; null where the answer was written freely. `score` is a probability: the
        answer's share among the candidates, or the geometric mean of its tokens' where it was written. With
        everything, spans come with `candidates`, the best first.
        """
        questions = [given["question"] for given in inputs]
        contexts = [given["context"] for given in inputs]
        if self._prompter is not None:
            return [
                told_answer(answer) for answer in self._written(questions, contexts, batch_size=batch_size)
            ]
        answers: list[Mapping[str, Any]] = []
        found = self._candidates(questions, contexts, batch_size=batch_size)
        for one, context in zip(found, contexts, strict=True):
            told = told_answer(chosen_answer(one, context, threshold=self._threshold))
            if everything:
                told["candidates"] = _listed(one, context, with_null=self._threshold is not None)
            answers.append(told)
        return answers

    def _candidates(
        self, questions: Sequence[str], contexts: Sequence[str], *, batch_size: int
    ) -> list[Candidates]:
        assert self._windower is not None
        windows = self._windower.windows(questions, contexts)
        lengths = [len(window.input_ids) for window in windows]
        types = np.concatenate([np.asarray(window.type_ids, dtype=np.int8) for window in windows])
        table = TokenTable(
            row_ids=pa.array([""] * len(windows), pa.string()),
            tokens=np.concatenate([np.asarray(window.input_ids, dtype=np.int32) for window in windows]),
            offsets=np.cumsum([0, *lengths], dtype=np.int64),
            labels=np.zeros(2 * len(windows), dtype=np.int32),
            label_offsets=np.arange(0, 2 * len(windows) + 1, 2, dtype=np.int64),
            token_types=types if self._tokenizer.token_types else None,
        )
        outputs = model_outputs(
            self._tuned.model,
            table,
            objective=self._tuned.objective,
            pad_token_id=self._tokenizer.pad_token_id,
            batch_size=batch_size,
            device=self._device,
        )
        scores = [
            (window.example, WindowScores(outputs.row(row), window.starts, window.ends, window.no_answer))
            for row, window in enumerate(windows)
        ]
        return [
            candidates([one for _, one in group]) for _, group in groupby(scores, key=lambda pair: pair[0])
        ]

    def _written(self, questions: Sequence[str], contexts: Sequence[str], *, batch_size: int) -> list[Answer]:
        assert self._prompter is not None
        prompts = self._prompter.prompts(questions, contexts)
        written = write(
            self._tuned.model,
            self._tokenizer.tokenizer,
            [prompt.ids for prompt in prompts],
            stop_ids=self._prompter.stop_ids,
            pad_token_id=self._tokenizer.pad_token_id,
            max_new_tokens=self._max_new_tokens,
            batch_size=batch_size,
        )
        pairs = [(prompt.example, one) for prompt, one in zip(prompts, written, strict=True)]
        return [surest([one for _, one in group]) for _, group in groupby(pairs, key=lambda pair: pair[0])]


def told_answer(answer: Answer) -> dict[str, Any]:
    """Return an answer as it is written out."""
    return {
        "answer": answer.text or None,
        "start": answer.start,
        "end": answer.end,
        "score": round(answer.probability, 6),
        "no_answer": not answer.text,
    }


def _listed(found: Candidates, context: str, *, with_null: bool) -> list[dict[str, Any]]:
    shares, null_share = found.probabilities(with_null=with_null)
    told = [
        {
            "answer": context[span.start : span.end],
            "start": span.start,
            "end": span.end,
            "score": round(share, 6),
        }
        for span, share in zip(found.spans, shares, strict=True)
    ]
    if with_null or not found.spans:
        told.append({"answer": None, "start": None, "end": None, "score": round(null_share, 6)})
    return sorted(told, key=lambda one: -one["score"])

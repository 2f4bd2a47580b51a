"""The answer to a question as a number that the words of question and context account for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tritune.explanation.asked import Asked, OfTuned
from tritune.explanation.read_prompt import Part, prompt_words
from tritune.explanation.read_words import read_words
from tritune.explanation.written import asked_of_written
from tritune.generation import Written, write
from tritune.question_answering.span_answers import chosen_answer
from tritune.question_answering.windows import OUTSIDE, Window
from tritune.question_answering.written_answers import says_nothing
from tritune.task.question_answering.answer import Answerer, told_answer


class Explainer(OfTuned, Answerer):
    """A loaded model that can be asked for its reasons; see `tritune.explanation.asked.Explainer`."""

    def asked(self, given: Mapping[str, Any], name: str) -> Sequence[Asked]:  # noqa: ARG002
        """Return the answer to `question` from `context`, in the window that it was found in."""
        question, context = given["question"], given["context"]
        return [(self._span if self._prompter is None else self._text)(question, context)]

    def _span(self, question: str, context: str) -> Asked:
        assert self._windower is not None
        (found,) = self._candidates([question], [context], batch_size=8)
        answer = chosen_answer(found, context, threshold=self._threshold)
        windows = self._windower.windows([question], [context])
        scored = [(self._best_place(window, answer.start, answer.end), window) for window in windows]
        # "No answer" is as sure as the window that says it least; a span as the one that says it most.
        fitting = [(place, window) for place, window in scored if place is not None]
        pick = max if answer.text else min
        (_, first, last), window = pick(fitting, key=lambda pair: pair[0][0])
        inputs = self._inputs(window)
        return Asked(
            said=told_answer(answer),
            inputs=inputs,
            words=[*self._question_words(question, window), *_context_words(context, window)],
            score_name="logits of start and end",
            score=_logits(first, last),
            probability=_probability(first, last),
            answered_at=sorted({first, last}),
            unread=_unread(len(windows), *_reach(window), context),
        )

    def _inputs(self, window: Window) -> dict[str, torch.Tensor]:
        ids = torch.tensor([window.input_ids], device=self._device)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if self._tokenizer.token_types:
            inputs["token_type_ids"] = torch.tensor([window.type_ids], device=self._device)
        return inputs

    def _best_place(
        self, window: Window, start: int | None, end: int | None
    ) -> tuple[float, int, int] | None:
        """Return (logits, first token, last token) of a span of characters, or of "no answer"; None: not
        there."""
        with torch.inference_mode():
            output = self.model(**self._inputs(window))
        starts, ends = output.start_logits[0].tolist(), output.end_logits[0].tolist()
        if start is None:
            return starts[window.no_answer] + ends[window.no_answer], window.no_answer, window.no_answer
        inside = window.starts != OUTSIDE
        firsts = np.flatnonzero(inside & (window.starts == start)).tolist()
        lasts = np.flatnonzero(inside & (window.ends == end)).tolist()
        places = [(starts[a] + ends[b], a, b) for a in firsts for b in lasts if a <= b]
        return max(places, default=None)

    def _question_words(self, question: str, window: Window) -> Sequence[Any]:
        """Return the words of the question that stand in a window, which may lack its end."""
        alone = self.tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)
        unknown = self.tokenizer.unk_token_id
        special = set(self.tokenizer.all_special_ids) - {unknown}
        places = [
            place
            for place, token in enumerate(window.input_ids)
            if window.starts[place] == OUTSIDE and token not in special
        ]
        tokens = zip(places, alone["input_ids"], alone["offset_mapping"], strict=False)
        return read_words(
            "question",
            question,
            ((place, *offsets) for place, token, offsets in tokens if window.input_ids[place] == token),
        )

    def _text(self, question: str, context: str) -> Asked:
        assert self._prompter is not None
        prompts = self._prompter.prompts([question], [context])
        written = write(
            self.model,
            self.tokenizer,
            [prompt.ids for prompt in prompts],
            stop_ids=self._prompter.stop_ids,
            pad_token_id=self._tokenizer.pad_token_id,
            max_new_tokens=self._max_new_tokens,
        )
        best = _surest(written)
        prompt, one = prompts[best], written[best]
        # A long question may have lost its end: then it is not found whole.
        words, missing = prompt_words(
            self.tokenizer,
            prompt.ids,
            [Part("context", context[prompt.start : prompt.end], prompt.start), Part("question", question)],
        )
        unread = _unread(len(prompts), prompt.start, prompt.end, context)
        if missing:
            unread.append(f"{' and '.join(missing)} can't be found again as given in what the model read")
        answer = "" if says_nothing(one.text) else one.text.strip()
        return asked_of_written(
            self.model,
            prompt.ids,
            one.ids or self._prompter.stop_ids[:1],
            said={"answer": answer or None, "no_answer": not answer},
            words=words,
            unread=unread,
        )


def _context_words(context: str, window: Window) -> Sequence[Any]:
    inside = np.flatnonzero(window.starts != OUTSIDE).tolist()
    tokens = ((place, int(window.starts[place]), int(window.ends[place])) for place in inside)
    return read_words("context", context, tokens)


def _reach(window: Window) -> tuple[int, int]:
    """Return the context's first character in a window, and one past the last; 0 and 0 without any."""
    inside = window.starts != OUTSIDE
    return (int(window.starts[inside].min()), int(window.ends[inside].max())) if inside.any() else (0, 0)


def _unread(windows: int, start: int, end: int, context: str) -> list[str]:
    if windows == 1:
        return []
    return [
        f"the model read the context in {windows} windows; this answer was found in characters {start} to "
        f"{end} of {len(context)}, and the rest had no part in it"
    ]


def _surest(written: Sequence[Written]) -> int:
    """Return which window's answer counts, as `tritune.question_answering.written_answers.surest` chooses."""
    answers = [number for number, one in enumerate(written) if not says_nothing(one.text)]
    return max(answers or range(len(written)), key=lambda number: written[number].mean_log_probability)


def _logits(first: int, last: int) -> Callable[[Any], torch.Tensor]:
    return lambda output: (output.start_logits[:, first] + output.end_logits[:, last]).float()


def _probability(first: int, last: int) -> Callable[[Any], torch.Tensor]:
    """Of this first and this last token among all of the row."""

    def probability(output: Any) -> torch.Tensor:
        starts = output.start_logits.float().log_softmax(dim=1)
        ends = output.end_logits.float().log_softmax(dim=1)
        return (starts[:, first] + ends[:, last]).exp()

    return probability

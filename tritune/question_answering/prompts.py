"""Question and context as a prompt for a model that writes its answer: a window of the context at a time.

With a chat template, the user's turn asks for an answer in the context's own words. Without one, a decoder
reads `Context: … / Question: … / Answer:` and an encoder-decoder `question: … context: …`, the form that T5
was trained with (Raffel et al. 2020, appendix D.15, https://arxiv.org/abs/1910.10683). What comes before, the
stretch of the context, and what follows are cut into tokens apart from each other, so that a window's length
is exact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tritune.errors import InputError
from tritune.tokenizing import TextTokenizer

NO_ANSWER = "no answer"
"""What the model writes where a window does not hold the answer."""

INSTRUCTION = (
    f"Answer the question with a few words of the text. Write “{NO_ANSWER}” if the text does not answer it."
)
ANSWER_TOKENS = 64
"""Places of a decoder's row that are kept free for the answer, but a quarter of the row at most."""

HERE = "\x00"
"""Stands for the context while a chat template is filled in."""


@dataclass(frozen=True)
class Prompt:
    """One row for the model, up to where it begins to write."""

    example: int
    """Which of the given questions it belongs to; windows of one are neighbours."""

    ids: list[int]
    start: int
    """The context's character at which the window begins."""

    end: int
    """One past its last character."""


class Prompter:
    """Writes prompts for one tokenizer and family of models."""

    def __init__(self, tokenizer: TextTokenizer, *, writes_on: bool, stride: int) -> None:
        """Check that the setting leaves room.

        Args:
            tokenizer: Of the base model, with the number of tokens a row may have.
            writes_on: True for a decoder, whose answer takes places in the same row; False for an
                encoder-decoder.
            stride: Tokens of the context that neighbouring windows share, 0 or more.

        Raises:
            InputError: A window would not hold more of the context than it shares with the next.
        """
        self._tokenizer = tokenizer.tokenizer
        self._writes_on = writes_on
        self._stride = stride
        self.answer_tokens = min(ANSWER_TOKENS, tokenizer.max_length // 4)
        self._before, self._after = _special_tokens(self._tokenizer)
        self._ending = self._answer_ending()
        self._row = tokenizer.max_length - (self.answer_tokens if writes_on else 0)
        room = self._row - sum(map(len, self._parts("", HERE)))
        self._question_limit = min(room // 2, room - stride - 1)
        if self._question_limit < 1:
            raise InputError(
                f"tokenize.stride: {stride} leaves no room for a question beside the prompt and the answer: "
                f"rows have {tokenizer.max_length} tokens; lower it, or raise tokenize.max_length"
            )

    def prompts(
        self, questions: Sequence[str], contexts: Sequence[str], *, counts: dict[str, int] | None = None
    ) -> list[Prompt]:
        """Return the prompts of some questions, in their order; every question has at least one.

        Args:
            questions: None empty.
            contexts: One each; may be empty.
            counts: `questions_cut` rises by each question that took more than half of a row and lost its end.
        """
        found: list[Prompt] = []
        for example, (question, context) in enumerate(zip(questions, contexts, strict=True)):
            short, before, after = self._fitted(question)
            if counts is not None:
                counts["questions_cut"] = counts.get("questions_cut", 0) + (short != question)
            encoded = self._tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)
            ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
            room = self._row - len(before) - len(after)
            for first, last in windows_of(len(ids), room=room, stride=self._stride):
                stretch = offsets[first:last]
                found.append(
                    Prompt(
                        example=example,
                        ids=[*before, *ids[first:last], *after],
                        start=stretch[0][0] if stretch else 0,
                        end=stretch[-1][1] if stretch else 0,
                    )
                )
        return found

    def target(self, answer: str) -> list[int] | None:
        """Return the tokens to write for an answer, what ends it included; None if they are more than fit."""
        if self._writes_on:
            ids = [*self._ids(answer if self._has_template else f" {answer}"), self._ending]
        else:
            ids = [*self._before, *self._ids(answer), *self._after]
        return ids if len(ids) <= self.answer_tokens else None

    @property
    def stop_ids(self) -> list[int]:
        """Return what ends an answer."""
        return [self._ending]

    @property
    def _has_template(self) -> bool:
        return self._writes_on and bool(getattr(self._tokenizer, "chat_template", None))

    def _parts(self, question: str, context: str) -> tuple[list[int], list[int]]:
        """Return the tokens before and after the context."""
        if self._has_template:
            asked = f"{INSTRUCTION}\n\nText: {context}\n\nQuestion: {question}"
            text: str = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": asked}], tokenize=False, add_generation_prompt=True
            )
            before, _, after = text.partition(context)
            return self._ids(before), self._ids(after)
        if self._writes_on:
            return [*self._before, *self._ids("Context: ")], self._ids(f"\nQuestion: {question}\nAnswer:")
        return [*self._before, *self._ids(f"question: {question} context: ")], self._after

    def _answer_ending(self) -> int:
        """Return the token that ends an answer."""
        if self._has_template:
            turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": HERE}]
            text: str = self._tokenizer.apply_chat_template(turns, tokenize=False)
            after = self._ids(text.partition(HERE)[2])
            if after:
                return after[0]
        ending = self._tokenizer.eos_token_id
        if ending is None and self._after:
            ending = self._after[-1]
        if ending is None:
            raise InputError(
                "the tokenizer in base has no end-of-sequence token, so that no answer would ever end; name "
                "one as eos_token in tokenizer_config.json"
            )
        return int(ending if self._writes_on or not self._after else self._after[-1])

    def _fitted(self, question: str) -> tuple[str, list[int], list[int]]:
        """Return the question's longest start that leaves half of a row's room to the context, and its
        prompt."""
        ids = self._tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)
        if len(offsets := ids["offset_mapping"]) > self._question_limit:
            question = question[: offsets[self._question_limit - 1][1]]
        while True:
            before, after = self._parts(question, HERE)
            # Cut off from its neighbours, a question can have a token more.
            if self._row - len(before) - len(after) > self._stride or not question:
                return question, before, after
            question = question[:-1]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def windows_of(tokens: int, *, room: int, stride: int) -> Iterator[tuple[int, int]]:
    """Yield the first and one past the last token of each window over so many tokens; one window over
    none."""
    first = 0
    while True:
        last = min(first + room, tokens)
        yield first, last
        if last == tokens:
            return
        first = last - stride


def _special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return what the tokenizer puts before and after a text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    for first in range(len(full) - len(bare) + 1):
        if full[first : first + len(bare)] == bare:
            return full[:first], full[first + len(bare) :]
    return [], []

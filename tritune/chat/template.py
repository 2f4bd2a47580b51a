"""A dialogue as tokens, and which of them the assistant writes: exact to the token, or refused.

The model's own chat template says how turns are written, and a plain one of ours where it has none. What
stands before a turn of the assistant is rendered as it will be when the model is asked; these tokens must be,
one by one, the beginning of the whole dialogue's. What follows them up to the token that ends a turn, that
one included, is the assistant's. So it needs no `{% generation %}` marks, which few templates have.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from jinja2 import TemplateError

from tritune.chat.messages import Message
from tritune.errors import InputError

PLAIN = (
    "{{ bos_token if bos_token else '' }}"
    "{% for message in messages %}"
    "{{ message['role'] + ':\\n' + message['content'] }}"
    "{{ eos_token if message['role'] == 'assistant' else '' }}{{ '\\n' }}"
    "{% endfor %}"
    "{{ 'assistant:\\n' if add_generation_prompt else '' }}"
)
"""For decoders without a template: each turn under its role, each of the assistant's ended as a text ends."""

PLAIN_READING = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}"
    "{{ 'assistant:' if add_generation_prompt else '' }}"
)
"""For encoder-decoders without a template: what the encoder reads."""

TODAY = datetime(2024, 7, 26)
"""For templates that write the date; Llama's own default. A real one would change results from day to day."""


class Whole(NamedTuple):
    """A dialogue as tokens."""

    ids: list[int]
    """Up to the end of the assistant's last turn."""

    spans: list[tuple[int, int]]
    """Of each turn of the assistant, in order: its first token, and the first after the one that ends it."""


class Chat:
    """How a model reads and writes dialogues."""

    def __init__(self, tokenizer: Any, *, reads_first: bool) -> None:
        """Find out how the template writes a turn of the assistant.

        Args:
            tokenizer: of transformers, a fast one.
            reads_first: Whether an encoder reads the history and a decoder writes the reply alone.

        Raises:
            InputError: The template's turns of the assistant can't be told exactly, or have no token that
                ends them.
        """
        self._tokenizer = tokenizer
        self.reads_first = reads_first
        own = None if tokenizer.chat_template is None else tokenizer.get_chat_template()
        self.is_plain = own is None
        self._template = _undated(own) if own is not None else PLAIN_READING if reads_first else PLAIN
        if reads_first:
            self.stop_ids = frozenset({self.reply("a")[-1]})
        else:
            self._end = self._find_end()
            eos = tokenizer.eos_token_id
            self.stop_ids = frozenset({self._end} if eos is None else {self._end, eos})
            self.wholes([_TRIAL], ["the template's trial"])

    def prompt(self, messages: Sequence[Message], where: str) -> list[int]:
        """Return the tokens after which the model writes the assistant's next turn.

        Raises:
            InputError: The template refuses these turns.
        """
        return self._tokens([self._text(messages, True, where)])[0]

    def reply(self, content: str) -> list[int]:
        """Return the tokens that a decoder of its own writes for a turn, the one that ends it among them."""
        ids: list[int] = self._tokenizer(content)["input_ids"]
        if self._tokenizer.bos_token_id is None and ids[:1] == [self._tokenizer.cls_token_id]:
            ids = ids[1:]  # BERT's: here it is the token that a decoder starts from
        ends = {self._tokenizer.eos_token_id, self._tokenizer.sep_token_id} - {None}
        if not ends:
            raise InputError(_NO_END)
        return ids if ids and ids[-1] in ends else [*ids, min(ends)]

    def whole(self, messages: Sequence[Message], where: str) -> Whole:
        """Return one dialogue; see `wholes`."""
        return self.wholes([messages], [where])[0]

    def wholes(self, dialogues: Sequence[Sequence[Message]], where: Sequence[str]) -> list[Whole]:
        """Return the tokens of dialogues that each have a turn of the assistant.

        Args:
            where: What an error calls each of them.

        Raises:
            InputError: The template refuses a dialogue, or writes it so that the assistant's tokens can't be
                told exactly.
        """
        texts: list[str] = []
        for messages, name in zip(dialogues, where, strict=True):
            texts.append(self._text(messages, False, name))
            texts += [self._before(messages, turn, name) for turn in assistant_turns(messages)]
        tokens = iter(self._tokens(texts))
        return [
            self._told_apart(next(tokens), [(turn, next(tokens)) for turn in assistant_turns(messages)], name)
            for messages, name in zip(dialogues, where, strict=True)
        ]

    def refuse_special(self, messages: Sequence[Message], where: str) -> None:
        """Refuse a turn that holds what the tokenizer reads as a special token.

        Raises:
            InputError: One does.
        """
        for number, turn in enumerate(messages, start=1):
            if found := self._special.search(turn["content"]):
                raise InputError(
                    f"{where}, turn {number}: it holds {found.group()!r}, which the model's tokenizer reads "
                    "as a special token; delete it, or write it another way"
                )

    @cached_property
    def _special(self) -> re.Pattern[str]:
        words = [str(token) for token in self._tokenizer.added_tokens_decoder.values() if token.special]
        return re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))) or "(?!)")

    def _told_apart(self, ids: list[int], before: Sequence[tuple[int, list[int]]], name: str) -> Whole:
        spans: list[tuple[int, int]] = []
        for turn, prompt in before:
            start = len(prompt)
            if ids[:start] != prompt or (spans and spans[-1][1] > start):
                raise InputError(
                    f"{name}: the model's chat template writes what stands before turn {turn + 1} otherwise "
                    "once that turn is there, so that the assistant's tokens can't be told exactly; "
                    f"{_OTHER_TEMPLATE}"
                )
            try:
                end = ids.index(self._end, start)
            except ValueError:
                raise InputError(
                    f"{name}: the model's chat template does not end turn {turn + 1} as it ends others; "
                    f"{_OTHER_TEMPLATE}"
                ) from None
            spans.append((start, end + 1))
        return Whole(ids[: spans[-1][1]], spans)

    def _before(self, messages: Sequence[Message], turn: int, name: str) -> str:
        if any(one["role"] == "user" for one in messages[:turn]):
            return self._text(messages[:turn], True, name)
        # Many templates can't be asked without a turn of the user; so take what does not depend on the turn.
        texts = [
            self._text([*messages[:turn], {"role": "assistant", "content": mark}], False, name)
            for mark in ("0", "1")
        ]
        same = next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), 0)
        return texts[0][:same]

    def _find_end(self) -> int:
        text = self._text(_TRIAL[:2], False, "the template's trial")
        tail = text[text.rindex(_TRIAL[1]["content"]) + len(_TRIAL[1]["content"]) :]
        known = self._tokenizer.added_tokens_decoder
        end = next((token for token in self._tokens([tail])[0] if token in known), None)
        if end is None and self.is_plain:
            raise InputError(_NO_END)
        if end is None:
            raise InputError(
                "the model's chat template ends the assistant's turns by no special token, so that the model "
                f"can't learn where to stop; {_OTHER_TEMPLATE}"
            )
        return end

    def _text(self, messages: Sequence[Message], asking: bool, name: str) -> str:
        try:
            text: str = self._tokenizer.apply_chat_template(
                list(messages),
                chat_template=self._template,
                tokenize=False,
                add_generation_prompt=asking,
            )
        except TemplateError as error:
            raise InputError(
                f"{name}: the model's chat template refuses this dialogue: {error}; change the dialogue, or "
                "take another model"
            ) from None
        return text

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        # A template writes all special tokens itself; our reading of an encoder's has none.
        special = self.reads_first and self.is_plain
        ids: list[list[int]] = self._tokenizer(list(texts), add_special_tokens=special)["input_ids"]
        return ids


def _undated(template: Any) -> str:
    # transformers lets no function of ours into a template.
    return re.sub(
        r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""", lambda call: repr(TODAY.strftime(call[2])), template
    )


def assistant_turns(messages: Sequence[Message]) -> list[int]:
    """Return which turns are the assistant's, from 0."""
    return [index for index, turn in enumerate(messages) if turn["role"] == "assistant"]


_NO_END = (
    "the model's tokenizer has neither an end-of-sequence nor a separator token, so that the model can't "
    "learn where a reply ends; name one as eos_token in tokenizer_config.json"
)

_OTHER_TEMPLATE = (
    "take a model whose template writes turn by turn, or delete its template (chat_template.jinja, or the "
    "entry chat_template of tokenizer_config.json), and a plain one is used"
)

_TRIAL: list[Message] = [
    {"role": "user", "content": "First question"},
    {"role": "assistant", "content": "First answer"},
    {"role": "user", "content": "Second question"},
    {"role": "assistant", "content": "Second answer"},
]

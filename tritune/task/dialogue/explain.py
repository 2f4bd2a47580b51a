"""The next turn of a dialogue as a number that the words of the turns before it account for."""

from collections.abc import Mapping, Sequence
from typing import Any

from tritune.explanation.asked import Asked
from tritune.explanation.read_prompt import Part, prompt_words
from tritune.explanation.written import asked_of_written
from tritune.generation import write
from tritune.task.dialogue.answer import MAX_NEW_TOKENS, Answerer, given_turns


class Explainer(Answerer):
    """A loaded dialogue model, asked for its reasons; see `tritune.explanation.asked.Explainer`."""

    @property
    def model(self) -> Any:
        return self._model

    @property
    def tokenizer(self) -> Any:
        return self._tokenizer.tokenizer

    def asked(self, given: Mapping[str, Any], name: str) -> Sequence[Asked]:
        """Return the reply to `messages`.

        Raises:
            InputError: The messages are not a dialogue that ends with a turn of the user.
        """
        messages = given_turns(given["messages"], name)
        prompt, shortened = self._prompt(messages, name)
        stop_ids = sorted(self._chat.stop_ids)
        (reply,) = write(
            self._model,
            self.tokenizer,
            [prompt],
            stop_ids=stop_ids,
            pad_token_id=self._tokenizer.pad_token_id,
            max_new_tokens=MAX_NEW_TOKENS,
        )
        parts = [
            Part(f"turn {number} ({message['role']})", message["content"].strip())
            for number, message in enumerate(messages, start=1)
        ]
        words, missing = prompt_words(self.tokenizer, prompt, reversed(parts))
        unread = []
        if shortened:
            unread.append("the oldest turns, or the beginning of the last, were left out for lack of room")
        if missing:
            unread.append(f"{' and '.join(reversed(missing))} can't be found again in what the model read")
        return [
            asked_of_written(
                self._model,
                prompt,
                # A reply of nothing is the token that ended it.
                reply.ids or stop_ids[:1],
                said={"reply": reply.text.strip()},
                words=words,
                unread=unread,
            )
        ]

"""Entities of a text, each as a number that the text's words account for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from tritune.explanation.asked import Asked, OfTuned
from tritune.explanation.read_words import ReadWord
from tritune.task.named_entity_recognition.answer import Answerer
from tritune.word_pieces import WordPieces
from tritune.word_windows import word_windows
from tritune.words import words_of


class Explainer(OfTuned, Answerer):
    """A loaded tagger that can be asked for its reasons; see `tritune.explanation.asked.Explainer`."""

    def asked(self, given: Mapping[str, Any], name: str) -> Sequence[Asked]:
        """Return each entity of `text`, in the window in which its first word is answered."""
        (answer,) = self.answer([given], batch_size=8, ids=[name], everything=True)
        found = []
        for entity in answer["entities"]:
            numbers = [
                number
                for number, word in enumerate(answer["words"])
                if entity["start"] <= word["start"] < entity["end"]
            ]
            tags = {number: answer["words"][number]["tag"] for number in numbers}
            found.append(self._entity(entity, tags, given["text"]))
        return found

    def _entity(self, said: Mapping[str, Any], tags: Mapping[int, str], text: str) -> Asked:
        words = words_of(text)
        pieces = WordPieces(self.tokenizer)
        (row,) = pieces.encode([[word.text for word in words]])
        room = self._tokenizer.max_length - pieces.special_tokens
        kept = [tokens[:room] for tokens in row.words]
        windows = word_windows([len(tokens) for tokens in kept], room=room, stride=self._stride)
        window = next(one for one in windows if one.answered_from <= min(tags) < one.answered_to)
        ids = list(row.before)
        read: dict[int, ReadWord] = {}
        for number in range(window.start, window.end):
            places = tuple(range(len(ids), len(ids) + len(kept[number])))
            if places:
                word = words[number]
                read[number] = ReadWord("text", word.text, word.start, word.end, places)
            ids += kept[number]
        ids += row.after
        input_ids = torch.tensor([ids], device=self._device)
        # A word of the entity that another window answers, or without a token, has no say here.
        asked_at = {
            read[number].tokens[0]: self._tuned.labels.index(tag)
            for number, tag in tags.items()
            if number in read and number < window.answered_to
        }
        first, last = words[window.start].start, words[window.end - 1].end
        return Asked(
            said=said,
            inputs={"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)},
            words=list(read.values()),
            score_name="logits of its words' tags, added up",
            score=_logits(asked_at),
            probability=_probability(asked_at),
            answered_at=list(asked_at),
            unread=[]
            if len(windows) == 1
            else [
                f"the model read the text in {len(windows)} windows; this entity was found in characters "
                f"{first} to {last} of {len(text)}, and the rest had no part in it"
            ],
        )


def _logits(asked_at: Mapping[int, int]) -> Callable[[Any], torch.Tensor]:
    places, tags = list(asked_at), list(asked_at.values())
    return lambda output: output.logits.float()[:, places, tags].sum(dim=1)


def _probability(asked_at: Mapping[int, int]) -> Callable[[Any], torch.Tensor]:
    """Of the tags of all its words, as a geometric mean."""
    places, tags = list(asked_at), list(asked_at.values())
    return lambda output: output.logits.float().log_softmax(dim=-1)[:, places, tags].mean(dim=1).exp()

"""Labels of a text, each as a number that the text's words account for."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch

from tritune.explanation.asked import Asked, OfTuned
from tritune.explanation.read_words import ReadWord, read_words
from tritune.metrics.multi_label import THRESHOLD
from tritune.task.text_classification.answer import Answerer
from tritune.truncation import cut


class Explainer(OfTuned, Answerer):
    """A loaded classifier that can be asked for its reasons; see `tritune.explanation.asked.Explainer`."""

    def asked(self, given: Mapping[str, Any], name: str) -> Sequence[Asked]:
        """Return the likeliest label, or each label with a probability of one half or more.

        Where a text may have several labels and none is that likely: the likeliest.

        Args:
            given: `text`, and `text_pair` where the model reads pairs.

        Raises:
            InputError: The text gives no token at all.
        """
        probabilities = self.probabilities([given], batch_size=1, ids=[name])[0].tolist()
        order = sorted(range(len(probabilities)), key=lambda label: -probabilities[label])
        several = self._tuned.objective.name == "multi_label"
        wanted = [label for label in order if probabilities[label] >= THRESHOLD] if several else order[:1]
        inputs, words, unread = self._read(given, name)
        return [
            Asked(
                said={"label": self._tuned.labels[label], "probability": round(probabilities[label], 6)},
                inputs=inputs,
                words=words,
                score_name="log-odds of the label",
                score=_log_odds(label, several=several),
                probability=_probability(label, several=several),
                answered_at=self._answered_at(inputs["input_ids"].shape[1]),
                unread=unread,
            )
            for label in wanted or order[:1]
        ]

    def _read(
        self, given: Mapping[str, Any], name: str
    ) -> tuple[dict[str, torch.Tensor], list[ReadWord], list[str]]:
        """Return what the model reads, the words in it, and what it does not read."""
        text, pair = given["text"], given.get("text_pair")
        pairs = None if pair is None else [pair]
        encoded = self._tokenizer.encode([text], pairs=pairs, keep=self._keep, row_ids=[name])
        inputs = {"input_ids": torch.tensor(encoded.input_ids)}
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        if encoded.token_types is not None:
            inputs["token_type_ids"] = torch.tensor(encoded.token_types)
        whole = self.tokenizer(text, pair, verbose=False).encodings[0]
        at_head = self._keep == "head"
        batch = self.tokenizer(
            text,
            pair,
            truncation=at_head,
            max_length=self._tokenizer.max_length if at_head else None,
            return_special_tokens_mask=True,
            verbose=False,
        )
        read = batch.encodings[0]
        kept = list(range(len(read.ids)))
        if not at_head:
            kept = cut(kept, read.special_tokens_mask, max_length=self._tokenizer.max_length, keep=self._keep)
        words: list[ReadWord] = []
        unread: list[str] = []
        for number, (part, content) in enumerate((("text", text), ("text_pair", pair))):
            if content is None:
                continue
            of_part = [place for place in kept if read.sequence_ids[place] == number]
            all_tokens = sum(one == number for one in whole.sequence_ids)
            row = {place: index for index, place in enumerate(kept)}
            words += read_words(part, content, ((row[place], *read.offsets[place]) for place in of_part))
            if len(of_part) < all_tokens:
                stretches = _stretches([(place, *read.offsets[place]) for place in of_part])
                told = " and ".join(f"{start} to {end}" for start, end in stretches) or "none"
                unread.append(
                    f"the model read {len(of_part)} of the {all_tokens} tokens of {part} (characters {told} "
                    f"of {len(content)}); the rest had no part in this"
                )
        return {key: value.to(self._device) for key, value in inputs.items()}, words, unread

    def _answered_at(self, length: int) -> list[int]:
        """Return the places that the head reads: the first, or all where a model takes their mean."""
        mean = getattr(self.model.config, "classifier_pooling", "cls") == "mean"
        return list(range(length)) if mean else [0]


def _stretches(tokens: Sequence[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Return the characters of neighbouring tokens, of each run the first and one past the last."""
    if not tokens:
        return []
    breaks = [i for i, (before, after) in enumerate(pairwise(tokens), start=1) if after[0] > before[0] + 1]
    bounds = [0, *breaks, len(tokens)]
    return [(tokens[first][1], tokens[last - 1][2]) for first, last in pairwise(bounds)]


def _log_odds(label: int, *, several: bool) -> Callable[[Any], torch.Tensor]:
    """Of several labels each has a probability of its own, of which the logit is the log-odds already."""

    def score(output: Any) -> torch.Tensor:
        logits: torch.Tensor = output.logits.float()
        if several:
            return logits[:, label]
        others = torch.cat([logits[:, :label], logits[:, label + 1 :]], dim=1)
        return logits[:, label] - others.logsumexp(dim=1)

    return score


def _probability(label: int, *, several: bool) -> Callable[[Any], torch.Tensor]:
    log_odds = _log_odds(label, several=several)
    return lambda output: log_odds(output).sigmoid()

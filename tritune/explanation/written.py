"""What a model wrote after a prompt, as a number that the prompt's words account for."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from tritune.explanation.asked import Asked
from tritune.explanation.read_words import ReadWord


def asked_of_written(
    model: Any,
    prompt: Sequence[int],
    written: Sequence[int],
    *,
    said: Mapping[str, Any],
    words: Sequence[ReadWord],
    unread: Sequence[str],
) -> Asked:
    """Return the log probability of a text, all its tokens' together, given a prompt.

    Args:
        model: A decoder or an encoder-decoder.
        prompt: What a decoder, or an encoder, read.
        written: 1 token or more.
    """
    labels = torch.tensor([list(written)], device=model.device)
    if model.config.is_encoder_decoder:
        ids = torch.tensor([list(prompt)], device=model.device)
        start = torch.full_like(labels[:, :1], model.config.decoder_start_token_id)
        inputs = {"input_ids": ids, "decoder_input_ids": torch.cat([start, labels[:, :-1]], dim=1)}
        first = 0
    else:
        ids = torch.tensor([[*prompt, *written[:-1]]], device=model.device)
        inputs = {"input_ids": ids}
        first = len(prompt) - 1

    def log_probabilities(output: Any) -> torch.Tensor:
        logits = output.logits[:, first : first + len(written)].float()
        chosen = logits.gather(-1, labels.expand(len(logits), -1)[..., None])[..., 0]
        return chosen - logits.logsumexp(dim=-1)

    return Asked(
        said=said,
        inputs={**inputs, "attention_mask": torch.ones_like(ids)},
        words=words,
        score_name="log probability of what it wrote",
        score=lambda output: log_probabilities(output).sum(dim=1),
        probability=lambda output: log_probabilities(output).mean(dim=1).exp(),
        answered_at=[first],
        unread=unread,
    )

"""What texts mean to the base model before any training: the mean of its last layer over a text's tokens."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel
from transformers.utils import logging

from tritune.tokenizing import load_tokenizer

TEXTS_AT_ONCE = 32


class Embedder:
    """A base model that gives vectors."""

    def __init__(self, base: Path, *, device: torch.device, max_length: int) -> None:
        """Load model and tokenizer from local files.

        Args:
            max_length: Tokens of a text that are read.

        Raises:
            InputError: The folder has no tokenizer that can be used.
        """
        logging.disable_progress_bar()
        self._tokenizer = load_tokenizer(base, max_length=max_length)
        model = AutoModel.from_pretrained(
            str(base),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
        )
        # The half that reads is enough, and needs nothing to write.
        self._model = (model.get_encoder() if model.config.is_encoder_decoder else model).to(device).eval()
        self._device = device

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Return [texts, width] float32.

        Raises:
            InputError: A text gives no token.
        """
        rows = self._tokenizer.encode(texts).input_ids
        order = sorted(range(len(rows)), key=lambda row: -len(rows[row]))
        vectors: list[np.ndarray] = [np.empty(0, np.float32)] * len(rows)
        for start in range(0, len(order), TEXTS_AT_ONCE):
            chosen = order[start : start + TEXTS_AT_ONCE]
            length = len(rows[chosen[0]])
            ids = torch.full((len(chosen), length), self._tokenizer.pad_token_id)
            mask = torch.zeros_like(ids)
            for index, row in enumerate(chosen):
                ids[index, : len(rows[row])] = torch.tensor(rows[row])
                mask[index, : len(rows[row])] = 1
            ids, mask = ids.to(self._device), mask.to(self._device)
            with torch.inference_mode():
                hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            means = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            for index, row in enumerate(chosen):
                vectors[row] = means[index].float().cpu().numpy()
        return np.stack(vectors)

"""Labels for new texts, by a fine-tuned model's folder: what training did to its texts is done to these."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from tritune.inference import predict_logits
from tritune.metrics.classification import softmax
from tritune.models.finetuned import load_finetuned
from tritune.tokenizing import NO_LIMIT, load_tokenizer
from tritune.tokens import TokenTable


class Labeller:
    """A loaded model with its tokenizer."""

    def __init__(self, folder: Path, *, device: torch.device) -> None:
        """Load both.

        Raises:
            InputError: The folder holds no fine-tuned classifier, or no usable tokenizer.
        """
        # The tokenizer's own limit is the length at which training cut its texts.
        self._tokenizer = load_tokenizer(folder, max_length=NO_LIMIT)
        self._model, self.labels = load_finetuned(folder)
        self._device = device
        self._model.to(device)

    def probabilities(
        self, texts: Sequence[str], *, batch_size: int, row_ids: Sequence[str] | None = None
    ) -> np.ndarray:
        """Return [texts, labels] float32, each row summing to 1.

        Args:
            texts: At least one.
            batch_size: Texts at a time; changes the numbers by rounding only.
            row_ids: What an error calls each text.

        Raises:
            InputError: A text gives no token at all.
        """
        encoded = self._tokenizer.encode(texts, row_ids=row_ids).input_ids
        table = TokenTable(
            row_ids=pa.array([""] * len(encoded), pa.string()),
            tokens=np.concatenate([np.asarray(ids, dtype=np.int32) for ids in encoded]),
            offsets=np.cumsum([0, *map(len, encoded)], dtype=np.int64),
            labels=np.zeros(len(encoded), dtype=np.int32),
        )
        logits = predict_logits(
            self._model,
            table,
            pad_token_id=self._tokenizer.pad_token_id,
            batch_size=batch_size,
            device=self._device,
        )
        return softmax(logits)

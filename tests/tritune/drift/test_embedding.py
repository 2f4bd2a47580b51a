"""A base model's vectors: one a text, whatever else is in the batch."""

import numpy as np
import torch

from tritune.drift.embedding import Embedder


def test_a_text_s_vector_does_not_depend_on_its_neighbours(tiny_base):
    embed = Embedder(tiny_base, device=torch.device("cpu"), max_length=16)
    together = embed(["rose soil", "bread oven salt butter knife soup", "map"])
    alone = embed(["rose soil"])
    assert together.shape == (3, 32)
    assert np.allclose(together[0], alone[0], atol=1e-5)
    assert not np.allclose(together[0], together[2], atol=1e-2)

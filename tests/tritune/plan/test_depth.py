"""Depths by hand; rates that rest on them are tested with the methods."""

import pytest

from tritune.plan.depth import depths

DECODER = {"decoder.layer.0": 2, "decoder.layer.1": 1, "decoder.layer.2": 0}
ENCODER = {"embeddings": 5, "encoder.layer.0": 4, "encoder.layer.1": 3}
DEPTHS = {
    "bert": {"embeddings": 3, "layer.0": 2, "layer.1": 1, "layer.2": 0, "final": 0, "head": 0},
    "albert": {"embeddings": 1, "layer.0": 0, "final": 0, "head": 0},
    "gpt2-lm": {"embeddings": 3, "layer.0": 2, "layer.1": 1, "layer.2": 0, "final": 0},
    "t5": {**ENCODER, "encoder.final": 3, **DECODER, "decoder.final": 0, "head": 0},
    "bart": {**ENCODER, "decoder.embeddings": 3, **DECODER, "head": 0},
}


@pytest.mark.parametrize("architecture", DEPTHS)
def test_a_part_is_as_deep_as_there_are_layers_above_it(anatomy_of, architecture):
    assert depths(anatomy_of(architecture)) == DEPTHS[architecture]

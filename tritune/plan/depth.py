"""How far below the top each part of a model lies, counted in layers.

It is 0 for the head, for what lies above the layers, and for the top layer; 1 for the layer below it; and so
on down; the embeddings have the number of layers. In an encoder-decoder the encoder is below the decoder.
"""

from tritune.models.layers import Anatomy


def depths(anatomy: Anatomy) -> dict[str, int]:
    """Return each part's depth by its name, 0 to the number of layers."""
    found: dict[str, int] = {}
    layers, above_layers = 0, True
    for part in reversed(anatomy.parts):
        if part.role == "layer":
            layers += not above_layers
            above_layers = False
        # An encoder's final norm goes with the encoder's top layer, not with the decoder above it.
        found[part.name] = layers + (part.role == "embeddings" or (part.role == "final" and not above_layers))
    return found

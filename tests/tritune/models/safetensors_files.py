"""Safetensors files in a few bytes, written without the library that reads them."""

import json
import struct


def weights(*names: str) -> bytes:
    """A safetensors file with one float32 number a tensor."""
    header = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]}
        for i, name in enumerate(names)
    }
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4 * len(names))

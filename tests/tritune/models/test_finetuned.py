import json
from pathlib import Path

import pytest

from tritune.errors import InputError
from tritune.models.finetuned import load_finetuned


def test_refuses_a_base_model_whose_head_was_never_trained(tiny_base, tmp_path):
    for file in Path(tiny_base).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"] = {"0": "a", "1": "b"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"lack 2 tensors of a BertFor.*classifier.bias among them"):
        load_finetuned(tmp_path)

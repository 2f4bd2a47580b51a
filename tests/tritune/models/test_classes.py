import json

import pytest

from tritune.errors import InputError
from tritune.models.classes import class_names


def test_labels_come_in_the_order_of_the_class_ids(tmp_path):
    names = {str(index): f"label {index}" for index in range(12)}
    (tmp_path / "config.json").write_text(json.dumps({"id2label": dict(sorted(names.items()))}))
    (tmp_path / "model.safetensors").touch()
    assert class_names(tmp_path) == [f"label {index}" for index in range(12)]


def test_refuses_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="there is no such folder; `tritune run` makes models/selected"):
        class_names(tmp_path / "absent")


def test_refuses_a_folder_without_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"needs config\.json and weights as safetensors"):
        class_names(tmp_path)


@pytest.mark.parametrize("config", ["{}", "not json", '{"id2label": {"7": "a", "9": "b"}}', "[]"])
def test_refuses_a_config_without_labels(tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError, match="has no usable id2label"):
        class_names(tmp_path)

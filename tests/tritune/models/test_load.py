"""What a folder with a base model gives: its weights, a new head from the seed, or one clear sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tritune.errors import InputError
from tritune.models.load import empty_model, load_model

LABELS = ["negative", "neutral", "positive"]
ENCODERS = ["bert", "roberta", "distilbert", "albert", "deberta-v2", "modernbert", "electra"]
OTHERS = ["gpt2", "llama", "t5", "bart"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_model) -> Callable[..., Path]:
    """Return a function: (architecture) -> folder with its body, saved as the library saves a base model."""
    folders: dict[tuple[str, bool], Path] = {}

    def save(architecture: str, *, whole: bool = False) -> Path:
        if (architecture, whole) not in folders:
            folder = tmp_path_factory.mktemp(architecture)
            model = tiny_model(architecture)
            (model if whole else model.base_model).save_pretrained(folder)
            folders[architecture, whole] = folder
        return folders[architecture, whole]

    return save


def head(folder: Path, **options: Any) -> dict[str, torch.Tensor]:
    model, new = load_model(folder, objective="single_label", labels=options.pop("labels", LABELS), **options)
    parameters = dict(model.named_parameters())
    return {name: parameters[name].detach() for name in new}


def edited(folder: Path, target: Path, **changes: Any) -> Path:
    """A copy of a model with other lines in its config.json."""
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | changes))
    return target


def equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_the_head_is_drawn_from_the_seed_alone(saved):
    folder = saved("distilbert")
    torch.manual_seed(1)
    first = head(folder, seed=13)
    torch.manual_seed(2)
    torch.rand(5)
    assert equal(first, head(folder, seed=13))
    other = head(folder, seed=14)
    assert other.keys() == first.keys()
    assert not torch.equal(other["classifier.weight"], first["classifier.weight"])


def test_the_callers_random_state_is_untouched(saved):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_model(saved("bert"), objective="single_label", labels=LABELS, seed=13)
    empty_model(saved("bert"), objective="single_label", labels=LABELS)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("architecture", [*ENCODERS, *OTHERS])
def test_the_body_has_the_weights_of_the_folder(saved, tiny_model, architecture):
    model, new = load_model(saved(architecture), objective="single_label", labels=LABELS, seed=1)
    source = dict(tiny_model(architecture).named_parameters())
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32
        assert parameter.device.type == "cpu"
        assert name in new or torch.equal(parameter, source[name]), name


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("architecture", [*ENCODERS, *OTHERS])
def test_a_plan_sees_the_names_and_shapes_that_training_gets(saved, architecture, whole):
    folder = saved(architecture, whole=whole)
    empty, planned = empty_model(folder, objective="single_label", labels=LABELS)
    model, new = load_model(folder, objective="single_label", labels=LABELS, seed=1)
    assert planned == new == sorted(new)
    shapes = [(name, parameter.shape) for name, parameter in model.named_parameters()]
    assert [(name, parameter.shape) for name, parameter in empty.named_parameters()] == shapes
    assert {parameter.device.type for parameter in empty.parameters()} == {"meta"}


@pytest.mark.parametrize(
    ("architecture", "new"),
    [
        ("bert", ["classifier.bias", "classifier.weight"]),
        ("distilbert", [f"{m}.{k}" for m in ("classifier", "pre_classifier") for k in ("bias", "weight")]),
        ("modernbert", ["classifier.bias", "classifier.weight", "head.dense.weight", "head.norm.weight"]),
        ("llama", ["score.weight"]),
    ],
)
def test_only_the_head_of_a_base_model_is_new(saved, architecture, new):
    assert load_model(saved(architecture), objective="single_label", labels=LABELS, seed=1)[1] == new


@pytest.mark.parametrize(
    ("saved_as", "new"),
    [
        ("BertModel", ["classifier.bias", "classifier.weight"]),
        ("BertForSequenceClassification", []),
        (
            "BertForMaskedLM",
            ["bert.pooler.dense.bias", "bert.pooler.dense.weight", "classifier.bias", "classifier.weight"],
        ),
    ],
)
def test_new_is_what_the_checkpoint_lacks_whoever_saved_it(tiny_model, tmp_path, saved_as, new):
    import transformers

    getattr(transformers, saved_as)(tiny_model("bert").config).save_pretrained(tmp_path)
    assert load_model(tmp_path, objective="single_label", labels=LABELS, seed=1)[1] == new
    assert empty_model(tmp_path, objective="single_label", labels=LABELS)[1] == new


def test_a_head_for_another_number_of_classes_is_new(saved):
    folder = saved("bert", whole=True)
    assert load_model(folder, objective="single_label", labels=LABELS, seed=1)[1] == []
    four = head(folder, seed=1, labels=[*LABELS, "mixed"])
    assert sorted(four) == ["classifier.bias", "classifier.weight"]
    assert four["classifier.weight"].shape == (4, 16)
    assert equal(four, head(folder, seed=1, labels=[*LABELS, "mixed"]))
    assert empty_model(folder, objective="single_label", labels=[*LABELS, "mixed"])[1] == sorted(four)


def test_the_labels_land_in_the_config(saved):
    config = load_model(saved("bert"), objective="single_label", labels=LABELS, seed=1)[0].config
    assert config.id2label == {0: "negative", 1: "neutral", 2: "positive"}
    assert config.label2id == {"negative": 0, "neutral": 1, "positive": 2}
    assert config.num_labels == 3
    assert config.problem_type == "single_label_classification"


def test_a_decoder_without_a_padding_token_takes_its_end_token(saved, tmp_path):
    folder = edited(saved("gpt2"), tmp_path / "model", pad_token_id=None, eos_token_id=[7, 9])
    assert load_model(folder, objective="single_label", labels=LABELS, seed=1)[0].config.pad_token_id == 7


def test_half_precision_weights_become_float32(tiny_model, tmp_path):
    import copy

    copy.deepcopy(tiny_model("bert").base_model).half().save_pretrained(tmp_path)
    model, _ = load_model(tmp_path, objective="single_label", labels=LABELS, seed=1)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_the_librarys_own_report_and_progress_bars_stay_silent_and_come_back(saved, capfd):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load_model(saved("roberta"), objective="single_label", labels=LABELS, seed=1)
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def refusal(folder: Path) -> str:
    """The sentence, which planning and training share."""
    with pytest.raises(InputError) as planning:
        empty_model(folder, objective="single_label", labels=LABELS)
    with pytest.raises(InputError) as training:
        load_model(folder, objective="single_label", labels=LABELS, seed=1)
    assert str(planning.value) == str(training.value)
    return str(training.value)


def test_refuses_an_architecture_without_classification_head(tmp_path):
    from transformers import CLIPTextConfig, CLIPTextModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    CLIPTextModel(CLIPTextConfig(vocab_size=20, **sizes)).save_pretrained(tmp_path)
    assert refusal(tmp_path) == (
        f"model type clip_text_model ({tmp_path}) has no head for text classification in transformers; "
        "take an encoder such as BERT, RoBERTa, DistilBERT, DeBERTa-v2 or ModernBERT"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model_type": "brand_new"}, "The checkpoint you are trying to load has model type `brand_new`"),
        ({"model_type": None}, ""),
        ({"hidden_size": "wide"}, "Validation error for field 'hidden_size'"),
        (
            {"num_attention_heads": 5},
            "The hidden size (16) is not a multiple of the number of attention heads",
        ),
    ],
)
def test_refuses_a_config_that_describes_no_model(saved, tmp_path, change, reason):
    folder = edited(saved("bert"), tmp_path / "model", **change)
    message = refusal(folder)
    assert message.startswith(
        f"{folder}/config.json describes no model that transformers can build: {reason}"
    )
    assert message.endswith("; take the config.json that the model was published with")
    assert "\n" not in message


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_refuses_a_config_that_is_no_config(saved, tmp_path, content):
    shutil.copytree(saved("bert"), tmp_path / "model")
    (tmp_path / "model/config.json").write_text(content)
    assert "/config.json describes no model that transformers can build: " in refusal(tmp_path / "model")


@pytest.mark.parametrize(
    "damage", [lambda data: data[:100], lambda data: data[:-50], lambda _: b"not safetensors"]
)
def test_refuses_weights_that_cannot_be_read(saved, tmp_path, damage):
    shutil.copytree(saved("bert"), tmp_path / "model")
    weights = tmp_path / "model/model.safetensors"
    weights.write_bytes(damage(weights.read_bytes()))
    message = refusal(tmp_path / "model")
    assert message.startswith(f"the weights in {tmp_path}/model can't be read (")
    assert message.endswith("); copy the model anew, with all its files")


def test_refuses_a_folder_without_safetensors(saved, tmp_path):
    shutil.copytree(saved("bert"), tmp_path / "model")
    (tmp_path / "model/model.safetensors").unlink()
    assert refusal(tmp_path / "model").startswith(f"the weights in {tmp_path}/model can't be read (")


def test_refuses_the_weights_of_another_architecture(saved, tmp_path):
    folder = shutil.copytree(saved("bert"), tmp_path / "model")
    shutil.copy(saved("gpt2") / "config.json", folder / "config.json")
    assert refusal(folder).startswith(f"the weights in {folder} lack 40 tensors of the GPT2Model that its")

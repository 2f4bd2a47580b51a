"""Which family a model is of, by its config, and what it can be trained for."""

import pytest
from transformers import CONFIG_MAPPING, BertConfig, EncoderDecoderConfig

from tritune.errors import InputError
from tritune.families import OBJECTIVES, family_of, objective_of
from tritune.task.contract import TASKS

FAMILIES = {
    "encoder": [
        *("bert", "roberta", "distilbert", "albert", "deberta-v2", "modernbert", "electra", "xlm-roberta"),
        *("camembert", "mpnet", "deberta", "longformer", "big_bird"),
    ],
    "decoder": ["gpt2", "llama", "qwen2", "opt", "mistral", "gpt_neo", "bloom", "phi", "gemma2", "smollm3"],
    "encoder_decoder": ["t5", "mt5", "umt5", "bart", "mbart", "pegasus", "marian"],
}


@pytest.mark.parametrize(("family", "kind"), [(f, kind) for f, kinds in FAMILIES.items() for kind in kinds])
def test_the_config_tells_the_family(family, kind):
    assert family_of(CONFIG_MAPPING[kind]()) == family


def test_two_encoders_that_were_paired_are_an_encoder_decoder():
    pair = EncoderDecoderConfig.from_encoder_decoder_configs(BertConfig(), BertConfig())
    assert family_of(pair) == "encoder_decoder"


def test_every_task_says_what_each_family_learns():
    assert tuple(OBJECTIVES) == TASKS
    pairs = {(task, family) for task in TASKS for family in FAMILIES}
    refused = {(task, family) for task, family in pairs if family not in OBJECTIVES[task]}
    assert refused == {("dialogue", "encoder")}


def test_several_labels_change_the_objective_of_classification_alone():
    assert objective_of("text_classification", "decoder") == "single_label"
    assert objective_of("text_classification", "decoder", multi_label=True) == "multi_label"
    assert objective_of("named_entity_recognition", "encoder", multi_label=True) == "token_labels"


def test_an_encoder_can_not_hold_a_dialogue():
    with pytest.raises(InputError) as caught:
        objective_of("dialogue", "encoder")
    assert str(caught.value) == (
        "model.source: an encoder can't be trained for task: dialogue, which needs a model that writes text; "
        "take a decoder such as GPT-2, Llama or SmolLM2 or an encoder-decoder such as T5 or BART"
    )


@pytest.mark.parametrize(
    ("family", "name"), [("decoder", "a decoder"), ("encoder_decoder", "an encoder-decoder")]
)
def test_the_refusal_is_grammatical_for_each_family(monkeypatch, family, name):
    monkeypatch.setitem(OBJECTIVES, "dialogue", {"encoder": "spans"})
    with pytest.raises(InputError, match=f"^model.source: {name} can't be trained for task: dialogue, "):
        objective_of("dialogue", family)

"""Each objective's head on each family: what is new, what is refused, what a saved model says of itself."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tritune.errors import InputError
from tritune.models.finetuned import load_finetuned, mark
from tritune.models.load import empty_model, load_model

TAGS = ["O", "B-city", "I-city"]
CLASSIFIER = ["classifier.bias", "classifier.weight"]
ENDS = ["qa_outputs.bias", "qa_outputs.weight"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_model) -> Callable[..., Path]:
    """Return a function: (architecture) -> folder with the whole model, or its body alone."""
    folders: dict[tuple[str, bool], Path] = {}

    def save(architecture: str, *, body: bool = False) -> Path:
        if (architecture, body) not in folders:
            folder = tmp_path_factory.mktemp(architecture)
            model = tiny_model(architecture)
            (model.base_model if body else model).save_pretrained(folder)
            folders[architecture, body] = folder
        return folders[architecture, body]

    return save


def loaded(folder: Path, objective: str):
    """The model and its new tensors, after making sure that planning sees the same."""
    labels = TAGS if objective in {"single_label", "multi_label", "token_labels"} else []
    model, new = load_model(folder, objective=objective, labels=labels, seed=5)
    empty, planned = empty_model(folder, objective=objective, labels=labels)
    assert planned == new
    assert [name for name, _ in empty.named_parameters()] == [name for name, _ in model.named_parameters()]
    return model, new


def refusal(folder: Path, objective: str) -> str:
    with pytest.raises(InputError) as caught:
        load_model(folder, objective=objective, labels=TAGS, seed=5)
    with pytest.raises(InputError) as planning:
        empty_model(folder, objective=objective, labels=TAGS)
    assert str(planning.value) == str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "objective", "class_name", "new"),
    [
        ("bert", "multi_label", "BertForSequenceClassification", CLASSIFIER),
        ("bert", "token_labels", "BertForTokenClassification", CLASSIFIER),
        ("bert", "spans", "BertForQuestionAnswering", ENDS),
        ("deberta-v2", "token_labels", "DebertaV2ForTokenClassification", CLASSIFIER),
        ("roberta", "spans", "RobertaForQuestionAnswering", ENDS),
        ("gpt2", "token_labels", "GPT2ForTokenClassification", CLASSIFIER),
        ("gpt2", "causal_lm", "GPT2LMHeadModel", []),
        ("llama", "token_labels", "LlamaForTokenClassification", ["score.bias", "score.weight"]),
        ("t5", "token_labels", "T5ForTokenClassification", CLASSIFIER),
        ("t5", "sequence_to_sequence", "T5ForConditionalGeneration", []),
        ("bart", "sequence_to_sequence", "BartForConditionalGeneration", []),
    ],
)
def test_a_body_gets_the_head_of_the_objective(saved, architecture, objective, class_name, new):
    model, found = loaded(saved(architecture, body=True), objective)
    assert (type(model).__name__, found) == (class_name, new)


@pytest.mark.parametrize(
    ("architecture", "objective"),
    [
        *((name, "causal_lm") for name in ("gpt2-lm", "llama-lm", "qwen2-lm", "opt-lm")),
        *((name, "sequence_to_sequence") for name in ("t5-lm", "bart-lm", "pair")),
    ],
)
def test_a_model_that_writes_is_as_it_was_published(saved, tiny_model, architecture, objective):
    model, new = loaded(saved(architecture), objective)
    source = dict(tiny_model(architecture).named_parameters())
    assert new == []
    assert source.keys() == dict(model.named_parameters()).keys()
    assert all(torch.equal(parameter, source[name]) for name, parameter in model.named_parameters())


def test_an_encoder_decoder_tags_with_its_encoder_half(saved, tiny_model):
    model, _ = loaded(saved("t5-lm"), "token_labels")
    assert not any("decoder" in name for name, _ in model.named_parameters())
    source = tiny_model("t5-lm").encoder
    for name, parameter in source.named_parameters():
        assert torch.equal(model.get_parameter(f"transformer.encoder.{name}"), parameter)


def test_a_language_model_without_its_own_output_layer_is_refused(saved):
    folder = saved("llama-lm", body=True)
    assert refusal(folder, "causal_lm") == (
        f"the weights in {folder} are a body without the output layer that writes text (lm_head.weight); "
        "take the whole language model, as it was published"
    )


def test_a_language_model_with_a_random_layer_is_refused(saved, tmp_path):
    folder = shutil.copytree(saved("t5-lm"), tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("decoder.block.1.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    assert refusal(folder, "sequence_to_sequence").startswith(
        f"the weights in {folder} lack 13 tensors of the T5ForConditionalGeneration that its config.json "
    )


@pytest.mark.parametrize(
    ("architecture", "objective", "needed"),
    [
        (
            "opt-lm",
            "token_labels",
            "model type opt ({}) has no head for token classification in transformers; take an encoder such "
            "as BERT, RoBERTa, DistilBERT, DeBERTa-v2 or ModernBERT, a decoder such as GPT-2 or Llama, or "
            "T5, of which the encoder half is trained",
        ),
        (
            "modernbert",
            "causal_lm",
            "model type modernbert ({}) has no head for continuing a text in transformers; take a decoder "
            "such as GPT-2, Llama or SmolLM2",
        ),
        (
            "gpt2",
            "sequence_to_sequence",
            "model type gpt2 ({}) has no head for writing a text about another in transformers; take an "
            "encoder-decoder such as T5 or BART",
        ),
        (
            "pair",
            "single_label",
            "an encoder paired with a decoder ({}) has no head for text classification in transformers; "
            "leave model.decoder out, or take an encoder such as BERT, RoBERTa, DistilBERT, DeBERTa-v2 or "
            "ModernBERT",
        ),
    ],
)
def test_an_architecture_without_the_head_is_refused_with_what_would_do(
    saved, architecture, objective, needed
):
    assert refusal(saved(architecture), objective) == needed.format(saved(architecture))


def test_an_encoder_decoder_that_does_not_say_how_answers_begin_is_refused(tiny_model, tmp_path):
    tiny_model("t5-lm", decoder_start_token_id=None).save_pretrained(tmp_path)
    assert refusal(tmp_path, "sequence_to_sequence") == (
        f"{tmp_path}/config.json has no decoder_start_token_id, the token that every answer begins with; "
        "take the config.json that the model was published with"
    )


@pytest.mark.parametrize(
    ("architecture", "task", "objective"),
    [
        ("bert", "text_classification", "single_label"),
        ("bert", "named_entity_recognition", "token_labels"),
        ("t5", "named_entity_recognition", "token_labels"),
        ("bert", "question_answering", "spans"),
        ("gpt2-lm", "dialogue", "causal_lm"),
        ("bart-lm", "dialogue", "sequence_to_sequence"),
        ("pair", "dialogue", "sequence_to_sequence"),
    ],
)
def test_a_saved_model_says_what_it_is_for_and_comes_back(saved, tmp_path, architecture, task, objective):
    model, _ = loaded(saved(architecture), objective)
    mark(model, task=task, objective=objective, inputs=["text"], answering={})
    model.save_pretrained(tmp_path)
    tuned = load_finetuned(tmp_path)
    labels = TAGS if objective in {"single_label", "token_labels"} else []
    assert (tuned.task, tuned.objective.name, tuned.labels) == (task, objective, labels)
    assert not tuned.model.training
    before = dict(model.named_parameters())
    assert all(torch.equal(before[name], parameter) for name, parameter in tuned.model.named_parameters())


def test_an_objective_that_is_not_known_is_refused(saved, tmp_path):
    model, _ = loaded(saved("bert"), "single_label")
    mark(model, task="translation", objective="alignment", inputs=["text"], answering={})
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="was trained for 'alignment', which is not known here; known are "):
        load_finetuned(tmp_path)

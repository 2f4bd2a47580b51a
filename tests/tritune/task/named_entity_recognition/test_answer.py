from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from tritune.models.finetuned import mark
from tritune.objectives import token_labels
from tritune.task.named_entity_recognition.answer import Answerer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ada", "lovelace", "in", "北"]
LABELS = ["O", "B-person", "I-person", "B-place"]
OF_WORD = {"ada": 1, "lovelace": 2, "北": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT that knows each word's tag by heart: its embeddings pass through layers that add nothing."""
    folder = tmp_path_factory.mktemp("tagger")
    tokenizer = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=12
    ).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=12,
        pad_token_id=0,
        **token_labels.config(LABELS),
    )
    model = BertForTokenClassification(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        for name, weight in model.named_parameters():
            if name.endswith("LayerNorm.weight"):
                weight.fill_(1)
        for index, word in enumerate(WORDS):
            model.bert.embeddings.word_embeddings.weight[index, OF_WORD.get(word, 0)] = 1
        model.classifier.weight.copy_(2 * torch.eye(4, 8))
    mark(
        model,
        task="named_entity_recognition",
        objective="token_labels",
        inputs=["text"],
        answering={"stride": 3},
    )
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def answerer(folder: Path) -> Answerer:
    return Answerer(folder, device=torch.device("cpu"))


def answers(answerer: Answerer, *texts: str, batch_size: int = 2, everything: bool = False) -> list[dict]:
    inputs = [{"text": text} for text in texts]
    found = answerer.answer(inputs, batch_size=batch_size, ids=list(texts), everything=everything)
    return [dict(one) for one in found]


def test_entities_lead_back_to_the_text(answerer: Answerer) -> None:
    texts = ["  ada\tlovelace, in 北北 😀 ada", "in", "e\u0301 ada"]
    first, second, third = answers(answerer, *texts)
    assert [(one["type"], one["start"], one["end"], one["text"]) for one in first["entities"]] == [
        ("person", 2, 14, "ada\tlovelace"),
        ("place", 19, 20, "北"),
        ("place", 20, 21, "北"),
        ("person", 24, 27, "ada"),
    ]
    assert all(0.5 < one["probability"] < 1 for one in first["entities"])
    assert second == {"entities": []}
    assert [texts[2][one["start"] : one["end"]] for one in third["entities"]] == ["ada"]


def test_a_long_text_is_read_in_windows(answerer: Answerer) -> None:
    text = "in ada lovelace " * 20
    (answer,) = answers(answerer, text)
    assert [(one["start"], one["end"]) for one in answer["entities"]] == [
        (16 * number + 3, 16 * number + 15) for number in range(20)
    ]


def test_answers_do_not_depend_on_the_batch(answerer: Answerer) -> None:
    texts = ["ada", "in ada lovelace in", "lovelace " * 30]
    assert answers(answerer, *texts, batch_size=1) == answers(answerer, *texts, batch_size=8)


def test_on_request_every_word_is_there(answerer: Answerer) -> None:
    (answer,) = answers(answerer, "in ada.", everything=True)
    assert [(one["text"], one["start"], one["end"], one["tag"]) for one in answer["words"]] == [
        ("in", 0, 2, "O"),
        ("ada", 3, 6, "B-person"),
        (".", 6, 7, "O"),
    ]


def test_a_text_of_white_space_has_no_entity(answerer: Answerer) -> None:
    assert answers(answerer, " \n") == [{"entities": []}]

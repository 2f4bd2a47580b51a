"""Tokenizers of four kinds, built in code: how they cut words, and what they put around question and
context."""

from collections.abc import Callable
from typing import Any

import pytest

TEXTS = [
    "The Normans (Norman: Nourmands) gave their name to Normandy, a region in France.",
    "who what when where is the name of a region? In which country is it?",
    "tab\tstop, two  spaces, e\u0301clair cafe\u0301 naïve",
    "emoji 🐈 🇫🇷 👩‍👩‍👧 here",
    "北京是中华人民共和国的首都。",
    "باريس هي عاصمة فرنسا",
    "ירושלים עיר",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen",
]


def word_piece(tokenizers: Any) -> Any:
    """BERT: [CLS] question [SEP] context [SEP], with token types; lower case, accents cut off."""
    built = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    built.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    built.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False
    )
    built.train_from_iterator(TEXTS, trainer)
    built.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return built, {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}


def byte_level(tokenizers: Any) -> Any:
    """RoBERTa: <s> question </s> </s> context </s>, no token types; a letter can be several tokens."""
    built = tokenizers.Tokenizer(tokenizers.models.BPE())
    built.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    built.train_from_iterator(TEXTS, trainer)
    built.post_processor = tokenizers.processors.RobertaProcessing(
        sep=("</s>", 2), cls_token=("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return built, {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>"}


def sentence_piece(tokenizers: Any) -> Any:
    """XLM-R and DeBERTa-v3: unigrams with the space before a word; [CLS] question [SEP] context [SEP]."""
    built = tokenizers.Tokenizer(tokenizers.models.Unigram())
    built.normalizer = tokenizers.normalizers.NFKC()
    built.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=260,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
        unk_token="[UNK]",
        show_progress=False,
    )
    built.train_from_iterator(TEXTS, trainer)
    built.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return built, {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}


def plain_words(tokenizers: Any) -> Any:
    """One token a word, no CLS token: question ; context ; (the last special token stands at the right)."""
    built = tokenizers.Tokenizer(tokenizers.models.WordLevel(unk_token="?"))
    built.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    trainer = tokenizers.trainers.WordLevelTrainer(special_tokens=["?", "<pad>", ";"], show_progress=False)
    built.train_from_iterator(TEXTS, trainer)
    built.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A ;", pair="$A ; $B ;", special_tokens=[(";", 2)]
    )
    return built, {"pad_token": "<pad>", "unk_token": "?", "sep_token": ";"}


KINDS = {
    "word_piece": word_piece,
    "byte_level": byte_level,
    "sentence_piece": sentence_piece,
    "plain_words": plain_words,
}


@pytest.fixture(scope="session", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of tokenizer in turn."""
    return request.param


@pytest.fixture(scope="session")
def tokenizer_of() -> Callable[..., Any]:
    """Return a function: (kind, max_length=...) -> `TextTokenizer`."""
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    from tritune.tokenizing import TextTokenizer

    built: dict[str, Any] = {}

    def make(kind: str, *, max_length: int = 64) -> TextTokenizer:
        if kind not in built:
            backend, special = KINDS[kind](tokenizers)
            built[kind] = PreTrainedTokenizerFast(tokenizer_object=backend, **special)
        fast = built[kind]
        return TextTokenizer(
            tokenizer=fast,
            pad_token_id=fast.pad_token_id,
            pad_is_eos=False,
            max_length=max_length,
            token_types=kind == "word_piece",
        )

    return make

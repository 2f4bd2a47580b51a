"""Six kinds of tokenizers, built in code: which tokens stand for which word, token by token."""

from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tritune.settings.model import TokenizeSettings
from tritune.task.named_entity_recognition.encode import encoder
from tritune.tokenizing import TextTokenizer
from tritune.tokens import IGNORED
from tritune.word_pieces import WordPieces

WORDS = ["Ada", "Lovelace's", "e\u0301te\u0301", "😀", "x\ty", "北京", "قاهرة", "\ufe0f"]


def ids(tokens: list[str]) -> dict[str, int]:
    return {token: index for index, token in enumerate(tokens)}


def word_piece() -> Tokenizer:
    known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ada", "love", "##lace", "'", "s", "北", "京", "et", "##e"]
    tokenizer = Tokenizer(models.WordPiece(ids([*known, "x", "y", "قاهر", "##ة"]), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def byte_level_bpe(*, parted_first: bool = False) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = ids([*alphabet, "Ad", "Ada", "ĠAda", "Ġx"])
    tokenizer = Tokenizer(models.BPE(vocabulary, [("A", "d"), ("Ad", "a"), ("Ġ", "Ada"), ("Ġ", "x")]))
    if parted_first:  # as Llama 3 and Qwen do
        parts = Regex(r"'s|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(parts, "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def unigram(*, scheme: str = "always", byte_fallback: bool = False) -> Tokenizer:
    pieces = [("<unk>", 0.0), ("▁", -3.0), ("▁Ada", -1.0), ("▁Love", -2.0), ("lace", -2.0), ("'", -4.0)]
    pieces += [("s", -4.0), ("北京", -2.0), ("x", -4.0), ("a", -5.0)]
    pieces += [(f"<0x{byte:02X}>", -20.0) for byte in range(256)] if byte_fallback else []
    tokenizer = Tokenizer(models.Unigram(pieces, 0, byte_fallback=byte_fallback))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return tokenizer


def metaspace_bpe() -> Tokenizer:
    vocabulary = ids(["<unk>", "▁", "A", "d", "a", "▁A", "da", "▁Ada", "x", "y"])
    merges = [("▁", "A"), ("d", "a"), ("▁A", "da")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    return tokenizer


def word_level() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(ids(["[UNK]", "Ada", "'", "s", "x", "y"]), unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def tokens(build: Callable[..., Tokenizer], **options: Any) -> tuple[list[list[str]], list[str], list[str]]:
    tokenizer = build(**options)
    (pieces,) = WordPieces(PreTrainedTokenizerFast(tokenizer_object=tokenizer)).encode([WORDS])
    named = [[tokenizer.id_to_token(token) for token in word] for word in pieces.words]
    return (
        named,
        [tokenizer.id_to_token(token) for token in pieces.before],
        [tokenizer.id_to_token(token) for token in pieces.after],
    )


def test_word_piece_drops_accents_and_lone_marks() -> None:
    words, before, after = tokens(word_piece)
    assert words == [
        ["ada"],
        ["love", "##lace", "'", "s"],
        ["et", "##e"],
        ["[UNK]"],
        ["x", "y"],
        ["北", "京"],
        ["قاهر", "##ة"],
        [],
    ]
    assert (before, after) == (["[CLS]"], ["[SEP]"])


@pytest.mark.parametrize("parted_first", [False, True])
def test_byte_level_bpe_gets_the_space_of_running_text(parted_first: bool) -> None:
    words, before, after = tokens(byte_level_bpe, parted_first=parted_first)
    assert words == [
        ["ĠAda"],
        ["Ġ", *"Lovelace's"],
        ["Ġ", "e", "Ì", "ģ", "t", "e", "Ì", "ģ"],
        ["Ġ", "ð", "Ł", "ĺ", "Ģ"],
        ["Ġx", "ĉ", "y"],
        ["Ġ", "å", "Į", "Ĺ", "ä", "º", "¬"],
        ["Ġ", "Ù", "Ĥ", "Ø", "§", "Ù", "ĩ", "Ø", "±", "Ø", "©"],
        ["Ġ", "ï", "¸", "ı"],
    ]
    assert before == after == []


@pytest.mark.parametrize("scheme", ["always", "first", "never"])
def test_sentence_piece_unigram_has_its_mark_whatever_its_scheme(scheme: str) -> None:
    words, before, after = tokens(unigram, scheme=scheme)
    assert words == [
        ["▁Ada"],
        ["▁Love", "lace", "'", "s"],
        ["▁", "<unk>"],
        ["▁", "<unk>"],
        ["▁", "x", "<unk>"],
        ["▁", "北京"],
        ["▁", "<unk>"],
        ["▁", "<unk>"],
    ]
    assert (before, after) == ([], ["</s>"])


def test_unigram_with_bytes_loses_no_character() -> None:
    words, _, _ = tokens(unigram, byte_fallback=True)
    assert words[2] == ["▁", *(f"<0x{byte:02X}>" for byte in "e\u0301te\u0301".encode())]
    assert words[3] == ["▁", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>"]
    assert words[5] == ["▁", "北京"]


def test_bpe_with_metaspace() -> None:
    words, _, _ = tokens(metaspace_bpe)
    assert words[0] == ["▁Ada"]
    assert words[4] == ["▁", "x", "<unk>", "y"]
    assert words[5] == ["▁", "<unk>"]


def test_word_level() -> None:
    words, _, _ = tokens(word_level)
    assert words == [
        ["Ada"],
        ["[UNK]", "'", "s"],
        ["[UNK]"],
        ["[UNK]"],
        ["x", "y"],
        ["[UNK]"],
        ["[UNK]"],
        ["[UNK]"],
    ]


BUILDERS = [word_piece, byte_level_bpe, unigram, metaspace_bpe, word_level]


@pytest.mark.parametrize("build", BUILDERS)
def test_all_is_as_in_transformers_but_for_the_space(build: Callable[[], Tokenizer]) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=build())
    pieces = WordPieces(tokenizer)
    given = [f" {word}" for word in WORDS] if pieces.space_before else WORDS
    theirs = tokenizer(given, is_split_into_words=True)
    (ours,) = pieces.encode([WORDS])
    assert ours.before + [token for word in ours.words for token in word] + ours.after == theirs["input_ids"]
    numbers = [index for index, word in enumerate(ours.words) for _ in word]
    assert [number for number in theirs.word_ids() if number is not None] == numbers


def test_truncation_and_padding_of_the_tokenizer_do_not_matter() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_piece(), pad_token="[PAD]")
    tokenizer(["ada ada"], truncation=True, max_length=3, padding="max_length")
    (pieces,) = WordPieces(tokenizer).encode([["ada"] * 5])
    assert len(pieces.words) == 5
    assert all(len(word) == 1 for word in pieces.words)


def test_a_row_without_tokens_keeps_its_special_ones() -> None:
    pieces = WordPieces(PreTrainedTokenizerFast(tokenizer_object=word_piece())).encode([[], ["\ufe0f"]])
    assert [(one.words, one.before, one.after) for one in pieces] == [([], [2], [3]), ([[]], [2], [3])]


TAGS = ["B-x", "I-x", "O", "O", "O", "B-x", "B-x", "I-x"]


@pytest.mark.parametrize(
    ("build", "options", "labels", "without_tokens"),
    [
        (word_piece, {}, ".BI...O.OO.B.B..", 1),
        (byte_level_bpe, {}, "BI..........O.......O....O..B......B..........I...", 0),
        (unigram, {}, "BI...O.O.O..B.B.I..", 0),
        (unigram, {"byte_fallback": True}, "BI...O.......O....O...B.B..........I....", 0),
        (metaspace_bpe, {}, "BI...O.O.O...B.B.I.", 0),
        (word_level, {}, "BI..OOO.BBI", 0),
    ],
)
def test_labels_token_by_token(
    build: Callable[..., Tokenizer], options: dict[str, Any], labels: str, without_tokens: int
) -> None:
    """A point is a token without label."""
    tokenizer = TextTokenizer(
        tokenizer=PreTrainedTokenizerFast(tokenizer_object=build(**options)),
        pad_token_id=0,
        pad_is_eos=False,
        max_length=64,
    )
    names = ["O", "B-x", "I-x"]
    made = encoder(tokenizer, TokenizeSettings(), labels=names, objective="token_labels", given=())
    counts: dict[str, int] = {}
    (row,) = made.encode({"id": ["a"], "tokens": [WORDS], "tags": [TAGS]}, counts).to_pylist()
    assert "".join("." if label == IGNORED else names[label][0] for label in row["labels"]) == labels
    assert counts["words_without_tokens"] == without_tokens

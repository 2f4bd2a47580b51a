import pyarrow as pa
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tritune.settings.model import TokenizeSettings
from tritune.task.named_entity_recognition.encode import encoder, words_batch
from tritune.tokenizing import TextTokenizer
from tritune.tokens import IGNORED

CLS, SEP = 1, 2
LABELS = ["O", "B-x", "I-x"]


def text_tokenizer(*, max_length: int, special: bool = True) -> TextTokenizer:
    """Words of letters become one token a letter: a is 3, b is 4, and what follows of a word is 10 higher."""
    vocabulary = {"[PAD]": 0, "[CLS]": CLS, "[SEP]": SEP}
    vocabulary |= {letter: number for number, letter in enumerate("abcdefg", start=3)}
    vocabulary |= {f"##{letter}": number for number, letter in enumerate("abcdefg", start=13)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[PAD]", max_input_chars_per_word=99))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if special:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
        )
    return TextTokenizer(
        tokenizer=PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]"),
        pad_token_id=0,
        pad_is_eos=False,
        max_length=max_length,
    )


def encoded(
    words: list[str], tags: list[str], *, max_length: int = 32, stride: int = 2, special: bool = True
) -> tuple[list[dict], dict[str, int]]:
    made = encoder(
        text_tokenizer(max_length=max_length, special=special),
        TokenizeSettings(max_length=max_length, stride=stride),
        labels=LABELS,
        objective="token_labels",
        given=("tokens", "tags"),
    )
    counts: dict[str, int] = {}
    batch = made.encode({"id": ["train:1"], "tokens": [words], "tags": [tags]}, counts)
    assert batch.schema == made.schema
    return batch.to_pylist(), counts


def test_the_first_token_of_a_word_has_its_tag_and_no_other() -> None:
    rows, counts = encoded(["ab", "\t", "c"], ["B-x", "I-x", "O"])
    assert rows == [
        {
            "id": "train:1",
            "input_ids": [CLS, 3, 14, 5, SEP],
            "labels": [IGNORED, 1, IGNORED, 0, IGNORED],
            "words": [-1, 0, -1, 2, -1],
        }
    ]
    assert counts == {"windows": 0, "words_without_tokens": 1, "words_cut": 0, "words_not_learnt": 0}


def test_a_tag_that_is_not_learnt_is_asked_for_but_not_taught() -> None:
    rows, counts = encoded(["a", "b"], ["B-rare", "B-x"])
    assert rows[0]["labels"] == [IGNORED, IGNORED, 1, IGNORED]
    assert rows[0]["words"] == [-1, 0, 1, -1]
    assert counts["words_not_learnt"] == 1


def test_a_long_text_becomes_windows_in_which_each_word_has_its_label_once() -> None:
    words = ["a", "bcd", "e", "f", "ga", "b", "c"]
    tags = ["O", "B-x", "I-x", "O", "B-x", "O", "I-x"]
    rows, counts = encoded(words, tags, max_length=7, stride=2)
    assert [row["input_ids"] for row in rows] == [
        [CLS, 3, 4, 15, 16, 7, SEP],  # a bcd e
        [CLS, 7, 8, 9, 13, 4, SEP],  # e f ga b
        [CLS, 4, 5, SEP],  # b c
    ]
    assert [row["words"] for row in rows] == [
        [-1, 0, 1, -1, -1, 2, -1],
        [-1, -1, 3, 4, -1, 5, -1],
        [-1, -1, 6, -1],
    ]
    labels = [label for row in rows for label in row["labels"] if label != IGNORED]
    assert labels == [LABELS.index(tag) for tag in tags]
    assert counts["windows"] == 2


def test_a_word_longer_than_a_window_loses_its_end_but_not_its_label() -> None:
    rows, counts = encoded(["a", "b" * 9], ["O", "B-x"], max_length=5)
    assert [row["input_ids"] for row in rows] == [[CLS, 3, SEP], [CLS, 4, 14, 14, SEP]]
    assert rows[1]["labels"] == [IGNORED, 1, IGNORED, IGNORED, IGNORED]
    assert counts["words_cut"] == 1


def test_a_text_without_any_token_still_has_a_row() -> None:
    rows, _ = encoded(["\t"], ["B-x"], special=False)
    assert rows == [{"id": "train:1", "input_ids": [0], "labels": [IGNORED], "words": [-1]}]


def test_new_texts_are_cut_as_training_s_were() -> None:
    made = encoder(
        text_tokenizer(max_length=7),
        TokenizeSettings(stride=2),
        labels=LABELS,
        objective="token_labels",
        given=("tokens", "tags"),
    )
    batch = words_batch(made, [["a"], ["a", "bcd", "e", "f"]])
    assert batch.column("id").to_pylist() == ["0", "1", "1"]
    assert batch.column("words").to_pylist()[1:] == [[-1, 0, 1, -1, -1, 2, -1], [-1, -1, 3, -1]]
    assert isinstance(batch, pa.RecordBatch)

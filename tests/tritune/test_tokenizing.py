import json
import shutil
from pathlib import Path

import pytest

from tritune.errors import InputError
from tritune.tokenizing import NO_LIMIT, load_tokenizer, model_limit


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


def edit(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def test_special_tokens_surround_the_words(base):
    encoded = load_tokenizer(base, max_length=16).encode(["the rose", "a unknown"])
    assert [ids[0] for ids in encoded.input_ids] == [2, 2]
    assert [ids[-1] for ids in encoded.input_ids] == [3, 3]
    assert encoded.input_ids[1][2] == 1
    assert encoded.truncated == 0


def test_long_texts_lose_their_end_and_keep_the_special_tokens(base):
    encoded = load_tokenizer(base, max_length=5).encode(["the rose is near the old tree", "the rose"])
    assert [len(ids) for ids in encoded.input_ids] == [5, 4]
    assert encoded.input_ids[0][-1] == 3
    assert encoded.truncated == 1


def test_no_texts_are_no_rows(base):
    assert load_tokenizer(base, max_length=5).encode([]).input_ids == []


def test_the_model_limits_the_length(base):
    assert load_tokenizer(base, max_length=500).max_length == 64


@pytest.mark.parametrize(
    ("config", "tokenizer_limit", "expected"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, int(1e30), 512),
        ({"model_type": "bert", "max_position_embeddings": 512}, 128, 128),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, int(1e30), 512),
        ({"model_type": "roberta", "max_position_embeddings": 514}, int(1e30), 512),
        ({"model_type": "gpt2", "n_positions": 1024}, int(1e30), 1024),
        ({"model_type": "t5", "n_positions": 512}, int(1e30), NO_LIMIT),
        ({"model_type": "xlnet", "max_position_embeddings": -1}, int(1e30), NO_LIMIT),
    ],
)
def test_what_the_model_can_read(config, tokenizer_limit, expected):
    assert model_limit(config, tokenizer_limit=tokenizer_limit, pad_token_id=1) == expected


def test_without_a_pad_token_the_end_of_sequence_token_pads(base):
    edit(base / "tokenizer_config.json", pad_token=None, eos_token="[SEP]")
    tokenizer = load_tokenizer(base, max_length=16)
    assert (tokenizer.pad_token_id, tokenizer.pad_is_eos) == (3, True)


def test_neither_pad_nor_end_of_sequence_token(base):
    edit(base / "tokenizer_config.json", pad_token=None)
    with pytest.raises(InputError) as error:
        load_tokenizer(base, max_length=16)
    assert str(error.value) == (
        f"the tokenizer in {base} has neither a pad nor an end-of-sequence token; "
        "name one as pad_token in tokenizer_config.json"
    )


def test_no_tokenizer_files_at_all(base):
    for path in base.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(InputError) as error:
        load_tokenizer(base, max_length=16)
    assert str(error.value) == (
        f"the model in {base} has no tokenizer files; "
        "put its tokenizer.json (or vocab.txt, vocab.json with merges.txt) beside config.json"
    )


def test_a_broken_tokenizer_file(base):
    (base / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"has no tokenizer that can be loaded \(.*\); its folder needs"):
        load_tokenizer(base, max_length=16)


def test_a_tokenizer_of_another_model(base):
    edit(base / "config.json", vocab_size=10)
    with pytest.raises(InputError, match=r"has token ids up to \d+, but the model knows only 10 tokens"):
        load_tokenizer(base, max_length=16)


def test_a_length_that_holds_no_word(base):
    edit(base / "config.json", max_position_embeddings=2)
    with pytest.raises(InputError) as error:
        load_tokenizer(base, max_length=16)
    assert str(error.value) == (
        "tokenize.max_length: 2 tokens leave no room beside the 2 special tokens "
        f"of the model in {base}; set it to 3 or more"
    )


def test_a_text_without_any_token_is_named(base):
    content = json.loads((base / "tokenizer.json").read_text())
    content["post_processor"] = None
    (base / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = load_tokenizer(base, max_length=16)
    with pytest.raises(InputError) as error:
        tokenizer.encode(["rose", " "], row_ids=["train.csv:1", "train.csv:2"])
    assert str(error.value) == (
        "train.csv:2: the text ' ' gives no token with this model's tokenizer; "
        "remove the row or give it words"
    )
    with pytest.raises(InputError, match=r"^row 1: the text"):
        tokenizer.encode([" "])

"""Two encoders made into one encoder-decoder: the second learns to write, with a cross-attention that is new.

Source: Rothe et al. 2020, https://arxiv.org/abs/1907.12461; the folder is one of transformers'
`EncoderDecoderModel`, which names the tensors. What neither encoder has (cross-attention, and the output
layer unless the second one was saved with the one that fills in masked words) is left out, so that loading
draws it from the seed. The output matrix is the decoder's own embedding, as it was in its pretraining.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tritune.errors import InputError
from tritune.models.source import CONFIG, TOKENIZER, WEIGHTS, model_files

KINDS = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta", "camembert": "roberta"}
"""Model types that can be either half -> what their tensors' names begin with in a model with a head."""

OUTPUT = {"bert": "cls.predictions.", "roberta": "lm_head."}
BODY = ("embeddings.", "encoder.")
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")


def check_pair(encoder: Path, decoder: Path, *, sources: tuple[str, str]) -> None:
    """Check what config.json tells, fast.

    Args:
        encoder: Folder of the model that reads.
        decoder: Folder of the model that is to write.
        sources: Both as in params.yaml, for messages.

    Raises:
        InputError: One is of a kind that can't be paired, or they differ in the size of the vocabulary.
    """
    first, second = _config(encoder), _config(decoder)
    for key, source, config in zip(("model.source", "model.decoder"), sources, (first, second), strict=True):
        if config["model_type"] not in KINDS:
            raise InputError(
                f"{key}: {source}: a model of the type {config['model_type']} can't be one half of a pair, "
                f"only {', '.join(KINDS)} can; leave model.decoder out and take an encoder-decoder such as "
                "T5 or BART"
            )
    if first.get("vocab_size") != second.get("vocab_size"):
        raise _other_vocabulary(sources)


def write_pair(encoder: Path, decoder: Path, target: Path, *, sources: tuple[str, str]) -> None:
    """Write the encoder-decoder into `target`, which exists: the same bytes for the same two folders.

    Args: as `check_pair`.

    Raises:
        InputError: As `check_pair`, or the vocabularies differ, or the tokenizer lacks the tokens that begin,
            end and pad a text.
    """
    from safetensors.torch import save_file
    from transformers import AutoTokenizer

    check_pair(encoder, decoder, sources=sources)
    tokenizers = [
        AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        for folder in (encoder, decoder)
    ]
    if tokenizers[0].get_vocab() != tokenizers[1].get_vocab():
        raise _other_vocabulary(sources)
    ids = {
        "bos_token_id": _first(tokenizers[0].cls_token_id, tokenizers[0].bos_token_id),
        "eos_token_id": _first(tokenizers[0].sep_token_id, tokenizers[0].eos_token_id),
        "pad_token_id": tokenizers[0].pad_token_id,
    }
    if None in ids.values():
        raise InputError(
            f"model.source: {sources[0]}: its tokenizer names no token that begins, ends or pads a text "
            "(cls_token, sep_token, pad_token), which a decoder needs; take a model with its whole tokenizer"
        )
    writing = {**_config(decoder), **ids, "is_decoder": True, "add_cross_attention": True}
    config = {
        "architectures": ["EncoderDecoderModel"],
        "decoder": writing,
        "decoder_start_token_id": ids["bos_token_id"],
        "encoder": {**_config(encoder), "is_decoder": False, "add_cross_attention": False},
        "is_encoder_decoder": True,
        "model_type": "encoder-decoder",
        "vocab_size": writing["vocab_size"],
        **ids,
    }
    tensors = {**dict(_encoder_tensors(encoder)), **dict(_decoder_tensors(decoder))}
    save_file(dict(sorted(tensors.items())), target / WEIGHTS, metadata={"format": "pt"})
    (target / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for name in model_files(encoder, where=f"model.source: {sources[0]}"):
        if name in TOKENIZER:
            shutil.copyfile(encoder / name, target / name)


def _encoder_tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    prefix = KINDS[_config(folder)["model_type"]]
    for name, tensor in _tensors(folder).items():
        inner = name.removeprefix(f"{prefix}.")
        if inner.startswith((*BODY, "pooler.")) and inner not in BUFFERS:
            yield f"encoder.{inner}", tensor


def _decoder_tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    config = _config(folder)
    prefix = KINDS[config["model_type"]]
    tied = config.get("tie_word_embeddings", True)
    for name, tensor in _tensors(folder).items():
        inner = name.removeprefix(f"{prefix}.")
        if inner.startswith(BODY) and inner not in BUFFERS:
            yield f"decoder.{prefix}.{inner}", tensor
        elif name.startswith(OUTPUT[prefix]) and not (tied and ".decoder." in name):
            yield f"decoder.{name}", tensor


def _tensors(folder: Path) -> Mapping[str, Any]:
    from safetensors.torch import load_file

    names = [name for name in model_files(folder, where=str(folder)) if name.endswith(".safetensors")]
    return {key: tensor for name in names for key, tensor in load_file(folder / name).items()}


def _config(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return content


def _first(*ids: int | None) -> int | None:
    return next((one for one in ids if one is not None), None)


def _other_vocabulary(sources: tuple[str, str]) -> InputError:
    return InputError(
        f"model.decoder: {sources[1]} has another vocabulary than model.source: {sources[0]}, and one "
        "tokenizer serves both; take two models with the same tokenizer, for example twice the same"
    )

"""A model in a GGUF file, the format of llama.cpp, turned into the folder that everything else reads.

Source of the format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. transformers reads it; where
we differ:
- The weights are stored as float32. The quantised types are numbers times a scale, whose products fit no
  half-precision type: of SmolLM2's Q4_1 weights, bfloat16 would round more than two in three. So nothing is
  lost, and training, which holds float32 weights anyway, starts from what llama.cpp computes with.
- How text is split before byte-level BPE is taken from the file's `tokenizer.ggml.pre`, also where
  transformers falls back to GPT-2's way (5.23: SmolLM, StarCoder and others, whose digits stand alone). A way
  that is not known is refused: the model would read other tokens than it was pretrained on.
"""

import io
import struct
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from tritune.errors import InputError

ENDING = ".gguf"
MAGIC = b"GGUF"
DIGITS_ALONE = {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}
LIKE_GPT2 = {"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4"}
"""Values of `tokenizer.ggml.pre`, as llama.cpp understands them (src/llama-vocab.cpp)."""


def check_gguf(path: Path, *, source: str, key: str) -> None:
    """Look at the first bytes only: fit for a check before anything runs.

    Args:
        path: The file, which exists.
        source: As in params.yaml, for the message.
        key: Key in params.yaml, for the message.

    Raises:
        InputError: It is no GGUF file.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start == b"version ":
        raise InputError(
            f"{key}: {source} is a Git LFS pointer, not the weights; run `git lfs pull` in its folder"
        )
    if not start.startswith(MAGIC):
        raise InputError(
            f"{key}: {source} is no GGUF file: it begins with {start[:4]!r} instead of {MAGIC!r}; "
            "download it again, or name a folder with safetensors weights"
        )


def convert_gguf(path: Path, target: Path, *, source: str, key: str) -> None:
    """Write the model as config.json, safetensors and tokenizer into `target`, which exists.

    The same file gives the same bytes. Takes memory for the float32 weights three times.

    Raises:
        InputError: The file is damaged, cut short, or of an architecture, a tensor type or a tokenizer that
            transformers can't convert, or the package `gguf` is not installed.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, GgufConfig

    from tritune.models.silence import silence

    check_gguf(path, source=source, key=key)
    metadata = _metadata(path, source=source, key=key)
    place: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True, "trust_remote_code": False}
    try:
        # transformers draws a bar of its own on standard error.
        with silence(), redirect_stderr(io.StringIO()):
            tokenizer = _tokenizer(path, metadata, place, source=source, key=key)
            config = AutoConfig.from_pretrained(str(path.parent), **place)
            auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
            model, report = auto.from_pretrained(
                str(path.parent),
                dtype=torch.float32,
                quantization_config=GgufConfig(dequantize=True),
                output_loading_info=True,
                **place,
            )
    except ImportError as error:
        raise InputError(
            f"{key}: {source}: reading a GGUF file needs the package gguf ({' '.join(str(error).split())}); "
            "install it into this environment: pip install gguf"
        ) from None
    except (ValueError, KeyError, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{key}: {source}: transformers can't convert this file ({' '.join(str(error).split())}); "
            "take the model's safetensors"
        ) from None
    if missing := sorted(report["missing_keys"]):
        raise InputError(
            f"{key}: {source}: the file lacks {len(missing)} tensors of a {type(model).__name__}, "
            f"{missing[0]} among them; take the model's safetensors"
        )
    # It is a plain model now, and says nothing of the file that it came from.
    model.hf_quantizer = None
    for trace in ("quantization_config", "_model_name_or_path"):
        if hasattr(model.config, trace):
            delattr(model.config, trace)
    tokenizer.model_max_length = getattr(config, "max_position_embeddings", tokenizer.model_max_length)
    with silence():
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
    (target / "generation_config.json").unlink(missing_ok=True)


def _metadata(path: Path, *, source: str, key: str) -> dict[str, Any]:
    """Return the file's metadata after checking that it is whole and can be converted."""
    from transformers.integrations.gguf.gguf_config_mapping import GGUF_CONFIG_ARCHS
    from transformers.integrations.gguf.reader import GgufHeader, read_gguf_metadata
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    try:
        metadata: dict[str, Any] = read_gguf_metadata(str(path))[0]
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError, MemoryError):
        raise _cut_short(path, source=source, key=key) from None
    except ValueError as error:
        raise InputError(f"{key}: {source} can't be read: {error} Download it again") from None
    architecture = metadata["general.architecture"]
    known = {*GGUF_SUPPORTED_ARCHITECTURES, *GGUF_CONFIG_ARCHS}
    if architecture not in known:
        raise InputError(
            f"{key}: {source}: transformers can't convert a GGUF file of the architecture {architecture!r}; "
            f"it converts {', '.join(sorted(known))}. Take the model's safetensors"
        )
    try:
        header = GgufHeader.from_file(str(path))
    except (struct.error, IndexError, UnicodeDecodeError):
        raise _cut_short(path, source=source, key=key) from None
    except ValueError as error:
        raise InputError(
            f"{key}: {source} {str(error).removeprefix(str(path)).strip()} Take another file of it"
        ) from None
    end = header.data_start + max((tensor.offset + tensor.nbytes for tensor in header.tensors), default=0)
    if path.stat().st_size < end:
        raise _cut_short(path, source=source, key=key, expected=end)
    return metadata


def _cut_short(path: Path, *, source: str, key: str, expected: int | None = None) -> InputError:
    header = f"its header says {expected:,}" if expected else "less than its header"
    return InputError(
        f"{key}: {source} is cut short: {path.stat().st_size:,} bytes, {header}; download it again"
    )


def _tokenizer(path: Path, metadata: dict[str, Any], place: dict[str, Any], *, source: str, key: str) -> Any:
    """Return the file's tokenizer, splitting text as the model's own did."""
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **place)
    if metadata.get("tokenizer.ggml.model") != "gpt2":
        return tokenizer
    # Old files do not say; only GPT-2's own are then what transformers takes them for.
    unsaid = "gpt-2" if metadata["general.architecture"] == "gpt2" else "default"
    way = metadata.get("tokenizer.ggml.pre", unsaid)
    if way in DIGITS_ALONE:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
    elif way not in LIKE_GPT2 and way not in GGUF_PRE_TOKENIZER_SPLITS:
        raise InputError(
            f"{key}: {source}: how its tokenizer splits text (tokenizer.ggml.pre: {way}) is not known here, "
            "so the model would read other tokens than it was pretrained on; take the model's safetensors"
        )
    return tokenizer

"""Which tensors of a loaded model may be new, and a refusal where others are.

A training that starts from a partly random body starts from no pretrained model. New may be:
- a head that stands outside the body: the classifier of a text or of its tokens, the ends of an answer;
- a whole pooler, which models pretrained without one lack: a direct child of the body with matrices, but
  neither layers nor embeddings;
- of two encoders that were paired: the cross-attention, the output layer of the half that became the decoder,
  and the projection between halves of different widths; each whole, or not at all.
Nothing may be of a model that was pretrained to write text: its output layer is a part of what it knows.
"""

from collections.abc import Collection
from pathlib import Path

from torch import nn
from transformers import EncoderDecoderModel, PreTrainedModel

from tritune.errors import InputError


def refuse_incomplete(folder: Path, model: PreTrainedModel, new: Collection[str]) -> None:
    """Refuse weights that leave a part random that should be pretrained.

    Args:
        folder: Where they are, for the message.
        model: With or without its weights.
        new: Names of the tensors that the folder does not have, or in another shape.

    Raises:
        InputError: Some of them may not be new.
    """
    new = set(new)
    if isinstance(model, EncoderDecoderModel):
        lost = _lost_of_pair(model, new)
    elif model.get_output_embeddings() is not None:
        lost = new
    else:
        lost = _lost_of_body(model, new)
    if not lost:
        return
    output = model.get_output_embeddings()
    writes = output is not None
    if writes and all(any(model.get_parameter(n) is own for own in output.parameters()) for n in lost):
        raise InputError(
            f"the weights in {folder} are a body without the output layer that writes text ({min(lost)}); "
            "take the whole language model, as it was published"
        )
    body = model if writes else model.base_model
    raise InputError(
        f"the weights in {folder} lack {len(lost)} tensors of the {type(body).__name__} that its "
        f"config.json describes, or have them in another shape, {min(lost)} among them; take config.json "
        "and weights from the same model, with all its files"
    )


def _lost_of_body(model: PreTrainedModel, new: set[str], *, before: str = "") -> set[str]:
    """Return the new tensors of the body that are no whole pooler.

    Args:
        before: Path of `model` in the names of `new`, with its dot.
    """
    body = model.base_model
    prefix = before + ("" if body is model else f"{model.base_model_prefix}.")
    lost: set[str] = set()
    for child, module in body.named_children():
        tensors = {f"{prefix}{child}.{name}" for name, _ in module.named_parameters()}
        kinds = {type(part) for part in module.modules()}
        pooler = nn.Linear in kinds and not kinds & {nn.ModuleList, nn.Embedding}
        if not (pooler and tensors <= new):
            lost |= tensors & new
    return lost


def _lost_of_pair(model: EncoderDecoderModel, new: set[str]) -> set[str]:
    names = {name for name, _ in model.named_parameters()}
    body = f"decoder.{model.decoder.base_model_prefix}."
    cross = {name for name in names if name.startswith(body) and ".crossattention." in name}
    output = {name for name in names if name.startswith("decoder.") and not name.startswith(body)}
    between = {name for name in names if name.startswith("enc_to_dec_proj.")}
    whole = {name for part in (cross, output, between) if part <= new for name in part}
    pooler = {name for name in names if name.startswith("encoder.pooler.")}
    if pooler <= new:
        whole |= pooler
    return new - whole

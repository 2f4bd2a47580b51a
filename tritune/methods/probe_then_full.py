"""The head alone first, on the pretrained body as it is; then everything at one rate (LP-FT).

Source: Kumar et al. 2022, https://arxiv.org/abs/2202.10054: under a random head, the first steps of full
fine-tuning distort the pretrained features; a head that fits them already leaves them nearly as they are.
Where we differ: they fit the head to the end and fine-tune after it, each with hyperparameters of its own;
here both share the steps of one training, so that it costs no more than full fine-tuning. How large the
head's share is best, is untested: `head_share` is 1/3 by default.
"""

from collections.abc import Collection

from tritune.errors import InputError
from tritune.models.layers import Anatomy
from tritune.plan.rate import Rate
from tritune.settings.method import ProbeThenFullSettings

Settings = ProbeThenFullSettings


def rates(
    anatomy: Anatomy, settings: ProbeThenFullSettings, *, new_tensors: Collection[str], key: str
) -> dict[str, Rate]:
    """Return every tensor's rate by name. What is new learns from the first step, in the body too.

    Args:
        anatomy: The model, taken apart.
        new_tensors: Names of the tensors that the base model does not have.
        key: Where the settings stand in params.yaml, for messages.

    Raises:
        InputError: The model has no head of its own, and nothing in it is new.
    """
    first = {tensor.name for part in anatomy.parts if part.role == "head" for tensor in part.tensors}
    first |= set(new_tensors)
    if not first:
        raise InputError(
            f"{key}.kind: probe_then_full begins with the head, but the {anatomy.architecture} has no head "
            "of its own: its output layer shares the matrix of the embeddings; take kind: gradual or full"
        )
    return {name: Rate(start=0.0 if name in first else settings.head_share) for name in anatomy.order}

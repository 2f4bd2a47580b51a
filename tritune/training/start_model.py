"""The model that a training starts with: the base with the new head, and the adapters, that a seed draws."""

from pathlib import Path

import torch
from transformers import PreTrainedModel

from tritune.models.load import load_model
from tritune.plan.fits import check_plan_fits
from tritune.plan.tuning_plan import TuningPlan
from tritune.tokens import TokensInfo


def start_model(
    base: Path, plan: TuningPlan, info: TokensInfo, *, seed: int, device: torch.device, method: str
) -> PreTrainedModel:
    """Return the model on its device, before anything is frozen or left out of it.

    Args:
        method: Its name in params.yaml, for messages.

    Raises:
        InputError: The base cannot be loaded for what the tokens are for, or the plan is another model's.
    """
    model, _ = load_model(
        base, objective=info.objective, labels=info.labels, seed=seed, adapters=plan.adapters
    )
    check_plan_fits(model, plan, method=method)
    # Decoders look for a text's last token by what the batches are padded with.
    model.config.pad_token_id = info.pad_token_id
    model.to(device)  # type: ignore[arg-type]
    return model

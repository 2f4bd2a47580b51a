"""Does a plan fit a model: has every tensor exactly one group?"""

from transformers import PreTrainedModel

from tritune.errors import InputError
from tritune.plan.tuning_plan import TuningPlan


def check_plan_fits(model: PreTrainedModel, plan: TuningPlan, *, method: str) -> None:
    """Make sure that the plan gives every tensor of this model exactly one group.

    Raises:
        InputError: it does not.
    """
    planned = sorted(name for group in plan.groups for name in group.tensors)
    present = sorted(name for name, _ in model.named_parameters())
    if planned != present:
        different = sorted(set(planned) ^ set(present)) or [
            name for name in set(planned) if planned.count(name) > 1
        ]
        raise InputError(
            f"plans/{method}/plan.json is not a plan for the model in base: they differ in {different[0]!r} "
            f"and {len(different) - 1} more tensors; run `dvc repro prepare@{method}` to make it anew"
        )

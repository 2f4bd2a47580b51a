"""What tests ask of a compiled plan: each tensor's rate, or the sentence that refuses it."""

import pytest

from tritune.errors import InputError
from tritune.plan.tuning_plan import TuningPlan


def rate_of(plan: TuningPlan) -> dict[str, float | None]:
    return {name: group.lr for group in plan.groups for name in group.tensors}


def refusal(compiled, kind: str, **more) -> str:
    with pytest.raises(InputError) as caught:
        compiled(kind, **more)
    return str(caught.value)

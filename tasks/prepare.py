"""Stage `prepare`: compile one method's tuning plan for the base model.

Reads `base` and the labels of `data/tokens`; writes `plans/METHOD/plan.json`. The only stage that imports
`tritune.methods`, and of it only the method's own kind.
"""

import json

from pydantic import TypeAdapter

from tritune.models.load import empty_model
from tritune.pipeline.context import StageContext
from tritune.plan.make import make_plan
from tritune.settings.method import MethodSettings


def run(ctx: StageContext) -> None:
    """Write the plan.

    Raises:
        InputError: The method's settings do not fit the model.
    """
    method = ctx.item["method"]
    settings = TypeAdapter(MethodSettings).validate_python(ctx.params[f"method.{method}"])
    tokens = json.loads((ctx.input("data/tokens") / "tokens.json").read_text(encoding="utf-8"))
    if tokens["task"] != ctx.params["task"]:
        raise ValueError(
            f"data/tokens is for the task {tokens['task']}, params.yaml says {ctx.params['task']}"
        )
    model, new_tensors = empty_model(
        ctx.input("base"), objective=tokens["objective"], labels=tokens["labels"]
    )
    plan = make_plan(model, settings, new_tensors=new_tensors, key=f"method.{method}")
    (ctx.output_folder(f"plans/{method}") / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    for note in plan.notes:
        print(note)

"""From settings to a compiled plan, in one call."""

import importlib
from collections.abc import Callable, Collection
from typing import Any

import pytest
from pydantic import TypeAdapter

from tritune.plan.compile import compile_plan
from tritune.plan.tuning_plan import TuningPlan
from tritune.settings.method import MethodSettings


@pytest.fixture(scope="session")
def compiled(anatomy_of) -> Callable[..., TuningPlan]:
    """Return a function: (kind, architecture="bert", new_tensors=its classifier, **settings) -> the plan."""

    def build(
        kind: str, *, architecture: str = "bert", new_tensors: Collection[str] | None = None, **more: Any
    ) -> TuningPlan:
        anatomy = anatomy_of(architecture)
        settings = TypeAdapter(MethodSettings).validate_python({"kind": kind, **more})
        key = f"method.{kind}"
        rates = importlib.import_module(f"tritune.methods.{kind}").rates(anatomy, settings, key=key)
        if new_tensors is None:
            new_tensors = [t.name for part in anatomy.parts if part.role == "head" for t in part.tensors]
        return compile_plan(anatomy, rates, settings, new_tensors=new_tensors, key=key)

    return build

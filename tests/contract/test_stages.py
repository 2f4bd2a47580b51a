"""dvc.yaml and the code hold together: a stage's deps are the code it runs, its params what it reads.

Without this, editing a helper could leave a stale result marked as up to date, and a parameter could
change a result that DVC believes untouched.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tritune.task.contract import TASKS as ALL_TASKS

ROOT = Path(__file__).parents[2]
PACKAGES = ("flows", "tasks", "tritune")
ADAPTER = "tritune/pipeline/"
PIPELINES = {"": "dvc.yaml", "advise/": "tasks/advise/pipeline.yaml"}
"""Folder of the stages' bodies below tasks/ -> the file that has the stages."""

STAGES = {
    f"{folder}{name}": stage.get("do", stage)
    for folder, file in PIPELINES.items()
    for name, stage in YAML(typ="safe").load(ROOT / file)["stages"].items()
}
KINDS = ("full", "partial", "adaptive", "probe_then_full", "gradual", "norms_and_biases", "lora")
TASK_FILES = {
    "ingest": ("rows",),
    "tokenize": ("encode",),
    "train": ("score",),
    "evaluate": ("score",),
    "baseline": ("baseline",),
    "compare": ("parts", "show"),
    "select": ("card",),
    "advise/learn": ("score",),
    "advise/report": ("parts",),
}
"""Which file of its task's folder a stage loads by name."""


TASKS = [task for task in ALL_TASKS if (ROOT / "tritune/task" / task).is_dir()]


def module_file(name: str) -> Path | None:
    path = ROOT / name.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate.relative_to(ROOT)
    return None


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def imported(path: Path) -> Iterator[str]:
    """Every absolute module name that the file may import, inside functions too."""
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def only_a_docstring(path: Path) -> bool:
    return all(isinstance(node, ast.Expr) for node in syntax(path).body)


def closure(start: Path) -> set[str]:
    found, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        names = [name for name in imported(path) if name.split(".")[0] in PACKAGES]
        waiting += [file for name in names if (file := module_file(name))]
    return {str(p) for p in found if not str(p).startswith(ADAPTER) and not only_a_docstring(p)}


def code_deps(stage: str) -> set[str]:
    return {dep for dep in STAGES[stage].get("deps", []) if dep.endswith((".py", ".j2"))}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_code_it_runs(stage):
    needed = closure(Path(f"tasks/{stage}.py"))
    if stage == "prepare":
        needed.add("tritune/methods/${item.kind}.py")
        for kind in KINDS:
            needed |= closure(Path(f"tritune/methods/{kind}.py")) - {f"tritune/methods/{kind}.py"}
    for file in TASK_FILES.get(stage, ()):
        needed.add(f"tritune/task/${{task}}/{file}.py")
        for task in TASKS:
            own = f"tritune/task/{task}/"
            # What one task's file needs is declared for all: nothing is missed, for a little more.
            needed |= {p.replace(own, "tritune/task/${task}/") for p in closure(Path(f"{own}{file}.py"))}
    declared = {dep for dep in code_deps(stage) if dep.endswith(".py")}
    assert sorted(declared) == sorted(needed), f"deps of {stage}: add/remove {declared ^ needed}"


def test_a_task_s_file_needs_no_other_file_of_its_folder_than_all_tasks_have():
    for task in TASKS:
        for file in (ROOT / "tritune/task" / task).glob("[a-z]*.py"):
            for other in TASKS:
                assert (ROOT / "tritune/task" / other / file.name).is_file(), f"{other} has no {file.name}"


def test_only_prepare_imports_the_methods():
    for stage in STAGES:
        reached = {path for path in closure(Path(f"tasks/{stage}.py")) if path.startswith("tritune/methods/")}
        assert not reached, f"{stage} imports {reached}"


def test_the_report_template_is_a_dependency_of_the_stage_that_renders_it():
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "tritune").rglob("*.j2")}
    templates = {re.sub("tritune/task/[a-z_]+/", "tritune/task/${task}/", path) for path in found}
    assert templates
    assert templates <= {dep for stage in STAGES for dep in code_deps(stage)}


def params_read(stage: str) -> set[str]:
    """The keys in `ctx.params[...]` of a stage's body; an f-string's fields become `*`."""
    keys = set()
    for node in ast.walk(syntax(Path(f"tasks/{stage}.py"))):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("ctx.params"):
            if isinstance(node.slice, ast.Constant):
                keys.add(node.slice.value)
            else:
                assert isinstance(node.slice, ast.JoinedStr), f"{stage}: {ast.unparse(node)} can't be checked"
                keys.add("".join(p.value if isinstance(p, ast.Constant) else "*" for p in node.slice.values))
    return keys


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_exactly_the_parameters_it_declares(stage):
    declared = {
        re.sub(r"\$\{(key|item)\}", "*", p) for p in STAGES[stage].get("params", []) if isinstance(p, str)
    }
    assert params_read(stage) == declared


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_can_be_restored_from_the_run_cache(stage):
    definition = STAGES[stage]
    for out in definition.get("outs", []):
        assert isinstance(out, str), f"{stage}: persist or cache: false on {out} turns the run-cache off"
    assert not definition.get("always_changed")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way_only(package):
    below = {"flows": {"tritune"}, "tasks": {"tritune"}, "tritune": set()}[package]
    for path in (ROOT / package).rglob("*.py"):
        inner = {n.split(".")[0] for n in imported(path.relative_to(ROOT))} & set(PACKAGES)
        assert inner <= below | {package}, f"{path.relative_to(ROOT)} imports {inner - below}"


def test_only_the_adapter_knows_dvc_and_only_flows_know_prefect():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            relative = path.relative_to(ROOT)
            roots = {name.split(".")[0] for name in imported(relative)}
            if not str(relative).startswith(ADAPTER):
                assert not roots & {"dvc", "gto"}, f"{relative} imports {roots & {'dvc', 'gto'}}"
            if package != "flows":
                assert "prefect" not in roots, f"{relative} imports prefect"


def test_nothing_reads_or_writes_pickles_or_runs_remote_code():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text()
            for word in ("import pickle", "torch.save(", "torch.load(", "trust_remote_code=True", "joblib"):
                assert word not in text, f"{path.relative_to(ROOT)} has {word}"

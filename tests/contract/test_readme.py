"""README's commands exist as written, its settings are valid, and docs/code.md is the tree."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.cli import command_parser
from tritune.settings.project import check_project, read_yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return [
        re.sub(r"(?m)^ {3}", "", body) for body in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    ]


def shell_commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    return [shlex.split(part, comments=True) for line in lines for part in re.split(r"\||&&", line)]


@pytest.mark.parametrize("command", [c for c in shell_commands() if c[0] == "tritune"], ids=" ".join)
def test_every_tritune_command_is_understood(command):
    assert callable(command_parser().parse_args(command[1:]).command)


@pytest.mark.parametrize("command", [c for c in shell_commands() if c[0] == "make"], ids=" ".join)
def test_every_make_target_exists(command):
    assert re.search(rf"(?m)^{command[1]}:", (ROOT / "Makefile").read_text())


def test_the_commands_are_of_the_kinds_that_are_checked_here():
    assert {command[0] for command in shell_commands()} <= {"tritune", "make", "git", "echo", "."}


def test_the_settings_it_shows_are_valid():
    shown = YAML(typ="safe").load(blocks("yaml")[0])
    content = dict(read_yaml(ROOT / "params.yaml"))
    for section, keys in shown.items():
        content[section] = {**content[section], **keys}
    assert check_project(content).data.source == shown["data"]["source"]


def test_every_kind_of_setting_in_its_table_is_accepted():
    rows = re.findall(r"\| `([a-z_]+: [^`]+)` \|", README)
    assert len(rows) >= 7
    content = dict(read_yaml(ROOT / "params.yaml"))
    kinds = {"decay": "adaptive", "body_lr": "adaptive", "rates": "adaptive"}
    kinds |= {"head_share": "probe_then_full", "unfreeze_share": "gradual"}
    kinds |= {"rank": "lora", "modules": "lora"}
    for row in rows:
        setting = YAML(typ="safe").load(row)
        kind = kinds.get(next(iter(setting)), "partial")
        content["method"] = {"full": {"kind": kind, **setting}}
        content["methods"] = ["full"]
        assert check_project(content).method["full"].kind == kind


def test_the_tree_says_of_every_file_what_the_file_says_of_itself():
    tree = (ROOT / "docs/code.md").read_text(encoding="utf-8")
    code = [
        path
        for folder in ("flows", "tasks", "tritune", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name != "__init__.py"
    ]
    rows = [f"| `{path.relative_to(ROOT)}` | {first_line(path)} |" for path in code]
    shown = [line for line in tree.splitlines() if line.startswith("| `") and ".py`" in line]
    assert shown == rows


def first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0].replace("|", "\\|")

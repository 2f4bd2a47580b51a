"""A tiny pretrained model, a small labelled table, and a clone of the project to run real commands in."""

import csv
import fcntl
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.fresh_clone import Clone
from benchmarks.fresh_clone import make_clone as copy_project

# As many tests run side by side as there are cores: one thread each, in the commands that they start too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a shell starts in the background ignores Ctrl-C, and so would every command that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]

TOPICS = {
    "garden": ["rose", "soil", "seed", "water", "tree", "bloom"],
    "kitchen": ["bread", "oven", "salt", "butter", "knife", "soup"],
    "travel": ["train", "ticket", "hotel", "map", "road", "bag"],
}
FILLERS = ["the", "a", "my", "is", "near", "with", "old", "new", "please", "where"]


@pytest.fixture(scope="session")
def topic_rows() -> list[tuple[str, str]]:
    """180 distinct (text, label) rows of three easy classes, the same in every run."""
    draw = random.Random(5)
    rows: dict[str, str] = {}
    while len(rows) < 180:
        topic = sorted(TOPICS)[len(rows) % 3]
        words = draw.sample(TOPICS[topic], 2) + draw.sample(FILLERS, draw.randint(1, 6))
        draw.shuffle(words)
        rows.setdefault(" ".join(words), topic)
    return list(rows.items())


@pytest.fixture(scope="session")
def topics_csv(tmp_path_factory: pytest.TempPathFactory, topic_rows: list[tuple[str, str]]) -> Path:
    path = tmp_path_factory.mktemp("data") / "topics.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(topic_rows)
    return path


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT of three layers and a tokenizer that knows the words of `topic_rows`."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *FILLERS, *(w for topic in TOPICS.values() for w in topic)]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path_factory.mktemp("base")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    ).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Clone]:
    """Return a function that copies the project's files (no outputs) into a fresh git repository."""

    def make() -> Clone:
        return copy_project(tmp_path_factory.mktemp("a clone"))

    return make


@pytest.fixture(scope="session")
def first_run(make_clone, tiny_base, topic_rows, tmp_path_factory) -> Callable[[], Clone]:
    """Return a function that copies a clone in which README's first hour went as far as `tritune run`.

    Its data are a tickets.csv with README's columns, its base model is a random one. The run takes a minute,
    so whichever of pytest's processes comes first makes it for all.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "first run"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            clone = make_clone()
            _use_readme_settings(clone, tiny_base, topic_rows)
            for command in ("tritune plan", "tritune run"):
                done = clone.run("sh", "-c", command, timeout=500)
                assert done.returncode == 0, done.stdout + done.stderr
                clone.first[command] = (done.returncode, done.stdout)
            (clone.folder.parent / "first.json").write_text(json.dumps(clone.first))
            clone.folder.parent.rename(folder)

    def copy() -> Clone:
        mine = tmp_path_factory.mktemp("a clone") / "copied"
        shutil.copytree(folder, mine, symlinks=True)
        clone = Clone(mine / "my project", mine / "home")
        first = json.loads((mine / "first.json").read_text())
        clone.first = {command: (code, printed) for command, (code, printed) in first.items()}
        clone.environment["PATH"] = f"{mine / 'tools'}{os.pathsep}{clone.environment['PATH']}"
        return clone

    return copy


def _use_readme_settings(clone: Clone, tiny_base: Path, topic_rows: list[tuple[str, str]]) -> None:
    from ruamel.yaml import YAML

    shutil.copytree(tiny_base, clone.folder / "base model")
    for name, head, rows in (
        ("tickets.csv", ["message", "team"], topic_rows),
        ("new.csv", ["message"], [(text,) for text, _ in topic_rows[:5]]),
    ):
        with (clone.folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *rows])
    shown = YAML(typ="safe").load(re.search(r"(?s)```yaml\n(.*?)```", (ROOT / "README.md").read_text())[1])

    def change(params: dict) -> None:
        for section, keys in shown.items():
            params[section].update(keys)
        params["model"]["source"] = "base model"
        params["train"].update(epochs=8, batch_size=8)
        for method in params["method"].values():
            method["lr"] = 1e-2  # the base model is random: there is nothing to be careful with

    clone.set_params(change)
    tools = clone.folder.parent / "tools"  # what activating .venv puts on the PATH
    tools.mkdir()
    (tools / "tritune").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flows "$@"\n')
    (tools / "tritune").chmod(0o755)
    clone.environment["PATH"] = f"{tools}{os.pathsep}{clone.environment['PATH']}"


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable:
    """Return a function that runs a `tritune` command here, without the seconds a process takes to start.

    It takes a project with `folder` and `environment`, and the command's arguments.
    """
    from flows.cli import main

    def run(project, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
        monkeypatch.chdir(project.folder)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        for name in set(os.environ) - set(project.environment):
            if not name.startswith("PYTEST_"):
                monkeypatch.delenv(name)
        for name, value in project.environment.items():
            if not name.startswith("PYTEST_"):
                monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = main(arguments)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return run

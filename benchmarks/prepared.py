"""Stages run in a folder of their own, without a cache: what a benchmark's trainings start from."""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.speed_cases import LONGEST, Case, texts_of
from tritune.pipeline.context import StageContext

ROOT = Path(__file__).parents[1]
CORPUS_SETTINGS = {"min_rows_per_class": 60, "rare_classes": "drop"}
"""As in the demo: a topic with a handful of utterances is no class to learn."""


def labelled_texts(
    folder: Path, source: str | None, *, text: str, label: str, otherwise: Iterable[Mapping[str, str]]
) -> dict[str, Any]:
    """Return the section `data` of one's own labelled texts, or of those of the demo's corpus.

    Args:
        folder: for a file of the corpus' texts.
        source: of one's own: file or folder, seen from the project; None: there is none.
        text: its column that holds the text.
        label: its column that holds the label.
        otherwise: {"text": ..., "label": ...} of the corpus, taken where there is no source.
    """
    if source:
        path = str((ROOT / source).resolve())
        return {"source": path, "text": text, "label": label, "rare_classes": "drop"}
    corpus = folder / "topics.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in otherwise), "utf-8")
    return {**CORPUS_SETTINGS, "source": str(corpus)}


def prepare_case(
    folder: Path,
    case: Case,
    *,
    data: Mapping[str, Any] | None = None,
    model: str | None = None,
    rows: int,
    seed: int,
) -> dict[str, int]:
    """Do as `prepare_classification` for a case, whose plan is `plans/method`.

    Args:
        data: the section `data`; None: the texts of the case.
        model: in the place of the case's own.
    """
    own = data or labelled_texts(folder, None, text="text", label="label", otherwise=texts_of(case))
    return prepare_classification(
        folder,
        own,
        {"method": case.method},
        model=model or case.model,
        rows=rows,
        max_length=LONGEST[case.texts],
        seed=seed,
    )


def prepare_classification(
    folder: Path,
    data: Mapping[str, Any],
    methods: Mapping[str, Mapping[str, Any]],
    *,
    model: str,
    rows: int,
    max_length: int,
    seed: int,
) -> dict[str, int]:
    """Make `base`, `data/tokens` and `plans/METHOD` in the folder, and make it the current one.

    Args:
        data: the section `data`.
        methods: by name, as under `method` in params.yaml.
        model: as `model.source` in params.yaml, a folder seen from the project.
        rows: of the training split that are sampled.
        max_length: tokens of a text.
        seed: of the sample.

    Returns:
        The rows of each split.
    """
    from tasks import fetch, ingest, prepare, tokenize

    if not model.startswith(("package:", "hub:")):
        model = str((ROOT / model).resolve())
    task = {"task": "text_classification"}
    os.chdir(folder)
    sources = {"data.source": data["source"], "model": {"source": model}}
    stage(fetch, [], ["data/raw", "base"], {**task, **sources})
    stage(ingest, ["data/raw"], ["data/ingested"], {**task, "data": dict(data)})
    sample_rows(Path("data/ingested/train.parquet"), rows, seed=seed)
    tokenizing = {**task, "tokenize": {"max_length": max_length}}
    stage(tokenize, ["data/ingested", "base"], ["data/tokens"], tokenizing)
    for name, settings in methods.items():
        stage(
            prepare,
            ["base", "data/tokens"],
            [f"plans/{name}"],
            {**task, f"method.{name}": dict(settings)},
            item={"method": name},
        )
    counts: dict[str, int] = json.loads(Path("data/tokens/tokens.json").read_text("utf-8"))["rows"]
    return counts


def stage(
    module: Any,
    inputs: list[str],
    outputs: list[str],
    params: dict[str, Any],
    item: dict[str, str] | None = None,
) -> None:
    """Run one stage's body and put its outputs in place."""
    name = module.__name__.rpartition(".")[2]
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        ctx = StageContext(
            stage=name,
            item=item or {},
            params=params,
            inputs={path: Path(path) for path in inputs},
            outputs=tuple(outputs),
            scratch=Path(scratch),
        )
        module.run(ctx)
        for path in outputs:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / "outputs" / path).rename(path)


def sample_rows(path: Path, rows: int, *, seed: int) -> None:
    """Keep a random choice of the training rows, all classes with at least one row where it can be."""
    table = pq.read_table(path)
    if rows < table.num_rows:
        order = np.random.RandomState(seed).permutation(table.num_rows)
        labels = np.array(table.column("label").to_pylist())[order]
        first_of_class = np.unique(labels, return_index=True)[1]
        rest = np.setdiff1d(np.arange(len(order)), first_of_class)
        chosen = order[np.concatenate([first_of_class, rest])[:rows]]
        pq.write_table(table.take(pa.array(np.sort(chosen))), path)

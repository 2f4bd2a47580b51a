"""A model on the champion's test rows: the stages' own code, in a folder apart, with only these rows new."""

import json
import shutil
from pathlib import Path

from flows.apart import run_apart
from tritune.errors import InputError
from tritune.settings.project import read_yaml

NAME = "examined-0"
"""What the stage `evaluate` calls the model: METHOD-SEED."""

PREDICTIONS = "predictions.parquet"


def sit_exam(
    *, folder: Path, code: Path, params: bytes, model: Path, base: Path, ingested: Path, test_rows: Path
) -> Path:
    """Return the predictions of a model on other test rows than its own.

    Args:
        folder: Where to work; it does not exist.
        code: The project whose code examines.
        params: Content of the params.yaml that the model was made with.
        model: Folder of the fine-tuned model.
        base: The base model that it was made from.
        ingested: Its own data: validation rows, on which thresholds are set, and labels.
        test_rows: A parquet file like `data/ingested/test.parquet`.

    Raises:
        InputError: The model can't answer these rows.
    """
    data = folder / "data/ingested"
    data.mkdir(parents=True)
    shutil.copyfile(ingested / "labels.json", data / "labels.json")
    shutil.copyfile(ingested / "validation.parquet", data / "validation.parquet")
    for split in ("train", "test"):  # nothing is trained; the stage `tokenize` wants three splits
        shutil.copyfile(test_rows, data / f"{split}.parquet")
    (folder / "base").symlink_to(base.resolve())
    (folder / "checkpoints").mkdir()
    (folder / f"checkpoints/{NAME}").symlink_to(model.resolve())
    (folder / "params.yaml").write_bytes(params)
    given = read_yaml(folder / "params.yaml")
    settings = {key: given.get(key) or {} for key in ("task", "tokenize", "compute", "generate")}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    done = run_apart("tasks.exam", str(folder.resolve()), NAME, project=code, compute=settings["compute"])
    if done.returncode == 2:
        raise InputError(done.stderr.strip().splitlines()[-1].removeprefix("error: "))
    if done.returncode != 0:
        raise RuntimeError(f"the model could not be examined:\n{done.stderr.strip()}")
    return folder / "evaluations" / NAME / PREDICTIONS

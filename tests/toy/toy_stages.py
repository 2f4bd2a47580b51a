"""The bodies of a toy pipeline with the real names and settings: small numbers, sleeps, exact resume."""

import hashlib
import json
import os
import random
import time
from pathlib import Path

from tritune.errors import InputError
from tritune.pipeline.context import StageContext
from tritune.training.progress import StepProgress


def prepare(ctx: StageContext) -> None:
    rows = list(range(100))
    random.Random(ctx.params["tokenize"]["max_length"]).shuffle(rows)
    (ctx.output_folder("data/tokens") / "rows.json").write_text(json.dumps(rows))


def train(ctx: StageContext) -> None:
    """A walk of `train.batch_size` steps. What happens at step 12 is in TOY_EVENTS: {stage: event}.

    It stands still while there is a file TOY_HOLD.
    """
    settings, method = ctx.params["train"], ctx.params[f"method.{ctx.item['method']}"]
    seed, steps = ctx.item["seed"], settings["batch_size"]
    rows = json.loads((ctx.input("data/tokens") / "rows.json").read_text())
    draw, weight, start = random.Random(seed), 0.0, 0
    checkpoint = ctx.scratch / "checkpoint.json"
    if checkpoint.is_file():
        stored = json.loads(checkpoint.read_text())
        weight, start = stored["weight"], stored["step"]
        version, state, gauss = stored["random"]
        draw.setstate((version, tuple(state), gauss))
        ctx.notes["resumed_from_step"] = start
    for step in range(start + 1, steps + 1):
        weight += settings["weight_decay"] * (draw.choice(rows) - weight) + method["lr"] * draw.random()
        time.sleep(float(os.environ.get("TOY_STEP_SECONDS", "0")))
        while "TOY_HOLD" in os.environ and Path(os.environ["TOY_HOLD"]).exists():
            time.sleep(0.05)
        if step == 12:
            happen(json.loads(os.environ.get("TOY_EVENTS", "{}")).get(ctx.stage))
        if step % 5 == 0:
            aside = checkpoint.with_suffix(".tmp")
            aside.write_text(json.dumps({"weight": weight, "step": step, "random": draw.getstate()}))
            aside.replace(checkpoint)
            print(StepProgress(1, 1, step, steps, abs(weight), 10.0, steps - step), flush=True)
    name = f"{ctx.item['method']}-{seed}"
    (ctx.output_folder(f"checkpoints/{name}") / "model.json").write_text(json.dumps({"weight": weight}))
    ctx.measurements["steps"] = steps - start


def happen(event: str | None) -> None:
    if event == "users error":
        raise InputError("train.batch_size: 13 brings bad luck; choose another number")
    if event == "bug":
        raise ZeroDivisionError("a bug in the body")
    if event == "full disk":
        raise OSError(28, "No space left on device")
    if event == "no memory":
        raise MemoryError
    if event == "out of memory":
        os.kill(os.getpid(), 9)
    if event == "hang":
        time.sleep(60)
    if event == "child":
        Path("child.pid").write_text(str(os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "300")))


def evaluate(ctx: StageContext) -> None:
    name = f"{ctx.item['method']}-{ctx.item['seed']}"
    weight = json.loads((ctx.input(f"checkpoints/{name}") / "model.json").read_text())["weight"]
    score = int(hashlib.sha256(repr(weight).encode()).hexdigest()[:6], 16) / 16**6
    metrics = {"validation": {"macro_f1": score}, "test": {"macro_f1": score / 2}}
    ctx.output_file(f"metrics/{name}.json").write_text(json.dumps(metrics))
    ctx.output_file(f"evaluations/{name}.json").write_text(json.dumps(weight))


def compare(ctx: StageContext) -> None:
    seed = ctx.params["seeds"][0]
    methods = []
    for method in ctx.params["methods"]:
        metrics = json.loads((ctx.input("metrics") / f"{method}-{seed}.json").read_text())
        methods.append({"method": method, "kind": method, "parameters_trainable": 22_000_000, **metrics})
    best = max(methods, key=lambda entry: entry["validation"]["macro_f1"])
    comparison = {
        "metric": "macro_f1",
        "chosen": {"method": best["method"], "seed": seed},
        "reason": "it has the highest score",
        "methods": methods,
    }
    ctx.output_file("results/comparison.json").write_text(json.dumps(comparison))
    ctx.output_file("results/table.txt").write_text("table\n")

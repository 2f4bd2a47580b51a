"""Memos make room for each other, and a disk that has none is told."""

import errno
import os
from types import SimpleNamespace

import numpy as np
import pytest

from tritune.errors import InputError
from tritune.objectives.named import objective_named
from tritune.training import prefix_memo
from tritune.training import start_above as start_above_module
from tritune.training.prefix_memo import make_room, memo_bytes
from tritune.training.start_above import start_above

SINGLE = objective_named("single_label")


def started_above(kit, memos, *, gib: float = 1.0):
    model, tables = kit.tiny_bert(), [kit.token_table(20), kit.token_table(5, seed=1)]
    prefix, found = start_above(
        model,
        2,
        tables,
        objective=SINGLE,
        precision="fp32",
        memo_gib=gib,
        pad_token_id=0,
        memos=memos,
    )
    return model, prefix, tables, found


def test_a_training_does_not_throw_out_the_memo_that_it_has_just_made(kit, tmp_path):
    _, prefix, tables, _ = started_above(kit, tmp_path / "first")
    size = sum(memo_bytes(table, width=prefix.width, precision="fp32") for table in tables)
    memos = tmp_path / "memos"
    memos.mkdir()
    (memos / "old.npy").write_bytes(b"x" * 1000)
    started_above(kit, memos, gib=(size + 500) / 2**30)
    # The old one had to go, neither of those that this training reads.
    made = sorted(path.name for path in (tmp_path / "first").glob("*.npy"))
    assert sorted(path.name for path in memos.glob("*.npy")) == made
    assert len(made) == 2


def test_a_disk_with_too_little_place_is_told_and_decides_no_bits(kit, tmp_path, monkeypatch):
    def disk(free):
        monkeypatch.setattr(start_above_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    disk(2**20)
    _, prefix, tables, _ = started_above(kit, tmp_path)
    needed = sum(memo_bytes(table, width=prefix.width, precision="fp32") for table in tables)
    for path in tmp_path.glob("*.npy"):
        path.unlink()
    disk(needed - 1)
    with pytest.raises(InputError, match=r"takes 0 MiB of the disk that holds .* has 0 MiB free; free some"):
        started_above(kit, tmp_path)
    assert not list(tmp_path.glob("*.npy*"))


def test_a_disk_that_is_full_when_a_memo_is_begun_leaves_none_behind(kit, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prefix_memo.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        started_above(kit, tmp_path)
    assert not list(tmp_path.glob("*.npy*"))


def test_memos_that_are_there_need_no_place(kit, tmp_path, monkeypatch):
    started_above(kit, tmp_path)
    monkeypatch.setattr(start_above_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert started_above(kit, tmp_path)[1] is not None


def test_the_memos_unused_for_longest_make_room(tmp_path):
    for number, name in enumerate("abc"):
        (tmp_path / f"{name}.npy").write_bytes(b"x" * 100)
        os.utime(tmp_path / f"{name}.npy", (number, number))
    read = tmp_path / "a.npy"
    os.utime(read, (9, 9))
    make_room(tmp_path, needed=100, budget=300)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "c.npy"]
    make_room(tmp_path, needed=100, budget=300)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "c.npy"]


def test_rows_end_to_end_give_what_padded_ones_give(kit, tmp_path, monkeypatch):
    _, _, tables, packed = started_above(kit, tmp_path)
    monkeypatch.setattr(start_above_module, "packed_layers", lambda *_, **__: None)
    _, _, _, padded = started_above(kit, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2 * len(tables)
    for one, other in zip(packed, padded, strict=True):
        np.testing.assert_allclose(one.prefix_output, other.prefix_output, rtol=1e-4, atol=1e-5)


def test_no_hook_is_left_behind(kit, tmp_path, monkeypatch):
    model, prefix, _, _ = started_above(kit, tmp_path)
    prefix.remove()
    assert_as_it_was(model)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    model = kit.tiny_bert()
    monkeypatch.setattr(kit, "tiny_bert", lambda: model)
    monkeypatch.setattr(prefix_memo.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        started_above(kit, tmp_path / "other")
    assert_as_it_was(model)


def assert_as_it_was(model):
    assert model.config._attn_implementation == "sdpa"
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())
    assert not any("forward" in module.__dict__ or "packing" in module.__dict__ for module in model.modules())

import platform
import subprocess
import sys

import pytest
import torch

from tritune.compute import KEPT_OPERATIONS, chosen_precision, prepare_torch
from tritune.errors import InputError
from tritune.settings.train import ComputeSettings


def test_threads_are_set_and_algorithms_are_deterministic():
    code = (
        "from tritune.compute import prepare_torch; import torch;"
        "from tritune.settings.train import ComputeSettings;"
        "d = prepare_torch(ComputeSettings(threads=2, device='cpu'));"
        "prepare_torch(ComputeSettings(threads=2, device='cpu'));"
        "print(d, torch.get_num_threads(), torch.get_num_interop_threads(),"
        " torch.are_deterministic_algorithms_enabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cpu", "2", "1", "True"]


@pytest.mark.parametrize(("before", "kept"), [(None, str(KEPT_OPERATIONS)), ("7", "7")])
def test_few_compiled_products_are_kept_unless_the_user_says_how_many(monkeypatch, before, kept):
    names = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
    for name in names:
        monkeypatch.setenv(name, before) if before else monkeypatch.delenv(name, raising=False)
    code = (
        "from tritune.compute import prepare_torch; import os;"
        "from tritune.settings.train import ComputeSettings;"
        "prepare_torch(ComputeSettings(device='cpu'));"
        f"print(*(os.environ[name] for name in {names}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [kept, kept]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library has no such function")
def test_freed_memory_goes_back_to_the_system():
    code = (
        "import psutil, torch; from tritune.compute import return_freed_memory;"
        # Every other one stays, so that the heap does not shrink by itself.
        "blocks = [torch.ones(2**13) for _ in range(4096)]; del blocks[::2];"
        "before = psutil.Process().memory_info().rss; return_freed_memory();"
        "print(before - psutil.Process().memory_info().rss)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 32 * 2**20


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch, "set_num_interop_threads", lambda _: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda *_, **__: None)
    with pytest.raises(InputError) as error:
        prepare_torch(ComputeSettings(device="cuda"))
    assert str(error.value) == (
        f"compute.device: cuda is asked for, but torch {torch.__version__} sees no GPU; "
        "set it to auto or cpu, or install a build of torch for your GPU"
    )


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [({"avx2": True}, "fp32"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({}, "fp32")],
)
def test_bf16_is_chosen_where_the_processor_has_it(monkeypatch, capabilities, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert chosen_precision(ComputeSettings(), torch.device("cpu")) == precision


@pytest.mark.parametrize(("capability", "precision"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_bf16_is_chosen_where_the_gpu_has_it(monkeypatch, capability, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert chosen_precision(ComputeSettings(), torch.device("cuda")) == precision


def test_a_precision_that_is_set_is_taken():
    assert chosen_precision(ComputeSettings(precision="bf16"), torch.device("cpu")) == "bf16"
    assert chosen_precision(ComputeSettings(precision="fp32"), torch.device("cpu")) == "fp32"

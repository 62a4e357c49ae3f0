"""The precision of a device is chosen correctly, and a GPU's products are exact without tf32."""

from types import SimpleNamespace

import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.neutral import flushes_denormals, neutral
from dis_bench.runners import device
from dis_bench.runners.device import choose_kernels, choose_precision, computing, describe_environment
from tests.tiny import Tiny


@pytest.fixture
def gpu(monkeypatch):
    """Make torch report a GPU of some capability."""

    def pretend(capability):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: capability >= (8, 0))

    return pretend


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_on_a_cpu(has_bf16, expected, monkeypatch):
    monkeypatch.setattr(device, "_cpu_has_bf16", lambda: has_bf16)
    assert choose_precision("auto", "cpu") == expected


@pytest.mark.parametrize(("capability", "expected"), [((9, 0), "tf32"), ((8, 0), "tf32"), ((7, 5), "fp32")])
def test_auto_on_a_gpu(capability, expected, gpu):
    gpu(capability)
    assert choose_precision("auto", "cuda") == expected


def test_what_was_asked_for_is_taken(gpu):
    gpu((9, 0))
    assert [choose_precision(name, "cuda") for name in ("fp32", "tf32", "bf16")] == ["fp32", "tf32", "bf16"]
    assert choose_precision("fp32", "cpu") == "fp32"


def test_what_a_device_does_not_compute_in_is_refused(gpu):
    refusal = "precision='tf32' was given, but this cpu does not support it; use precision='fp32' or "
    with pytest.raises(InputError, match=refusal):
        choose_precision("tf32", "cpu")
    gpu((7, 5))
    for precision in ("tf32", "bf16"):
        with pytest.raises(InputError, match=f"precision='{precision}' was given, but this cuda does not"):
            choose_precision(precision, "cuda")


@pytest.fixture
def processor(monkeypatch):
    """Pretend to have a processor with some of the instructions that kernels use."""
    kernels = pytest.importorskip("dis_bench.nn.kernels")

    def pretend(has_float32, has_bf16):
        monkeypatch.setattr(kernels, "HAS_FLOAT32", has_float32)
        monkeypatch.setattr(kernels, "HAS_BF16", has_bf16)

    return pretend


@pytest.mark.parametrize(
    ("has", "precision", "expected"),
    [
        ((True, True), "bf16", "compiled"),
        ((True, False), "fp32", "compiled"),
        ((True, False), "bf16", "torch"),
        ((False, False), "fp32", "torch"),
    ],
)
def test_kernels_are_compiled_where_they_compute_in_the_precision(has, precision, expected, processor):
    processor(*has)
    assert choose_kernels("auto", "cpu", precision) == expected
    assert choose_kernels("torch", "cpu", precision) == "torch"
    if expected == "compiled":
        assert choose_kernels("compiled", "cpu", precision) == "compiled"
    else:
        with pytest.raises(InputError, match=r"--kernels compiled was given, but .*; use torch or auto\."):
            choose_kernels("compiled", "cpu", precision)


def test_a_gpu_has_torchs_kernels():
    assert choose_kernels("auto", "cuda", "tf32") == "torch"
    with pytest.raises(InputError, match="but a GPU trains with torch's layers; use torch or auto"):
        choose_kernels("compiled", "cuda", "tf32")


def test_kernels_that_cannot_be_loaded_are_not_planned(monkeypatch):
    monkeypatch.setattr("dis_bench.nn.compiled._load", lambda: ImportError("no numba"))
    assert choose_kernels("auto", "cpu", "fp32") == "torch"
    with pytest.raises(InputError, match="they cannot be loaded: ImportError: no numba"):
        choose_kernels("compiled", "cpu", "fp32")


def test_switches_of_the_rounding_are_described(monkeypatch):
    before = describe_environment("cpu", "fp32", "torch")
    assert before["kernels"] == "torch"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    torch.set_default_dtype(torch.float64)
    try:
        switches = describe_environment("cpu", "fp32", "torch")["switches"]
    finally:
        torch.set_default_dtype(torch.float32)
    assert switches == before["switches"] | {"default dtype": "torch.float64", "ONEDNN_MAX_CPU_ISA": "AVX2"}


@pytest.mark.parametrize(("precision", "word"), [("fp32", "ieee"), ("tf32", "tf32"), ("bf16", "ieee")])
def test_products_are_exact_unless_tf32_was_chosen_and_then_as_they_were(precision, word):
    cublas, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn

    def switches():
        return cublas.fp32_precision, cudnn.conv.fp32_precision, cublas.allow_bf16_reduced_precision_reduction

    before, older = switches(), (cublas.allow_tf32, cudnn.allow_tf32)
    with computing(precision, "torch"):
        assert switches() == (word, word, False)
        with computing("fp32", "torch"):  # a cell is encoded exactly
            assert switches() == ("ieee", "ieee", False)
        assert switches() == (word, word, False)
    assert switches() == before
    assert (cublas.allow_tf32, cudnn.allow_tf32) == older


@pytest.mark.parametrize("before", [False, True])
def test_denormal_numbers_count_as_zero_within_the_block_alone(before):
    small = torch.tensor(1e-20)
    torch.set_flush_denormal(before)
    try:
        with computing("fp32", "torch"):
            number = small.clone().requires_grad_()
            (number * small).backward(small)
            assert (number.grad, small * small) == (0, 0)
        assert flushes_denormals() == before
    finally:
        torch.set_flush_denormal(False)
    assert small * small > 0


def test_switches_that_torch_cannot_read_the_older_way_are_no_hindrance():
    cublas = torch.backends.cuda.matmul
    before, cublas.fp32_precision = cublas.fp32_precision, "tf32"
    try:
        with pytest.raises(RuntimeError, match="legacy and new"):
            _ = cublas.allow_tf32
        with computing("fp32", "torch"):
            assert cublas.fp32_precision == "ieee"
        assert cublas.fp32_precision == "tf32"
    finally:
        cublas.fp32_precision = before


def test_code_that_reads_the_older_switches_or_draws_images_can_be_called_under_tf32():
    cublas = torch.backends.cuda.matmul
    with computing("tf32", "torch"):
        assert torch.get_float32_matmul_precision() == "high"
        assert (cublas.allow_tf32, torch.backends.cudnn.allow_tf32) == (True, True)
        with neutral():
            assert torch.get_float32_matmul_precision() == "highest"
        assert Tiny().images([0, 1]).shape == (2, 1, 64, 64)
        assert cublas.fp32_precision == "tf32"
    assert torch.get_float32_matmul_precision() == "highest"


def test_an_older_torch_has_only_the_older_switches(monkeypatch):
    older = []
    cudnn = SimpleNamespace(allow_tf32=True, benchmark=False)
    cublas = SimpleNamespace(allow_bf16_reduced_precision_reduction=True)
    monkeypatch.setattr(torch.backends.cuda, "matmul", cublas)
    monkeypatch.setattr(torch.backends, "mkldnn", SimpleNamespace())
    monkeypatch.setattr(torch.backends, "cudnn", cudnn)
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: older[-1] if older else "medium")
    monkeypatch.setattr(torch, "set_float32_matmul_precision", older.append)
    with computing("tf32", "torch"):
        assert (older, cudnn.allow_tf32, cudnn.benchmark) == (["high"], True, True)
        assert not cublas.allow_bf16_reduced_precision_reduction
    assert (older, cudnn.allow_tf32, cudnn.benchmark) == (["high", "medium"], True, False)

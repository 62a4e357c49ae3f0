"""Which precision a device trains in, and that a GPU's products are exact unless tf32 was chosen."""

import pytest
import torch

from dis_bench.errors import InputError
from dis_bench.runners import machine
from dis_bench.runners.machine import choose_precision, computing


@pytest.fixture
def gpu(monkeypatch):
    """What torch says of a GPU of some capability."""

    def pretend(capability):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: capability >= (8, 0))

    return pretend


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_on_a_cpu(has_bf16, expected, monkeypatch):
    monkeypatch.setattr(machine, "_cpu_has_bf16", lambda: has_bf16)
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
    refusal = "--precision tf32 was given, but this cpu does not compute in it; use fp32 or auto."
    with pytest.raises(InputError, match=refusal):
        choose_precision("tf32", "cpu")
    gpu((7, 5))
    for precision in ("tf32", "bf16"):
        with pytest.raises(InputError, match=f"--precision {precision} was given, but this cuda does not"):
            choose_precision(precision, "cuda")


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", False), ("tf32", True), ("bf16", False)])
def test_products_are_exact_unless_tf32_was_chosen_and_then_as_they_were(precision, allowed):
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with computing(precision):
        assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (allowed, allowed)
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before

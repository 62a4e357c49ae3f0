"""In tiles, the compiled kernels compute what they compute in vector registers."""

import importlib.util
import threading
from types import SimpleNamespace

import pytest
import torch

from dis_bench.nn.convolutions import Convolutions, TransposedConvolutions
from tests.nn import test_compiled
from tests.nn.test_compiled import CASES, outputs_and_gradients, stack_and_images

kernels = pytest.importorskip("dis_bench.nn.kernels")
tiles = pytest.importorskip("dis_bench.nn.tiles")
needs_tiles = pytest.mark.skipif(not kernels.HAS_TILES, reason="this processor has no AMX, or Linux keeps it")

OBLONG = [
    (Convolutions, ([3, 32, 64], [4, 2]), (4 * 3, 4 * 8)),  # three lines: the last is computed twice
    (Convolutions, ([1, 32, 32], [4, 4]), (4 * 2, 4 * 4)),
    (Convolutions, ([10, 32, 32], [2, 4]), (4 * 5, 4 * 16)),
    (TransposedConvolutions, ([64, 32, 1], None), (3, 8)),
    (TransposedConvolutions, ([32, 96, 5], None), (6, 4)),
    (TransposedConvolutions, ([32, 32, 3], None), (5, 24)),
]


def whole_numbers(stack, images):
    """Give a stack and images small numbers, whose products have exact sums."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.copy_(torch.randint(-1, 2, parameter.shape) * (torch.rand(parameter.shape) < 1 / 32))
    return stack, torch.randint(-2, 3, images.shape).float()


@pytest.fixture
def whole_slopes(monkeypatch):
    monkeypatch.setattr(
        test_compiled, "slope_of", lambda out: (torch.arange(out.numel()) % 5 - 1.0).view(out.shape)
    )


def compute_in_bf16(stack, images):
    with torch.autocast("cpu", torch.bfloat16):
        return outputs_and_gradients(stack, images)


def check_both_ways(stack, images, monkeypatch):
    in_tiles = compute_in_bf16(stack, images)
    monkeypatch.setattr(kernels, "HAS_TILES", False)
    for ours, theirs in zip(in_tiles, compute_in_bf16(stack, images), strict=True):
        assert theirs.any()
        assert torch.equal(ours, theirs)


@needs_tiles
@pytest.mark.parametrize(("kind", "case"), CASES)
@pytest.mark.usefixtures("whole_slopes")
def test_sums_that_are_exact_are_the_same_in_tiles(kind, case, monkeypatch):
    check_both_ways(*whole_numbers(*stack_and_images(kind, case, count=2)), monkeypatch)


@needs_tiles
@pytest.mark.parametrize(("kind", "widths", "size"), [(kind, made, size) for kind, made, size in OBLONG])
@pytest.mark.usefixtures("whole_slopes")
def test_images_may_be_oblong(kind, widths, size, monkeypatch):
    stack = kind(*widths) if kind is Convolutions else kind(widths[0])
    check_both_ways(*whole_numbers(stack, torch.empty(2, widths[0][0], *size)), monkeypatch)


@needs_tiles
def test_what_is_not_a_number_stays_so():
    stack, images = stack_and_images(Convolutions, "two channels, two layers")
    images[1, 0, 3, 4] = torch.nan
    with torch.autocast("cpu", torch.bfloat16):
        result = stack(images)
    assert result[1].isnan().any()
    assert result[0].isfinite().all()
    assert result[2].isfinite().all()


@needs_tiles
def test_torchs_own_products_may_come_in_between():
    # oneDNN multiplies bf16 in tiles too, in shapes of its own.
    stack, images = whole_numbers(*stack_and_images(TransposedConvolutions, "burgess"))
    torch.manual_seed(0)
    factors = torch.randn(2, 96, 96).bfloat16()
    before, product = compute_in_bf16(stack, images), factors[0] @ factors[1]
    for _ in range(3):
        for ours, first in zip(compute_in_bf16(stack, images), before, strict=True):
            assert torch.equal(ours, first)
        assert torch.equal(factors[0] @ factors[1], product)


@needs_tiles
def test_threads_have_tiles_of_their_own():
    stack, images = stack_and_images(Convolutions, "burgess", count=8)
    expected = compute_in_bf16(stack, images)
    results = []

    def compute():
        results.extend(compute_in_bf16(stack, images) for _ in range(5))

    threads = [threading.Thread(target=compute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    assert all(
        torch.equal(ours, first) for each in results for ours, first in zip(each, expected, strict=True)
    )


def test_a_processor_without_tiles_is_not_asked_for_them(monkeypatch):
    monkeypatch.setattr(tiles, "FEATURES", tiles.FEATURES - {"+amx-tile"})
    monkeypatch.setattr(tiles.ctypes, "CDLL", lambda _: pytest.fail("it was asked"))
    assert not tiles.are_permitted()


@pytest.mark.parametrize(("most", "allows"), [("AVX512_CORE_BF16", False), ("avx2", False), ("ALL", True)])
def test_what_keeps_torch_from_tiles_keeps_the_kernels_from_them(most, allows, monkeypatch):
    monkeypatch.setattr(tiles, "FEATURES", tiles.FEATURES | {"+avx512f", "+amx-tile", "+amx-bf16"})
    monkeypatch.setattr(tiles, "HAS_BF16", True)
    monkeypatch.setattr(tiles.sys, "platform", "linux")
    monkeypatch.setattr(tiles.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(tiles.ctypes, "CDLL", lambda _: SimpleNamespace(syscall=lambda *_: 0))
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    assert tiles.are_permitted() == allows


@pytest.mark.parametrize("keeps", [lambda *_: -1, OSError("no such function")])
def test_tiles_that_linux_keeps_are_not_used(keeps, monkeypatch):
    class Library:
        def __init__(self, _):
            if isinstance(keeps, OSError):
                raise keeps
            self.syscall = keeps

    monkeypatch.setattr(tiles, "FEATURES", tiles.FEATURES | {"+avx512f", "+amx-tile", "+amx-bf16"})
    monkeypatch.setattr(tiles, "HAS_BF16", True)
    monkeypatch.setattr(tiles.sys, "platform", "linux")
    monkeypatch.setattr(tiles.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(tiles.ctypes, "CDLL", Library)
    assert not tiles.are_permitted()


@pytest.mark.skipif(not kernels.HAS_FLOAT32, reason="nothing is compiled")
@pytest.mark.parametrize("name", ["registers", "tiles"])
def test_code_of_another_version_of_any_file_is_not_taken_from_the_cache(name, monkeypatch, tmp_path):
    def stamp():
        spec = importlib.util.spec_from_file_location("kernels_anew", kernels.__file__)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.convolve._cache._cache_file._source_stamp

    usual = stamp()
    other = tmp_path / f"{name}.py"
    other.write_text("# another version\n", encoding="utf-8")
    monkeypatch.setattr(getattr(kernels, name), "__file__", str(other))
    assert stamp() != usual

"""On a CPU a step runs directly; a stand-in for torch.cuda records the calls for a GPU."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from dis_bench.runners.training.cuda_graph import WARM_UP_CALLS, Repeater


def test_on_a_cpu_every_call_is_a_step():
    done = []
    repeat = Repeater(torch.device("cpu"))
    for _ in range(10):
        repeat(lambda: done.append("step"))
    assert done == ["step"] * 10


class Streams:
    """Which stream is current; the first is that of whoever calls."""

    def __init__(self):
        self.first = self.current = self.new()

    def new(self):
        return SimpleNamespace(wait_stream=lambda other: None)

    def set(self, stream):
        self.current = stream

    @contextmanager
    def on(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before


@pytest.fixture
def streams(monkeypatch):
    """Replace the streams of torch.cuda."""
    stand_in = Streams()
    monkeypatch.setattr(torch.cuda, "Stream", stand_in.new)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stand_in.current)
    monkeypatch.setattr(torch.cuda, "set_stream", stand_in.set)
    monkeypatch.setattr(torch.cuda, "stream", stand_in.on)
    return stand_in


@pytest.fixture
def events(monkeypatch, streams):
    """Replace torch.cuda, and return the list of its calls."""
    seen = []

    class Graph:
        """As torch's: without try and finally, and its end fails where the capture was invalidated."""

        def __init__(self, graph, pool, stream):
            self.stream = streams.on(stream)

        def __enter__(self):
            self.stream.__enter__()
            seen.append("begin")

        def __exit__(self, kind, error, trace):
            seen.append("end")
            if error is not None:
                raise RuntimeError("operation failed due to a previous error during capture\nand more")
            self.stream.__exit__(kind, error, trace)

    def new_graph():
        return SimpleNamespace(replay=lambda: seen.append("replay"), reset=lambda: seen.append("reset"))

    generator = SimpleNamespace(clone_state=lambda: "fresh", graphsafe_set_state=seen.append)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", new_graph)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: "pool")
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "default_generators", [generator])
    monkeypatch.setattr(
        torch._C, "_cuda_endAllocateToPool", lambda device, pool: seen.append(f"end {pool}"), raising=False
    )
    monkeypatch.setattr(
        torch._C, "_cuda_releasePool", lambda device, pool: seen.append(f"release {pool}"), raising=False
    )
    monkeypatch.setattr(torch.cuda, "graph", Graph)
    return seen


def test_on_a_gpu_steps_warm_up_then_one_is_captured_and_replayed_from_then_on(events):
    repeat = Repeater(torch.device("cuda"))
    for _ in range(WARM_UP_CALLS + 3):
        repeat(lambda: events.append("step"))
    assert repeat.captured
    # Capturing records a step without executing it, so each call is one step: 3 direct ones, 3 replays.
    assert events == ["step"] * WARM_UP_CALLS + ["begin", "step", "end"] + ["replay"] * 3


def test_a_step_that_cannot_be_captured_goes_on_as_it_is(events, streams):
    repeat = Repeater(torch.device("cuda"))

    def step():
        if events and events[-1] == "begin":
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        events.append("step")

    for _ in range(WARM_UP_CALLS):
        repeat(step)
    with pytest.warns(
        UserWarning, match="is launched kernel by kernel: operation not permitted when stream is capturing$"
    ):
        repeat(step)
    repeat(step)
    undone = ["end pool", "release pool", "fresh", "reset"]
    assert events == ["step"] * WARM_UP_CALLS + ["begin", "end", *undone] + ["step"] * 2
    assert streams.current is streams.first
    assert not repeat.captured


def test_one_that_is_known_not_to_be_is_not_tried(events):
    repeat = Repeater(torch.device("cuda"), capture=False)
    for _ in range(WARM_UP_CALLS + 3):
        repeat(lambda: events.append("step"))
    assert events == ["step"] * (WARM_UP_CALLS + 3)
    assert not repeat.captured


def test_want_of_memory_while_capturing_is_for_whoever_sizes_the_stack(events, streams):
    repeat = Repeater(torch.device("cuda"))

    def step():
        if events and events[-1] == "begin":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        events.append("step")

    for _ in range(WARM_UP_CALLS):
        repeat(step)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        repeat(step)
    assert streams.current is streams.first


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_capture_that_fails_on_a_gpu_spoils_nothing_after_it():
    device, before = torch.device("cuda"), torch.cuda.current_stream()
    total = torch.zeros((), device=device)

    def copying():
        total.add_(torch.tensor(1.0).to(device))

    repeat = Repeater(device)
    for _ in range(WARM_UP_CALLS):
        repeat(copying)
    with pytest.warns(UserWarning, match="cannot be captured"):
        repeat(copying)
    repeat(copying)
    assert torch.cuda.current_stream() == before
    assert total.item() == WARM_UP_CALLS + 2

    assert torch.rand(1, device=device).item() < 1
    torch.cuda.empty_cache()
    reserved = torch.cuda.memory_reserved()
    block = torch.empty(1 << 28, dtype=torch.uint8, device=device)
    assert torch.cuda.memory_reserved() > reserved
    del block
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() <= reserved

    other = Repeater(device)
    for _ in range(WARM_UP_CALLS + 2):
        other(lambda: total.add_(1))
    assert other.captured
    assert total.item() == 2 * (WARM_UP_CALLS + 2)

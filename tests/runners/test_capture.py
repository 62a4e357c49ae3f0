"""On a CPU a step runs as it is; what a GPU is asked to do is seen through a stand-in for torch.cuda."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch

from dis_bench.runners.capture import WARM_UP_CALLS, Repeater


def test_on_a_cpu_every_call_is_a_step():
    done = []
    repeat = Repeater(torch.device("cpu"))
    for _ in range(10):
        repeat(lambda: done.append("step"))
    assert done == ["step"] * 10


@pytest.fixture
def events(monkeypatch):
    """What a stand-in for torch.cuda is asked, in order."""
    seen = []
    stream = SimpleNamespace(wait_stream=lambda other: None)

    @contextmanager
    def graph(graph, stream):
        seen.append("begin")
        try:
            yield
        finally:
            seen.append("end")

    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(
        torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: seen.append("replay"))
    )
    monkeypatch.setattr(torch.cuda, "graph", graph)
    return seen


def test_on_a_gpu_steps_warm_up_then_one_is_captured_and_replayed_from_then_on(events):
    repeat = Repeater(torch.device("cuda"))
    for _ in range(WARM_UP_CALLS + 3):
        repeat(lambda: events.append("step"))
    # Capturing records a step without doing it, so each call is one step done: 3 as they are, 3 replays.
    assert events == ["step"] * WARM_UP_CALLS + ["begin", "step", "end"] + ["replay"] * 3


def test_a_step_that_cannot_be_captured_goes_on_as_it_is(events):
    repeat = Repeater(torch.device("cuda"))

    def step():
        if events and events[-1] == "begin":
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        events.append("step")

    for _ in range(WARM_UP_CALLS):
        repeat(step)
    with pytest.warns(
        UserWarning, match="goes on launched: operation not permitted when stream is capturing$"
    ):
        repeat(step)
    repeat(step)
    assert events == ["step"] * WARM_UP_CALLS + ["begin", "end"] + ["step"] * 2


def test_want_of_memory_while_capturing_is_for_whoever_sizes_the_stack(events):
    repeat = Repeater(torch.device("cuda"))

    def step():
        if events and events[-1] == "begin":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        events.append("step")

    for _ in range(WARM_UP_CALLS):
        repeat(step)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        repeat(step)

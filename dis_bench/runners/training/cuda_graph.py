"""CUDA graphs: a step that a GPU repeats on its own, without the host launching each kernel of it.

A training step of these small networks is hundreds of short kernels; launched one by one they wait for the
host.
"""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

WARM_UP_CALLS = 3  # as torch's documentation has it, on a side stream, before a step is captured


class Repeater:
    """Runs one step again and again: on a CPU as it is, on a GPU captured as a graph and replayed.

    The first calls run as they are too, and warm up what cannot start while a graph is captured. The step
    reads and writes the same tensors at each call, and never waits for the device.

    Args:
        device: that it runs on.
        capture: whether to try that on a GPU; False where it is known to fail.
    """

    def __init__(self, device: torch.device, capture: bool = True) -> None:
        on_gpu = device.type == "cuda"
        self._captures = capture and on_gpu
        self._stream = torch.cuda.Stream() if on_gpu else None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0

    @property
    def captured(self) -> bool:
        """Whether the step is replayed by now."""
        return self._graph is not None

    def __call__(self, step: Callable[[], None]) -> None:
        """Run the step once; the same one at each call."""
        self._calls += 1
        if self._captures and self._graph is None and self._calls > WARM_UP_CALLS:
            self._graph = self._capture(step)
        if self._graph is not None:
            self._graph.replay()
        elif self._stream is None:
            step()
        else:
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                step()
            torch.cuda.current_stream().wait_stream(self._stream)

    def _capture(self, step: Callable[[], None]) -> torch.cuda.CUDAGraph | None:
        before = torch.cuda.current_stream()
        gc.collect()  # what a collection would free in between may not be freed while capturing
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        try:
            with torch.cuda.graph(graph, pool=pool, stream=self._stream):
                step()  # is recorded, not done
        except RuntimeError as error:  # a plug-in's loss may, for one, copy a number to the device
            torch.cuda.set_stream(before)  # an end of capturing that fails leaves the capture's own
            _abandon(graph, pool)
            causes = list(_causes(error))
            for cause in causes:
                if isinstance(cause, torch.cuda.OutOfMemoryError):
                    raise cause from None
            self._captures = False
            reason = first_line(causes[-1])
            warnings.warn(f"a step cannot be captured, and goes on launched: {reason}", stacklevel=2)
            return None
        return graph


_abandoned: list[torch.cuda.CUDAGraph] = []


def _abandon(graph: torch.cuda.CUDAGraph, pool: Any) -> None:
    """Do what an end of capturing that fails leaves undone, for which torch has no public call.

    Its allocator would believe that a capture goes on, and give no memory back any more; so would, in older
    versions, its generator, and refuse to draw.
    """
    device = torch.cuda.current_device()
    with contextlib.suppress(RuntimeError, AttributeError):  # the end came as far, or this torch has others
        torch._C._cuda_endAllocateToPool(device, pool)
        torch._C._cuda_releasePool(device, pool)
    generator = torch.cuda.default_generators[device]
    generator.graphsafe_set_state(generator.clone_state())
    graph.reset()
    _abandoned.append(graph)  # the allocator of pinned memory may go on asking it what it captures


def first_line(error: BaseException) -> str:
    """What an error says, without the advice on debugging that CUDA's go on with."""
    return str(error).partition("\n")[0]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what was being handled when it was raised, and so on to the first.

    After an error in a capture its end fails as well, and that is the error which comes out.
    """
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__context__

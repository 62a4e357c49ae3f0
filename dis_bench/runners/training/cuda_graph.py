"""CUDA graphs: replay a step on a GPU without launching each of its kernels.

A training step of these small networks consists of hundreds of short kernels, which wait for the host if they
are launched one by one.
"""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

WARM_UP_CALLS = 3  # on a side stream before a step is captured, as torch's documentation recommends


class Repeater:
    """A runner of one step: directly on a CPU, captured as a graph and replayed on a GPU.

    On a GPU, the first calls run directly as well, to initialise libraries that cannot be initialised during
    a capture. The step reads and writes the same tensors at each call, and never waits for the device.

    Args:
        device: the device that runs the step.
        capture: whether to try to capture on a GPU; False if it is known to fail.
    """

    def __init__(self, device: torch.device, capture: bool = True) -> None:
        on_gpu = device.type == "cuda"
        self._captures = capture and on_gpu
        self._stream = torch.cuda.Stream() if on_gpu else None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0

    @property
    def captured(self) -> bool:
        """True once the step is replayed."""
        return self._graph is not None

    def __call__(self, step: Callable[[], None]) -> None:
        """Run the step once; it must be the same at each call."""
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
        gc.collect()  # since freeing garbage during a capture is not allowed
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        try:
            with torch.cuda.graph(graph, pool=pool, stream=self._stream):
                step()  # recorded, not executed
        except RuntimeError as error:  # for example, a plug-in's loss may copy a number to the device
            torch.cuda.set_stream(before)  # a failed end of the capture leaves its own stream current
            _abandon(graph, pool)
            causes = list(_causes(error))
            for cause in causes:
                if isinstance(cause, torch.cuda.OutOfMemoryError):
                    raise cause from None
            self._captures = False
            reason = first_line(causes[-1])
            warnings.warn(
                f"a step cannot be captured, and is launched kernel by kernel: {reason}", stacklevel=2
            )
            return None
        return graph


_abandoned: list[torch.cuda.CUDAGraph] = []


def _abandon(graph: torch.cuda.CUDAGraph, pool: Any) -> None:
    """Release what a failed graph capture leaves allocated.

    torch has no public API for it. Without this, torch's allocator would believe that the capture is still
    active, and never free memory again. In older versions the generator would, too, and refuse to draw.
    """
    device = torch.cuda.current_device()
    with contextlib.suppress(RuntimeError, AttributeError):  # released before, or torch's API differs
        torch._C._cuda_endAllocateToPool(device, pool)
        torch._C._cuda_releasePool(device, pool)
    generator = torch.cuda.default_generators[device]
    generator.graphsafe_set_state(generator.clone_state())
    graph.reset()
    _abandoned.append(graph)  # kept alive, as the allocator of pinned memory may still query it


def first_line(error: BaseException) -> str:
    """Return an error's first line, without the debugging advice that CUDA appends."""
    return str(error).partition("\n")[0]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its chain of contexts, up to the first error.

    After an error in a capture, ending the capture fails too, and raises the error that is caught.
    """
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__context__

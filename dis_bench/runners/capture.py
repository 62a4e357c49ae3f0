"""CUDA graphs: a step that a GPU repeats on its own, without the host launching each kernel of it.

A training step of these small networks is hundreds of short kernels; launched one by one they wait for the
host.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

WARM_UP_CALLS = 3  # as torch's documentation has it, on a side stream, before a step is captured


class Repeater:
    """Runs one step again and again: on a CPU as it is, on a GPU captured as a graph and replayed.

    The first calls run as they are too, and warm up what cannot start while a graph is captured. The step
    reads and writes the same tensors at each call, and never waits for the device.

    Args:
        device: that it runs on.
    """

    def __init__(self, device: torch.device) -> None:
        self._captures = device.type == "cuda"
        self._stream = torch.cuda.Stream() if self._captures else None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0

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
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                step()  # is recorded, not done
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:  # a plug-in's loss may, for one, copy a number to the device
            self._captures = False
            reason = str(error).partition("\n")[0]
            warnings.warn(f"a step cannot be captured, and goes on launched: {reason}", stacklevel=2)
            return None
        return graph

"""Failures of a cell: what its record says of them, and which of them may pass."""

from __future__ import annotations

import traceback

import torch

from dis_bench.nn.compiled import KernelsFailed
from dis_bench.records.durable import explain
from dis_bench.records.store import NotPlaced
from dis_bench.runners.planning.study_code import CodeChanged
from dis_bench.runners.training.log import TrainingDiverged

_EXPLAINED = (TrainingDiverged, CodeChanged, KernelsFailed, NotPlaced)  # their messages are whole sentences


class GivenUp(RuntimeError):
    """Error: the worker processes of a job were killed; the message says how."""


_PASSING = (OSError, GivenUp, KernelsFailed, CodeChanged, MemoryError, torch.cuda.OutOfMemoryError)


def explain_failure(error: BaseException) -> dict[str, str]:
    """Describe an error for a record: a sentence, and a traceback if unexpected."""
    if isinstance(error, (GivenUp, *_EXPLAINED)):
        return {"reason": str(error)}
    if isinstance(error, OSError):
        return {"reason": explain(error)}
    where = "".join(traceback.format_exception(error))
    return {"reason": f"{type(error).__name__}: {error}", "traceback": where}


def may_pass(error: BaseException) -> bool:
    """Return True for a failure that the next run may not meet again.

    Its checkpoint is kept. These are trouble with files, workers that were killed, memory that ran out,
    kernels that could not be compiled, and a plug-in that was edited while its study ran and may be put back.
    """
    if isinstance(error, _PASSING):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)  # torch's, on a CPU

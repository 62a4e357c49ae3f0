"""The state of a training, from which a cell continues as if it had never stopped.

It holds weights, buffers and Adam's moments by name; the cell's generators as of the steps that were taken,
not as drawn ahead; the global random streams; and the sums of the log's open row.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dis_bench.runners.training.steps import Training

State = dict[str, Any]

_MOMENTS = ("exp_avg", "exp_avg_sq")  # the names in torch's Adam


def save_state(training: Training, number: int) -> State:
    """Return the state of a cell after a step, as tensors on the CPU and plain values."""
    assert training.optimiser is not None
    assert training.running is not None

    def own(tensor: Tensor) -> Tensor:
        return (tensor if training.alone else tensor[number]).detach().cpu().clone()

    moments = training.optimiser.state
    return {
        "step": training.done,
        "weights": {name: own(weight) for name, weight in training.weights.items()},
        "buffers": {name: own(buffer) for name, buffer in training.buffers.items()},
        "moments": {
            name: {key: own(moments[weight][key]) for key in _MOMENTS}
            for name, weight in training.weights.items()
            if weight in moments  # before the first step, none is
        },
        "chance": training.chance[number],
        "streams": _read_streams(training.device),
        "sums": training.running.sums[number].cpu().clone(),
        **({} if training.adaptation is None else {"adaptation": training.adaptation.state()}),
    }


def are_of(training: Training, states: Sequence[State | None]) -> bool:
    """Return True if every cell has a state, of the same step and with its shapes."""
    if any(state is None for state in states) or len({state["step"] for state in states if state}) != 1:
        return False

    def shapes(tensors: dict[str, Tensor], stacked: bool) -> dict[str, Any]:
        return {name: tensor.shape[stacked:] for name, tensor in tensors.items()}

    return all(
        shapes(own, not training.alone) == shapes(state[part], False)
        for state in states
        if state
        for part, own in (("weights", training.weights), ("buffers", training.buffers))
    )


@torch.no_grad()
def restore_states(training: Training, states: Sequence[State]) -> None:
    """Restore the cells of a new training to states, from whichever device and stack."""
    training.done = states[0]["step"]
    for number, state in enumerate(states):
        _restore(training, number, state)
        training.draws[number].restore(state["chance"])
    training.chance = [state["chance"] for state in states]
    training.open_sums = torch.stack([state["sums"] for state in states]).to(training.device)
    if training.adaptation is not None:
        training.adaptation.restore(states[0]["adaptation"])
    if training.alone:
        _set_streams(training.device, states[0]["streams"])


def _restore(training: Training, number: int, state: State) -> None:
    def own(tensor: Tensor) -> Tensor:
        return tensor if training.alone else tensor[number]

    assert training.optimiser is not None
    for tensors, kept in ((training.weights, state["weights"]), (training.buffers, state["buffers"])):
        for name, tensor in tensors.items():
            own(tensor).copy_(kept[name])
    for name, kept in state["moments"].items():
        weight = training.weights[name]
        moments = training.optimiser.state[weight]
        moments["step"] = torch.tensor(float(state["step"]), device=training.device)
        for key in _MOMENTS:
            if key not in moments:
                moments[key] = torch.zeros_like(weight, memory_format=torch.preserve_format)
            own(moments[key]).copy_(kept[key])


def _read_streams(device: torch.device) -> dict[str, Any]:
    """Return the states of the global random streams, since steps may draw from them."""
    numpy: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    streams = {
        "python": random.getstate(),
        "numpy": {**numpy, "state": {**numpy["state"], "key": numpy["state"]["key"].tolist()}},
        "torch": torch.get_rng_state(),
    }
    return streams | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _set_streams(device: torch.device, streams: dict[str, Any]) -> None:
    random.setstate(streams["python"])
    numpy = streams["numpy"]
    key = np.array(numpy["state"]["key"], dtype=np.uint32)
    np.random.set_state({**numpy, "state": {**numpy["state"], "key": key}})  # noqa: NPY002
    torch.set_rng_state(streams["torch"])
    if device.type == "cuda" and "cuda" in streams:
        torch.cuda.set_rng_state(streams["cuda"], device)

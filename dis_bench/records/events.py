"""Event files of TensorBoard: scalars and pictures of a training, in ``tensorboard/``.

They repeat what training.csv has, for TensorBoard to show; nothing else reads them. The package tensorboard
is imported only here, and only if such files are wanted.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dis_bench.records.durable import remove

FOLDER = "tensorboard"  # of a result folder; with a folder per cell
_PREFIX = "events.out.tfevents."  # by which TensorBoard knows its files


class EventFile:
    """The event file of one cell, of which every event is on the disk at once.

    Args:
        folder: the cell's folder in :data:`FOLDER`. The events of earlier files in it are kept up to a step,
            without repetitions, and the files are removed.
        done: the last step whose scalars are kept; pictures are kept of earlier steps only, since a resumed
            training makes those of its first step again.

    Attributes:
        scalars: the (step, name) of each scalar that was kept.
    """

    def __init__(self, folder: Path, done: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        old = sorted(path for path in folder.iterdir() if path.name.startswith(_PREFIX))
        kept = [*_read_kept(old, done)]
        self.scalars = {(event.step, event.summary.value[0].tag) for event in kept if _is_scalar(event)}
        self._file = open(folder / f"{_PREFIX}{time.time_ns()}.dis-bench", "xb")  # noqa: SIM115
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        for event in kept:
            self._write(event)
        for path in old:
            remove(path)

    def add_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add scalars of a step by name; a name with a slash is shown in a group."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        for name, value in values.items():
            self._add(step, Summary.Value(tag=name, simple_value=value))

    def add_picture(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Add a picture [C, H, W] of bytes."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        channels, height, width = pixels.shape
        image = Summary.Image(
            height=height, width=width, colorspace=channels, encoded_image_string=_to_png(pixels)
        )
        self._add(step, Summary.Value(tag=name, image=image))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _add(self, step: int, value: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=[value])))

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())
        self._file.flush()


def _read_kept(paths: Iterable[Path], done: int) -> Iterator[Any]:
    """Yield the events of files up to a step, once each; files may be cut off."""
    seen = set()
    for path in paths:
        for event in _read_events(path):
            if len(event.summary.value) != 1 or event.step > done - (not _is_scalar(event)):
                continue
            key = (event.step, event.summary.value[0].tag)
            if key not in seen:
                seen.add(key)
                yield event


def _read_events(path: Path) -> Iterator[Any]:
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    try:
        yield from LegacyEventFileLoader(str(path)).Load()
    except Exception:  # a damaged file: training.csv has the scalars, too
        return


def _is_scalar(event: Any) -> bool:
    return len(event.summary.value) == 1 and bool(
        event.summary.value[0].WhichOneof("value") == "simple_value"
    )


def _to_png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(file, "png")
    return file.getvalue()

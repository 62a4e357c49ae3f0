"""Datasets as lists show them: contents, sources, files, and what is on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dis_bench import registry
from dis_bench.datasets import archives
from dis_bench.datasets.archives import Archive
from dis_bench.datasets.cache import image_directory
from dis_bench.errors import InputError, blaming
from dis_bench.escape import visible


def describe_contents(dataset: Any) -> tuple[str, str]:
    """Describe the images and the factors of a dataset's class in words.

    Raises:
        AttributeError: it is no subclass of Dataset, or lacks an attribute.
    """
    if dataset.grid is None:
        images, factors = dataset.contents
        return str(images), str(factors)
    shape = "x".join(str(number) for number in dataset.image_shape)
    sizes = zip(dataset.grid.names, dataset.grid.sizes, strict=True)
    return f"{len(dataset.grid):,} images {shape}", ", ".join(f"{name} {size}" for name, size in sizes)


def describe_datasets(data_dir: str | Path | None = None) -> Iterator[list[str]]:
    """Yield the lines that describe each installed dataset, and then the cache.

    Nothing is read but the metadata of files. A plug-in that cannot be imported is listed with the reason.

    Args:
        data_dir: the directory of the archives; see :func:`archives.data_directory`.

    Raises:
        ModuleNotFoundError: what finds the cache is not installed.
    """
    cached = _list_cache()  # before the datasets, each of which would give the same reason
    for plugin in registry.plugins("datasets").values():
        try:
            with blaming("cannot be used"):
                yield [plugin.name, *(f"    {visible(line)}" for line in _describe(plugin.load(), data_dir))]
        except InputError as error:
            yield [plugin.name, f"    {error}"]
    yield [f"archives are in '{archives.data_directory(data_dir)}'; converted images:", *cached]


def _describe(dataset: Any, data_dir: str | Path | None) -> list[str]:
    images, factors = describe_contents(dataset)
    found = [archive for archive in dataset.list_archives() if isinstance(archive, Archive)]
    # The packed file and the same one unpacked count as one.
    others = {file.packed.file: file.plain for file in getattr(dataset, "files", {}).values()}
    return [
        f"images:   {images}",
        f"factors:  {factors}",
        f"sources:  {', '.join(dataset.sources)}",
        *([f"licence:  {found[0].licence}"] if found else []),
        *(line for archive in found for line in _describe_file(archive, others.get(archive.file), data_dir)),
        *([] if found else [_say_without_files(dataset)]),
    ]


def _say_without_files(dataset: Any) -> str:
    if getattr(dataset, "takes_path", False):
        return f"files:    those in the folder that you name, as in {dataset.name}:PATH"
    return "files:    none are needed"


def _describe_file(archive: Archive, other: Archive | None, data_dir: str | Path | None) -> Iterator[str]:
    """Yield a line with a file's size and place, and one with its address."""
    path = archives.find(archive, data_dir)
    if path is None and other is not None:
        path = archives.find(other, data_dir)
    size = path.stat().st_size if path is not None and path.is_file() else archive.size
    bound = f"at most {_write_size(archive.limit)}" if archive.limit else "size unknown"
    where = "not here" if path is None else f"here: {path}"
    yield f"file:     {archive.file}, {_write_size(size) if size else bound}, {where}"
    yield f"          from {archive.urls[0] if archive.urls else archive.page + ' (by hand)'}"


def _write_size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def _list_cache() -> list[str]:
    """List the collections of images that were converted, with their sizes."""
    folder = image_directory()
    lines = []
    others = set(folder.glob("*.pixels"))  # of images that have changed or were converted in another way
    for path in sorted(folder.glob("*.json")):
        try:
            note = json.loads(path.read_text("utf-8"))
            count = note["count"] if "count" in note else len(note["names"])
            pixels = Path(note["pixels"])
            size = pixels.stat().st_size
            lines.append(
                f"    {count:,} images, {_write_size(size)}, of {visible(ascii(note['place'])[1:-1])}"
            )
            others.discard(pixels)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    if others:
        size = sum(path.stat().st_size for path in others)
        lines.append(f"    {_write_size(size)} of earlier states of these, or of others")
    return [*lines, f"    in '{folder}', which may be deleted at any time"] if lines else ["    none"]

"""Train, score and compare disentangled representations.

The public API, imported when first used, so that ``import dis_bench`` stays cheap.

A study of a dataset of one's own, ``tiny.py``, on a CPU:

>>> import dis_bench
>>> study = dis_bench.Study(models=["vae"], datasets=["tiny.py:Tiny"], seeds=1, steps=2, metrics=["mig"],
...                         allow_small=True, device="cpu")
>>> table = dis_bench.run(study, "results")
cell 1 of 1 done: tiny vae seed=0
>>> table[["dataset", "model", "seed", "status"]].to_dict("records")
[{'dataset': 'tiny', 'model': 'vae', 'seed': 0, 'status': 'done'}]
>>> bool(0 <= dis_bench.read_results("results")["mig"].item() <= 1)
True
>>> print(dis_bench.report("results").path.as_posix())
results/report/index.html

An encoder that was trained elsewhere beside it, a copy for a model hub, and what changed since (nothing):

>>> def brightness(images):
...     return images.float().mean((1, 2, 3))[:, None]
>>> mine = dis_bench.score_encoder(brightness, "tiny.py:Tiny", name="mine", metrics=["mig"], allow_small=True)
>>> mine[["model", "status"]].to_dict("records")
[{'model': 'mine', 'status': 'done'}]
>>> sorted(path.name for path in dis_bench.export(table["folder"].item(), "hub").iterdir())
['README.md', 'config.json', 'model.safetensors', 'record.json', 'traversal.png']
>>> dis_bench.compare("results", "results").differs
False
"""

from __future__ import annotations

from typing import Any

from dis_bench.version import __version__

_API = {
    "InputError": "dis_bench.errors",
    "Study": "dis_bench.runners.study",
    "build_model": "dis_bench.models",
    "compare": "dis_bench.reports.compare",
    "dataset_from": "dis_bench.datasets.arrays",
    "export": "dis_bench.reports.export",
    "load": "dis_bench.runners.trained.loading",
    "load_dataset": "dis_bench.datasets",
    "read_results": "dis_bench.records.table",
    "report": "dis_bench.reports.writing",
    "run": "dis_bench.runners.run",
    "score": "dis_bench.metrics",
    "score_encoder": "dis_bench.runners.encoders",
    "udr": "dis_bench.metrics.udr",
}

__all__ = [
    "InputError",
    "Study",
    "__version__",
    "build_model",
    "compare",
    "dataset_from",
    "export",
    "load",
    "load_dataset",
    "read_results",
    "report",
    "run",
    "score",
    "score_encoder",
    "udr",
]


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'dis_bench' has no attribute '{name}'")
    import importlib

    from dis_bench.requirements import names_missing_packages

    return getattr(names_missing_packages(importlib.import_module)(_API[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""A study that is unpacked elsewhere runs the code that was planned, or says what is missing."""

import pickle
import subprocess
import sys

import pytest

from dis_bench import Study
from dis_bench.records.store import Store
from dis_bench.runners.engines.cluster.parcel import Unfit, pack, unpack
from dis_bench.runners.run import build_pipeline

MODEL = """
from dis_bench.models.betavae import BetaVAE
from deep.part import factor


class Own(BetaVAE):
    name = "own"

    def loss(self, terms):
        return factor() * super().loss(terms)
"""
DATA = """
from tests.tiny import Tiny


class Mine(Tiny):
    name = "mine"
    fingerprint = "mine-1"
"""


@pytest.fixture
def packed(tmp_path):
    """Pack a study of a model and a dataset in files; return the parcel and their folder."""
    home = tmp_path / "home"
    (home / "deep").mkdir(parents=True)
    (home / "own.py").write_text(MODEL, "utf-8")
    (home / "deep" / "__init__.py").write_text("", "utf-8")
    (home / "deep" / "part.py").write_text("def factor():\n    return 1.5\n", "utf-8")
    (home / "mine.py").write_text(DATA, "utf-8")
    study = Study(
        **{"models": [f"{home / 'own.py'}:Own"], "datasets": [f"{home / 'mine.py'}:Mine"], "steps": 2},
        **{"network": "tests.models.small:Small", "metrics": ["tests.tiny:mean_code"], "latent_size": 3},
    )
    plan = study.plan()
    parcel = pack(build_pipeline(plan, Store(tmp_path / "out"), "dis-bench run"))
    return parcel, home, plan


def test_files_are_used_in_place_where_their_code_is_the_same(packed, tmp_path):
    parcel, home, _ = packed
    pipeline = unpack(parcel, tmp_path / "copies")
    assert pipeline.models == {"own": f"{home / 'own.py'}:Own"}
    assert not (tmp_path / "copies" / "0").exists()


def test_copies_take_the_place_of_missing_files(packed, tmp_path):
    parcel, home, plan = packed
    home.rename(tmp_path / "moved")
    pipeline = unpack(parcel, tmp_path / "copies")
    assert pipeline.models["own"].startswith(str(tmp_path / "copies"))
    assert type(pipeline.datasets["mine"]).__module__ != type(plan.datasets["mine"]).__module__
    trainee = pipeline.prepare(plan.cells[0])  # which compares the code with what was planned
    assert trainee.model.name == "own"


def test_copies_take_the_place_of_other_files(packed, tmp_path):
    parcel, home, _ = packed
    (home / "deep" / "part.py").write_text("def factor():\n    return 2\n", "utf-8")
    pipeline = unpack(parcel, tmp_path / "copies")
    assert pipeline.models["own"].startswith(str(tmp_path / "copies"))
    assert pipeline.datasets["mine"].fingerprint == "mine-1"


ELSEWHERE = """
import pickle, sys
from pathlib import Path
from dis_bench.runners.engines.cluster.parcel import unpack
with open(sys.argv[1], "rb") as file:
    pipeline = unpack(pickle.load(file), Path(sys.argv[2]))
print(pipeline.metrics)
"""


def test_modules_travel_too(tmp_path, monkeypatch):
    (tmp_path / "lone").mkdir()
    (tmp_path / "lone" / "travelling.py").write_text("def score(codes, factors):\n    return 0.5\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path / "lone")
    study = Study(models=["pca"], datasets=["dsprites"], metrics=["travelling:score"])
    parcel = pack(build_pipeline(study.plan(), Store(tmp_path / "out"), ""))
    assert list(parcel.modules) == ["travelling.py"]
    (tmp_path / "parcel").write_bytes(pickle.dumps(parcel))
    command = [sys.executable, "-c", ELSEWHERE, tmp_path / "parcel", tmp_path / "copies"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "travelling:score" in done.stdout, done.stderr


def test_another_version_of_dis_bench_is_unfit(packed, tmp_path, monkeypatch):
    parcel, _, _ = packed
    monkeypatch.setattr("dis_bench.runners.engines.cluster.parcel.__version__", "9")
    with pytest.raises(Unfit, match="has dis-bench 9, but the study was planned by"):
        unpack(parcel, tmp_path / "copies")


def test_a_dataset_whose_file_is_missing_there_is_unfit(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    images = tmp_path / "images"
    images.mkdir()
    for number in range(12):
        Image.new("L", (64, 64), number).save(images / f"{number}.png")
    study = Study(models=["pca"], datasets=[f"folder:{images}"], metrics=[], allow_small=True)
    parcel = pack(build_pipeline(study.plan(), Store(tmp_path / "out"), ""))
    assert unpack(parcel, tmp_path / "copies").datasets
    (tmp_path / "cache").rename(tmp_path / "gone")
    assert unpack(parcel, tmp_path / "copies").datasets  # made again, from the images
    (tmp_path / "cache").rename(tmp_path / "gone too")
    images.rename(tmp_path / "elsewhere")
    with pytest.raises(Unfit, match="cannot draw the images of dataset"):
        unpack(parcel, tmp_path / "copies")

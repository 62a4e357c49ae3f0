"""A study takes classes and functions, whose source its records keep."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

import dis_bench
from dis_bench import registry
from dis_bench.errors import InputError
from dis_bench.models.betavae import BetaVAE
from dis_bench.networks.mlp import MLP
from dis_bench.records.record import read_newest
from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study
from tests import tiny
from tests.runners.trained.conftest import TINY

ROOT = Path(__file__).parents[2]
FILE = TINY.rpartition(":")[0]
GIVEN = Study(
    models=[tiny.Alone],
    datasets=[tiny.Tiny],
    metrics=["mig", tiny.mean_code],
    seeds=1,
    steps=1,
    latent_size=3,
    allow_small=True,
    device="cpu",
)

SCRIPT = """
import dis_bench
from dis_bench.models.vae import VAE

class Mine(VAE):
    "Mine."
    name = "mine"
    def loss(self, terms):
        return terms.reconstruction.mean() + SCALE * terms.kl.sum()

SCALE = 2

def mean(codes, factors):
    return float(codes.mean())

if __name__ == "__main__":
    study = dis_bench.Study(models=[Mine], datasets=["tiny.py:Tiny"], metrics=[mean], seeds=2, steps=1,
                            latent_size=2, allow_small=True, device="cpu")
    table = dis_bench.run(study, "results")
    print(table[["model", "status"]].to_dict("list"))
    print(dis_bench.load(table.iloc[0], model=Mine).record["sources"]["models"]["mine"])
"""


def test_the_cells_of_classes_of_a_module_and_of_their_names_agree():
    named = dataclasses.replace(
        GIVEN, models=[f"{FILE}:Alone"], datasets=[TINY], metrics=["mig", f"{FILE}:mean_code"]
    )
    one, other = GIVEN.plan(), named.plan()
    plain = [dataclasses.replace(cell, model_version="", dataset_version="") for cell in one.cells]
    assert plain == [dataclasses.replace(cell, model_version="", dataset_version="") for cell in other.cells]


def test_a_class_of_an_installed_plug_in_is_that_plug_in():
    given = Study(models=[BetaVAE], network=MLP, metrics=[], seeds=1, device="cpu").plan()
    named = Study(models=["betavae"], network="mlp", metrics=[], seeds=1, device="cpu").plan()
    assert given.cells == named.cells
    assert given.code.sources == {}


def test_records_keep_the_source_of_what_was_given(tmp_path):
    [folder] = run_study(GIVEN, tmp_path, workers=0)["folder"]
    record = read_newest(Path(folder), [])
    sources = record["sources"]
    assert {kind: [*some] for kind, some in sources.items()} == {
        **{"models": ["alone"], "datasets": ["tiny"], "metrics": ["mean_code"]},
    }
    assert "class Alone(Diverging):" in sources["models"]["alone"]
    assert "def mean_code" in sources["metrics"]["mean_code"]
    trained = dis_bench.load(folder, model=tiny.Alone, dataset=tiny.Tiny)
    with pytest.warns(UserWarning, match="left out, as not installed: mean_code"):
        assert trained.score().index.tolist() == ["mig"]
    assert trained.score([tiny.mean_code]).item() == record["scores"]["mean_code"]
    assert "sources" not in read_newest(Path(run_study(named(), tmp_path / "n", workers=0)["folder"][0]), [])


def named():
    return dataclasses.replace(GIVEN, models=["vae"], datasets=[TINY], metrics=["mig"])


@pytest.mark.slow
def test_a_script_s_own_classes_run_in_workers_and_are_done_once(tmp_path):
    (tmp_path / "tiny.py").write_bytes(Path(FILE).read_bytes())
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "script.py"]
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    first = subprocess.run(command, **options)
    assert "{'model': ['mine', 'mine'], 'status': ['done', 'done']}" in first.stdout, first.stderr
    assert "SCALE = 2\n" in first.stdout
    second = subprocess.run(command, **options)
    assert "2 of 2 cells are done already" in second.stdout, second.stderr
    (tmp_path / "script.py").write_text(SCRIPT.replace("SCALE = 2", "SCALE = 3"), encoding="utf-8")
    assert "cell 2 of 2 done: tiny mine" in subprocess.run(command, **options).stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": ["betavea"]}, "unknown model 'betavea': did you mean 'betavae'"),
        ({"datasets": ["dsprite"]}, "unknown dataset 'dsprite': did you mean 'dsprites'"),
        ({"metrics": ["migg"]}, "unknown metric 'migg': did you mean 'mig'"),
        ({"network": "burgers"}, "unknown network 'burgers': did you mean 'burgess'"),
        ({"models": ["mine.py"]}, "'mine.py' is a file; name an object in it as well"),
    ],
)
def test_an_unknown_name_is_refused_when_the_study_is_made(given, said):
    with pytest.raises(InputError, match=said):
        Study(**given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": [tiny.Alone()]}, "models must be a list of names, classes or functions"),
        ({"models": [tiny.mean_code]}, "model 'mean_code' must be a subclass of"),
        ({"models": [int]}, "model 'int' must be a subclass of"),
        ({"metrics": [3]}, "metrics must be a list of names, classes or functions, but 3"),
        ({"network": 3}, "network must be a name or a class, but 3 was given"),
    ],
)
def test_other_objects_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        dataclasses.replace(GIVEN, **given).plan()


def test_a_study_names_its_classes():
    assert "models=[Alone], betas=(), datasets=[Tiny]" in repr(GIVEN)
    assert "metrics=['mig', mean_code]" in repr(GIVEN)


def test_the_public_names_are_those_that_tab_shows():
    assert dir(dis_bench) == sorted(dis_bench.__all__)
    assert all(not name.startswith("_") or name == "__version__" for name in dir(dis_bench))


def test_a_registry_finds_what_an_imported_class_stands_for():
    assert registry.find("models", BetaVAE).is_ours
    assert registry.find("models", tiny.Alone).name == "alone"
    with pytest.raises(InputError, match="a model must be a class or a function, but 3 was given"):
        registry.find("models", 3)

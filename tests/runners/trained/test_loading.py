"""A trained model is loaded from a folder or a row, without running code that a record names."""

import shutil
from pathlib import Path

import pytest
import torch

import dis_bench
from dis_bench.errors import InputError
from dis_bench.records import weights
from dis_bench.records.cell import hash_identity
from dis_bench.records.record import read_newest, write_record
from dis_bench.records.schema import EARLIER_WEIGHTS
from dis_bench.records.seal import digest_file
from dis_bench.records.weights import read_weights
from dis_bench.runners.run import run_study
from dis_bench.runners.study import Study
from tests.records.kept_store import put_encoder
from tests.reports.made_up import reseal
from tests.runners.trained.conftest import TINY


@pytest.fixture
def copied(row, tmp_path):
    """Return a copy of the VAE's folder, to damage."""
    return Path(shutil.copytree(row["folder"], tmp_path / Path(row["folder"]).name))


def test_a_row_a_table_of_one_row_and_a_folder_give_the_same_model(table, row):
    first = dis_bench.load(row, dataset=TINY)
    one_row = table[table["model"] == "vae"]
    for where in (one_row, row["folder"], Path(row["folder"]), {"folder": row["folder"]}):
        other = dis_bench.load(where, dataset=TINY)
        assert other.record["hash"] == first.record["hash"] == row["hash"]
        kept = read_weights(row["folder"])
        assert {n: v.tolist() for n, v in other.networks.state_dict().items()} == {
            n: v.tolist() for n, v in kept.items()
        }


def test_a_result_folder_with_one_cell_is_enough(copied, tmp_path):
    root = tmp_path / "results"
    (root / "cells").mkdir(parents=True)
    shutil.move(copied, root / "cells")
    assert dis_bench.load(root).record["cell"]["model"] == "vae"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nowhere", "there is no folder 'nowhere'"),
        (".", "is neither a cell's folder, a result folder with cells, nor an export"),
        (3, "a folder, or a row of a table with its folder, is needed, but 3 was given"),
        ({"hash": "x"}, "a row of a table with its folder"),
    ],
)
def test_what_is_no_cell_is_refused(where, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        dis_bench.load(where)


def test_several_cells_are_listed(table, row):
    with pytest.raises(InputError, match=r"2 rows were given: load one of them, such as table.iloc\[0\]"):
        dis_bench.load(table)
    with pytest.raises(InputError, match=r"has 2 cells: load the folder of one, such as .*tiny-pca"):
        dis_bench.load(Path(row["folder"]).parents[1])


def test_an_encoder_and_a_failed_cell_have_no_networks(copied, tmp_path):
    with pytest.raises(InputError, match="an encoder trained elsewhere"):
        dis_bench.load(put_encoder(tmp_path))
    reseal(copied, status="failed", failure={"reason": "the loss is not finite"})
    with pytest.raises(InputError, match="failed: the loss is not finite"):
        dis_bench.load(copied)


def test_missing_weights_are_named(copied):
    (copied / weights.FILE).unlink()
    with pytest.raises(InputError, match=r"has no weights, as weights.safetensors was removed"):
        dis_bench.load(copied)


def test_weights_that_were_not_to_be_kept_are_named(tmp_path):
    study = Study(datasets=[TINY], seeds=1, steps=1, metrics=[], keep=["codes"], device="cpu")
    [folder] = run_study(study, tmp_path, workers=0)["folder"]
    with pytest.raises(InputError, match=r"has no weights, as it keeps codes; rerun 'always'"):
        dis_bench.load(folder)


def test_damaged_weights_and_records_are_named(copied):
    content = (copied / weights.FILE).read_bytes()
    (copied / weights.FILE).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match="has changed since it was written"):
        dis_bench.load(copied)
    (copied / "record.json").write_text("{}")
    with pytest.raises(InputError, match="has no valid record"):
        dis_bench.load(copied)


def test_weights_of_an_earlier_version_are_read(copied, row):
    kept = read_weights(copied)
    (copied / weights.FILE).unlink()
    torch.save(kept, copied / EARLIER_WEIGHTS)
    record = read_newest(copied, [])
    files = {**record["files"], EARLIER_WEIGHTS: digest_file(copied / EARLIER_WEIGHTS)}
    plain = {name: value for name, value in record.items() if name != "folder"}
    write_record(copied, {**plain, "files": files}, replace=True)
    images = dis_bench.load(row, dataset=TINY).dataset.images([3, 4])
    assert torch.equal(dis_bench.load(copied).encode(images), dis_bench.load(row).encode(images))


def test_torch_that_reads_those_unsafely_is_named(copied, monkeypatch):
    (copied / weights.FILE).rename(copied / EARLIER_WEIGHTS)
    reseal(copied)
    record = read_newest(copied, [])
    files = {EARLIER_WEIGHTS: digest_file(copied / EARLIER_WEIGHTS)}
    plain = {name: value for name, value in record.items() if name != "folder"}
    write_record(copied, {**plain, "files": files}, replace=True)
    monkeypatch.setattr(torch, "__version__", "2.10.0+cpu")
    with pytest.raises(
        InputError, match=r"torch 2.10.0\+cpu cannot read it safely; install torch 2.11, or train"
    ):
        dis_bench.load(copied)


def test_a_model_that_is_not_installed_must_be_given(tmp_path):
    mine = f"{TINY.rpartition(':')[0]}:Alone"
    study = Study(models=[mine], datasets=[TINY], seeds=1, steps=1, metrics=[], device="cpu")
    [folder] = run_study(study, tmp_path, workers=0)["folder"]
    with pytest.raises(
        InputError, match="the model 'alone' of this cell is not installed; give it as model="
    ):
        dis_bench.load(folder)
    assert dis_bench.load(folder, model=mine).model.beta == 4.0
    with pytest.raises(InputError, match="this cell has the model 'alone', but 'betavae' was given"):
        dis_bench.load(folder, model="betavae")


def test_the_dataset_is_needed_only_where_it_is_used(row):
    trained = dis_bench.load(row)
    assert trained.image_shape == (1, 64, 64)
    with pytest.raises(
        InputError, match="the dataset 'tiny' of this cell is not installed; give it as dataset"
    ):
        trained.score()
    assert "the dataset is not available" in trained._repr_html_()
    with pytest.raises(InputError, match="the fingerprint tiny-1, but that of 'dsprites' is drawn:"):
        _ = dis_bench.load(row, dataset="dsprites").dataset


def test_other_networks_of_the_same_name_are_refused(copied, tmp_path):
    kept = read_weights(copied)
    name = next(iter(kept))
    weights.write_weights(copied, {**kept, name: kept[name][..., :1]})
    reseal(copied)
    with pytest.raises(InputError, match=rf"the networks of model 'vae' have changed since .*'{name}' is"):
        dis_bench.load(copied)


def test_other_code_is_loaded_with_a_warning(copied):
    record = read_newest(copied, [])
    cell = {**record["cell"], "model_version": "dis-bench 0.0.1"}
    changed = hash_identity(cell)
    reseal(copied, cell=cell, hash=changed)
    moved = copied.rename(copied.with_name(f"x-{changed}"))
    with pytest.warns(UserWarning, match=r"the code of model 'vae' is dis-bench .*, but was dis-bench 0.0.1"):
        dis_bench.load(moved)

"""Each kept file is read as it was written, by the one module that knows its name."""

import ast
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import dis_bench
from dis_bench.records import anchors, codes, curves, pictures, record, weights
from dis_bench.records.schema import Damaged
from dis_bench.records.seal import KEPT
from tests.reports.made_up import LATENTS, reseal, write_cell

FORMATS = (codes, curves, pictures, weights)
RNG = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a finished cell; files written to it must be sealed."""
    return write_cell(tmp_path)


def test_each_kept_file_has_a_module():
    assert {module.FILE for module in FORMATS} == set(KEPT)


def test_no_other_code_knows_the_name_of_a_kept_file():
    names = {module.FILE: module.__file__ for module in (*FORMATS, record)}
    for path in Path(dis_bench.__file__).parent.rglob("*.py"):
        constants = (
            node.value
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant)
        )
        known = {value for value in constants if isinstance(value, str) and value in names}
        assert path.name == "schema.py" or all(names[name] == str(path) for name in known), path


def test_codes_come_back(folder):
    given = {
        "codes": RNG.standard_normal((20, LATENTS)).astype(np.float32),
        "log_variances": RNG.standard_normal((20, LATENTS)).astype(np.float32),
        "factors": RNG.integers(0, 5, (20, 3)),
    }
    codes.write_codes(folder, **given)
    reseal(folder)
    read = codes.read_codes(folder)
    assert list(read) == ["codes", "log_variances", "factors"]
    for name, array in given.items():
        np.testing.assert_array_equal(read[name], array)
    assert list(codes.read_codes(folder, "factors")) == ["factors"]
    with np.load(folder / "codes.npz", allow_pickle=False) as plain:  # as docs/results.md says
        assert {name: plain[name].dtype.str for name in plain} == {
            "codes": "<f4",
            "log_variances": "<f4",
            "factors": "<i4",
        }


def test_codes_of_an_encoder_without_a_posterior_come_back(folder):
    codes.write_codes(folder, np.ones((4, LATENTS)), np.zeros((4, 2), int))
    reseal(folder)
    assert list(codes.read_codes(folder)) == ["codes", "factors"]


def test_whether_a_cell_has_codes_is_asked_of_its_record_and_of_the_disk(folder):
    def has_codes():
        return codes.has_codes(folder, record.read_newest(folder, []))

    assert not has_codes()
    codes.write_codes(folder, np.ones((4, LATENTS)), np.zeros((4, 2), int))
    assert not has_codes()
    reseal(folder)
    assert has_codes()
    (folder / codes.FILE).unlink()
    assert not has_codes()


def test_curves_come_back(folder):
    path, names = folder / curves.FILE, ["loss", "reconstruction", "kl", "weighted_kl", "kl_0", "kl_1"]
    path.unlink()
    curves.write_row(path, names, 0, None)
    curves.write_row(path, names, 10, [600.25, 600.0, 1 / 3, 0.25, 0.0, 1 / 3])
    curves.write_row(path, names, 20, [3e-7, -1.5, 2.0, 123456789.0, 1.0, 1.0])
    assert path.read_bytes() == (
        b"step,loss,reconstruction,kl,weighted_kl,kl_0,kl_1\r\n"
        b"10,600.25,600,0.333333,0.25,0,0.333333\r\n"
        b"20,3e-07,-1.5,2,1.23457e+08,1,1\r\n"
    )
    reseal(folder)
    read = curves.read_curves(folder, ("kl_1", "loss"))
    assert {name: values.tolist() for name, values in read.items()} == {
        "step": [10, 20],
        "kl_1": [0.333333, 1],
        "loss": [600.25, 3e-7],
    }
    with pytest.raises(Damaged, match="unread"):
        curves.read_curves(folder, ("unread",))


def test_pictures_come_back(folder):
    def pixels(*shape):
        return RNG.integers(0, 256, (*shape, 1, 64, 64), dtype=np.uint8)

    given = pictures.Pictures(
        pixels(8), pixels(8), pixels(LATENTS, 9), np.linspace(-3, 3, 9), [0.5] * LATENTS
    )
    pictures.write_pictures(folder, given)
    reseal(folder)
    for name, array in vars(pictures.read_pictures(folder)).items():
        np.testing.assert_array_equal(array, getattr(given, name))


def test_weights_come_back(folder):
    networks = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    weights.write_weights(folder, networks.state_dict())
    reseal(folder)
    read = weights.read_weights(folder)
    assert set(read) == set(networks.state_dict())  # the format has an order of its own
    for name, value in networks.state_dict().items():
        assert torch.equal(read[name], value)


class Evil:
    """An object that runs code when it is unpickled."""

    def __reduce__(self):
        return exec, ("open('RAN', 'w')",)


def pack_evil():
    """Return a file in torch's format whose pickle runs code."""
    file = io.BytesIO()
    torch.save({}, file)
    evil = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(evil, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(name, pickle.dumps(Evil()) if name.endswith("data.pkl") else old.read(name))
    return evil.getvalue()


@pytest.mark.parametrize("content", [b"weights", b"", pickle.dumps(Evil()), pack_evil()], ids=len)
def test_weights_that_are_none_are_named_and_run_no_code(folder, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder / weights.FILE).write_bytes(content)
    reseal(folder)
    with pytest.raises(Damaged):
        weights.read_weights(folder)
    assert not (tmp_path / "RAN").exists()


@pytest.mark.parametrize(
    "names",
    [{}, {"fingerprint": "drawn:f00d", "dataset_version": "1", "dataset_parameters": "none"}],
    ids=["earlier", "now"],
)
def test_anchors_come_back(names, tmp_path):
    inputs = {
        "dataset": "dsprites",
        **names,
        "grid": [3, 2],
        "rows": 6,
        "latent_size": 2,
        "seed": 0,
        "metric": "mig",
        "protocol": {"bins": 20},
    }
    scores = {"mig": {"perfect": 0.9, "chance": 0.1}}
    assert not anchors.has_anchor(tmp_path, inputs)
    anchors.write_anchor(tmp_path, inputs, scores)
    assert anchors.has_anchor(tmp_path, inputs)
    assert not anchors.has_anchor(tmp_path, {**inputs, "rows": 5})
    [[read], problems] = anchors.read_anchors(tmp_path)
    assert {**inputs, "scores": scores}.items() <= read.items()
    assert problems == []
    anchors.find_path(tmp_path, inputs).write_text("{")
    assert not anchors.has_anchor(tmp_path, inputs)
    anchors.write_anchor(tmp_path, inputs, scores)
    assert anchors.has_anchor(tmp_path, inputs)

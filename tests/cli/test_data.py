"""``dis-bench data``: its output, its files and its failures."""

from types import SimpleNamespace

import pytest

from dis_bench import registry
from dis_bench.cli.main import main
from tests.datasets.official import tiny_dsprites


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Make ``dsprites`` a dataset of 48 images whose archive is in the data directory."""
    dataset, _ = tiny_dsprites(tmp_path)
    plugin = registry.Plugin("datasets", "dsprites", "tests:tiny", "tests", [dataset])
    monkeypatch.setattr(registry, "find", lambda kind, name: plugin)
    monkeypatch.setenv("DIS_BENCH_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return dataset


def test_fetch_of_what_is_there_says_so(tiny, tmp_path, capsys):
    assert main(["data", "fetch", "dsprites"]) == 0
    out = capsys.readouterr().out
    assert f"{tmp_path / 'tiny_dsprites.npz'}: already there, and verified." in out
    assert "Licence of the data: none." in out


def test_fetch_without_a_network_says_where_to_put_the_file(tiny, tmp_path, capsys):
    (tmp_path / "tiny_dsprites.npz").unlink()
    object.__setattr__(tiny.archive, "urls", ("http://127.0.0.1:9/tiny_dsprites.npz",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))
        assert main(["data", "fetch", "dsprites"]) == 2
    error = capsys.readouterr().err
    assert "could not be downloaded from http://127.0.0.1:9/tiny_dsprites.npz (no connection)" in error
    assert f"put it into '{tmp_path}'" in error


def test_verify(tiny, tmp_path, capsys):
    assert main(["data", "verify", "dsprites"]) == 0
    assert f"verified (md5 {tiny.archive.digests['md5']}" in capsys.readouterr().out
    path = tmp_path / "tiny_dsprites.npz"
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["data", "verify", "dsprites"]) == 2
    assert "delete it and run `dis-bench data fetch dsprites`" in capsys.readouterr().err
    assert main(["data", "verify", "dsprites", "--data-dir", str(tmp_path / "none")]) == 2
    assert "run `dis-bench data fetch dsprites`" in capsys.readouterr().err


def test_show_draws_the_official_pixels(tiny, tmp_path, capsys):
    assert main(["data", "show", "dsprites", "--source", "official", "--out", "picture.png"]) == 0
    assert capsys.readouterr().out == "picture.png: dsprites (official), a row per factor.\n"
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_show_writes_over_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "show", "dsprites"]) == main(["data", "show", "dsprites"]) == 0
    assert "dsprites-2.png ('dsprites.png' already exists)" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dsprites-2.png", "dsprites.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fetch", "dsprite"], "did you mean 'dsprites'"),
        (["show", "dsprites", "--source", "real"], "unknown source of dataset 'dsprites' 'real'"),
        (["show", "dsprites", "--out", "no/where.png"], "there is no directory 'no'"),
        (["show", "dsprites", "--out", "picture.txt"], "but 'picture.txt' was given"),
        (["fetch", "tests/tiny.py:Tiny"], "dataset 'tests/tiny.py:Tiny' has no archive"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(words, message, capsys):
    assert main(["data", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("dis-bench: error: ")
    assert error.count("\n") == 1

"""Plug-ins are found by name, module or file; mistakes get a one-sentence error."""

import importlib.metadata
import multiprocessing
import pickle
import subprocess
import sys

import pytest

from dis_bench import registry
from dis_bench.errors import InputError, unknown

MODEL_FILE = """
from dis_bench.models.model import Model

class Mine(Model):
    "A model of my own."
    name = "mine"

class Thief(Model):
    "Takes the name of a built-in."
    name = "betavae"
"""


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MODEL_FILE)
    return path


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("datasets", {"dsprites", "shapes3d"}),
        ("networks", {"burgess", "locatello", "tutorial", "mlp", "hsu"}),
        ("models", {"vae", "betavae"}),
        ("metrics", {"betavae_score", "mig", "sap", "dci"}),
    ],
)
def test_built_ins_come_through_entry_points_and_load(kind, names):
    found = registry.plugins(kind)
    assert names <= set(found)
    for name in names:
        assert found[name].load().name == name
        assert found[name].origin.startswith("dis-bench ")


def test_listing_imports_no_torch():
    code = (
        "import sys; from dis_bench.cli.main import main\n"
        "for kind in ('models', 'networks', 'datasets', 'metrics'): assert main(['list', kind]) == 0\n"
        "assert not {'torch', 'pandas', 'sklearn', 'matplotlib', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_module_and_class():
    plugin = registry.find("models", "dis_bench.models.betavae:BetaVAE")
    assert plugin == registry.find("models", "betavae")


def test_file_and_class(model_file):
    plugin = registry.find("models", f"{model_file}:Mine")
    assert plugin.name == "mine"
    assert plugin.load()().name == "mine"


def test_version_of_a_file_is_its_content(model_file):
    before = registry.find("models", f"{model_file}:Mine").version
    model_file.write_text(MODEL_FILE + "\n# changed\n")
    assert registry.find("models", f"{model_file}:Mine").version != before


def test_two_files_of_one_name_do_not_mix(model_file, tmp_path):
    other = tmp_path / "other" / "mine.py"
    other.parent.mkdir()
    other.write_text(MODEL_FILE.replace('"mine"', '"yours"'))
    assert registry.find("models", f"{model_file}:Mine").name == "mine"
    assert registry.find("models", f"{other}:Mine").name == "yours"


@pytest.mark.parametrize("kind", registry.KINDS)
def test_a_name_from_data_is_looked_up_and_never_loaded(kind, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'RAN')!r}, 'w')\ndef x(c, f): return 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names = ["evil.py:x", f"{tmp_path}/evil.py:x", "evil:x", "os:system", "evil", "", ":", "a.py:", "\0"]
    assert [registry.installed(kind, name) for name in names] == [None] * len(names)
    assert not (tmp_path / "RAN").exists()
    known = next(iter(registry.plugins(kind)))
    assert registry.installed(kind, known) == registry.find(kind, known)


def test_versions_of_our_own_are_ours_and_of_a_module_its_codes(tmp_path, monkeypatch):
    assert registry.find("models", "betavae").version.startswith("dis-bench ")
    assert registry.find("metrics", "dis_bench.metrics.mig:mig").version.startswith("dis-bench ")
    (tmp_path / "some_models.py").write_text(MODEL_FILE)
    monkeypatch.syspath_prepend(tmp_path)
    assert len(registry.find("models", "some_models:Mine").version) == 16


def test_a_missing_file_inside_a_plug_in_is_not_its_own(model_file):
    model_file.write_text("open('no such data')")
    with pytest.raises(InputError, match=r"cannot be imported: FileNotFoundError: .*no such data"):
        registry.find("models", f"{model_file}:Mine")


def _name_of(pickled):
    return pickle.loads(pickled).name  # noqa: S301 - our own bytes


def test_what_a_file_defines_travels_to_a_new_process(model_file):
    model = registry.find("models", f"{model_file}:Mine").load()()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_name_of, [pickle.dumps(model)]) == "mine"


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        ("models", "betavea", "unknown model 'betavea': did you mean 'betavae'? There are: adagvae,"),
        ("metrics", "migg", "did you mean 'mig'?"),
        ("models", "no/such/file.py:Mine", "there is no file"),
        ("models", "no_such_module:Mine", "cannot be imported: ModuleNotFoundError"),
        ("models", "dis_bench.models.betavae:BetaVEA", "did you mean 'BetaVAE'?"),
    ],
)
def test_mistakes(kind, name, sentence):
    with pytest.raises(InputError) as caught:
        registry.find(kind, name)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_takes_an_installed_name_is_refused_and_both_are_named(model_file):
    with pytest.raises(InputError, match="two models are called 'betavae'") as caught:
        registry.find("models", f"{model_file}:Thief")
    assert "dis_bench.models.betavae:BetaVAE" in str(caught.value)
    assert str(model_file) in str(caught.value)


def test_a_name_that_records_could_not_tell_from_a_place_is_refused(model_file):
    model_file.write_text(MODEL_FILE.replace('"mine"', '"theirs:betavae"'))
    with pytest.raises(InputError, match="must have a name without ':', but its name is 'theirs:betavae'"):
        registry.find("models", f"{model_file}:Mine")


def test_two_packages_of_one_name_are_refused_and_both_are_named(monkeypatch):
    entries = [
        importlib.metadata.EntryPoint("mig", "dis_bench.metrics.mig:mig", "dis_bench.metrics"),
        importlib.metadata.EntryPoint("mig", "other_package:mig", "dis_bench.metrics"),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: entries)
    with pytest.raises(InputError, match="two metrics are called 'mig'") as caught:
        registry.plugins("metrics")
    assert "dis_bench.metrics.mig:mig" in str(caught.value)
    assert "other_package:mig" in str(caught.value)
    assert registry.installed("metrics", "mig") is None  # a report of other records goes on


def test_readers_of_records_know_all_names_but_those_that_clash(monkeypatch):
    entries = [
        importlib.metadata.EntryPoint("mig", "dis_bench.metrics.mig:mig", "dis_bench.metrics"),
        importlib.metadata.EntryPoint("sap", "dis_bench.metrics.sap:sap", "dis_bench.metrics"),
        importlib.metadata.EntryPoint("mig", "other_package:mig", "dis_bench.metrics"),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: entries)
    assert [*registry.known.__wrapped__("metrics")] == ["sap"]


def test_unknown_with_nothing_close_lists_what_there_is():
    assert str(unknown("metric", "xyz", ["sap", "mig"])) == "unknown metric 'xyz': There are: mig, sap."

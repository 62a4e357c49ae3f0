"""The page of models, and the page of each, say what models declare and what was measured."""

import importlib.util
import json
import math
import re
import sys
from pathlib import Path

import pytest

from dis_bench.metrics import find_metrics
from dis_bench.models.labels import QUALITIES
from dis_bench.models.pairs import LAWS
from dis_bench.models.vae import VAE

DOCS = Path(__file__).parents[2] / "docs"
OVERVIEW = (DOCS / "models.md").read_text(encoding="utf-8")
SECTIONS = dict(zip(*[iter(re.split(r"^## (.+)$", OVERVIEW, flags=re.M)[1:])] * 2, strict=True))


def load_script():
    spec = importlib.util.spec_from_file_location("model_pages", DOCS / "model_pages.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


PAGES = load_script()
ZOO = PAGES.list_models()


@pytest.mark.parametrize("name", ZOO)
def test_pages_are_up_to_date(name):
    page = (DOCS / "models" / f"{name}.md").read_text(encoding="utf-8")
    assert page == PAGES.make_page(name, ZOO[name]), "run `make model-pages`"


def test_every_page_is_of_a_model():
    assert {path.stem for path in (DOCS / "models").glob("*.md")} - {PAGES.OVERVIEW} == set(ZOO)


def test_the_page_of_all_models_is_up_to_date():
    page = (DOCS / "models" / f"{PAGES.OVERVIEW}.md").read_text(encoding="utf-8")
    assert page == PAGES.make_overview(ZOO), "run `make model-pages`"
    assert {name for name in ZOO if f"[`{name}`]({name}.md)" in page} == set(ZOO)


@pytest.mark.parametrize("name", ZOO)
def test_a_page_has_the_docstring_and_every_hyperparameter(name):
    page = PAGES.make_page(name, ZOO[name])
    for word in re.findall(r"[A-Za-z]{4,}", ZOO[name].__doc__):
        assert word in page
    rows = re.findall(r"^\| `(\w+)`", page, re.M)
    assert rows == [h.name for h in ZOO[name].hyperparameters]


def test_the_overview_leads_to_every_page_with_its_first_sentence():
    rows = dict(re.findall(r"^\| \[`(\w+)`\]\(models/\1\.md\) \| (.*?) \|", OVERVIEW, re.M))
    first = {
        name: " ".join(PAGES.fill(model.__doc__.strip().split("\n\n")[0]).split())
        for name, model in ZOO.items()
    }
    assert rows == first


def test_every_model_is_said_how_it_trains():
    assert set(ZOO) <= set(re.findall(r"`(\w+)`", SECTIONS["How they train"]))


def test_the_cells_of_published_grids_are_told():
    told = {}
    for count, names in re.findall(r"^- (one|two|six|\d+) (?:where|for) (.*);?\.?$", OVERVIEW, flags=re.M):
        number = {"one": 1, "two": 2, "six": 6}.get(count) or int(count)
        told |= dict.fromkeys(re.findall(r"`(\w+)`", names), number)
    counted = {name: math.prod(len(h.grid) or 1 for h in ZOO[name].hyperparameters) for name in ZOO}
    assert {name: count for name, count in counted.items() if count > 1 or name in told} == told


def test_the_floats_that_cells_of_a_stack_share_are_told():
    lines = {
        "ae": "the same `weight_decay`.",
        "qlae": "the same `weight_decay` and `clip`.",
        "vae": "GPU: yes.",
    }
    for name, end in lines.items():
        [line] = [one for one in PAGES.describe_training(name, ZOO[name]) if "train as one" in one]
        assert line.endswith(end)


def test_every_law_of_pairs_has_a_row():
    rows = re.findall(r"^\| `(.*?)` \|", SECTIONS["Laws of pairs"], re.M)
    assert sorted(rows) == sorted(LAWS)


def test_every_quality_of_labels_has_a_row():
    assert dict(re.findall(r"^\| `(.*?)` \| (.*) \|$", SECTIONS["Labels"], re.M)) == QUALITIES


def test_the_metrics_that_leave_pixels_out_are_told():
    told = set(re.findall(r"`(\w+)`", SECTIONS["Pixels as codes"])) - {"raw"}
    assert told == {name for name, one in find_metrics(given=["log_variances"]).items() if one.widest}


def test_which_models_have_free_bits_is_told():
    without = {"annealedvae", "controlvae"}
    floored = {
        name for name, model in ZOO.items() if any(h.name == "free_bits" for h in model.hyperparameters)
    }
    stepless = {"untrained"}
    assert floored == {name for name, model in ZOO.items() if issubclass(model, VAE)} - without - stepless
    assert without <= set(re.findall(r"`(\w+)`", SECTIONS["Schedules and free bits"]))


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Let pages read a table and times of this test."""
    columns = "dataset,steps,model,dial,dial_value,n,mig_mean,mig_std,kl_mean,kl_std"
    rows = ["dsprites,6000,betavae,beta,4.0,3,0.12345,0.0432,17.3,", "dsprites,6000,betavae,beta,16.0,0,,,,"]
    (tmp_path / "table.csv").write_text("\n".join([columns, *rows]), encoding="utf-8")
    times = {"rows": [{"model": "betavae", "in units of betavae": 1.0}]}
    (tmp_path / "zoo.json").write_text(json.dumps(times), encoding="utf-8")
    monkeypatch.setattr(PAGES, "SCORES", tmp_path / "table.csv")
    monkeypatch.setattr(PAGES, "TIMES", tmp_path / "zoo.json")


@pytest.mark.usefixtures("measured")
def test_a_page_has_the_rows_of_the_reference_table():
    page = PAGES.make_page("betavae", ZOO["betavae"])
    assert "On dsprites after 6,000 steps, mean ± standard deviation over seeds:" in page
    assert (
        "| beta | seeds | KL, nats | MIG |\n|---|---|---|---|\n| 4 | 3 | 17.3 | 0.123 ± 0.043 |\n\n" in page
    )
    assert "1.00 times as long as that of the beta-VAE" in page


@pytest.mark.usefixtures("measured")
def test_a_page_says_what_was_not_measured():
    assert "Scores: not measured yet.\n\nTime: not measured yet." in PAGES.make_page("vae", ZOO["vae"])
    assert "Time of a step: it takes none." in PAGES.make_page("pca", ZOO["pca"])


def test_a_citation_without_a_reference_is_found():
    class Other(VAE):
        """VAE of somebody (Nobody et al. 2031)."""

    with pytest.raises(LookupError, match=r"other cites Nobody et al\. 2031"):
        list(PAGES.find_references("other", Other))


def test_a_name_and_year_of_two_papers_is_that_of_the_model():
    [pairs] = PAGES.find_references("adagvae", ZOO["adagvae"])
    [labels] = PAGES.find_references("s2_betavae", ZOO["s2_betavae"])
    assert "without compromises" in pairs
    assert "few labels" in labels


def test_the_command_finds_stale_pages_and_writes_them(tmp_path, monkeypatch, capsys):
    (tmp_path / "gone.md").write_text("of no model", encoding="utf-8")
    (tmp_path / "references.toml").write_bytes((DOCS / "models" / "references.toml").read_bytes())
    monkeypatch.setattr(PAGES, "PAGES", tmp_path)
    monkeypatch.setattr(PAGES, "SCORES", tmp_path / "none.csv")
    monkeypatch.setattr(PAGES, "ROOT", tmp_path)
    monkeypatch.setattr(PAGES, "list_models", lambda: {"betavae": ZOO["betavae"]})
    monkeypatch.setattr(sys, "argv", ["model_pages.py", "--check"])
    assert PAGES.main() == 1
    assert capsys.readouterr().out == "betavae.md is out of date\ngone.md is of no model\n"
    assert not (tmp_path / "betavae.md").exists()
    monkeypatch.setattr(sys, "argv", ["model_pages.py"])
    assert PAGES.main() == 0
    assert {path.name for path in tmp_path.glob("*.md")} == {"betavae.md"}
    monkeypatch.setattr(sys, "argv", ["model_pages.py", "--check"])
    assert PAGES.main() == 0

"""What a report gathers to play with: which cells, from which files, and why not more."""

import numpy as np
import pytest

from dis_bench.metrics.representation import Representation
from dis_bench.records.record import read_records
from dis_bench.records.weights import FILE
from dis_bench.reports.play import choose, gather
from dis_bench.reports.play.choose import choose_cells, describe_chosen, find_most
from dis_bench.reports.play.knowledge import name_factors
from dis_bench.reports.shown import gather_shown
from tests.reports.made_up import reseal, write_study
from tests.reports.play.played import fill_cell, make_codes, write_played


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    return write_played(tmp_path_factory.mktemp("four"), betas=[1, 4], seeds=[0, 1])


@pytest.fixture
def play_of(tabulated):
    """Return a function from a result folder to what is gathered, and the problems."""

    def play(folder):
        records, problems = read_records(folder)
        settings, tables, quantities = tabulated(records)
        return gather_shown(settings, tables, [quantities] * len(tables), records, problems)[0], problems

    return play


def test_two_are_live_and_the_others_have_sheets_and_pages(four, play_of):
    play, problems = play_of(four)
    cells = play.data["cells"]
    assert [(cell["label"], cell["seed"]) for cell in cells] == [
        ("betavae, β = 1", 0), ("betavae, β = 1", 1), ("betavae, β = 4", 0), ("betavae, β = 4", 1),
    ]  # fmt: skip
    live = [cell for cell in cells if "program" in cell]
    assert [(cell["label"], cell["seed"]) for cell in live] == [("betavae, β = 1", 0), ("betavae, β = 4", 0)]
    assert play.data["shown"] == [live[1]["hash"], live[0]["hash"]]  # the best first
    for cell in cells:
        assert ("sheet" in cell) == ("page" in cell) == (cell not in live)
        assert cell["animation"] in play.files
        assert cell["stops"] == 21
    assert set(play.pages) == {cell["page"] for cell in cells if "page" in cell}
    assert len(play.data["originals"]) == 1
    assert problems == []


def copy_cell(root, change):
    """Write a study of one cell with weights, and change its folder."""
    [folder] = (write_study(root, betas=[4], seeds=[0], pictures=False) / "cells").iterdir()
    fill_cell(folder)
    change(folder)
    return root


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda folder: (folder / FILE).unlink(), "its weights were not kept"),
        (lambda folder: (folder / FILE).write_bytes(b"no"), "its weights cannot be read"),
    ],
)
def test_without_weights_a_cell_plays_from_its_pictures(tmp_path, play_of, change, why):
    play, problems = play_of(copy_cell(tmp_path, change))
    [cell] = play.data["cells"]
    assert cell["why"] == why
    assert cell["codes"] is None
    assert cell["stops"] == 9
    assert play.pages == {}
    assert len(problems) == (why == "its weights cannot be read")


def test_weights_of_another_network_are_not_believed(tmp_path, play_of):
    other = write_played(tmp_path / "other", betas=[1], seeds=[5])
    [theirs] = (other / "cells").glob("*/" + FILE)

    def change(folder):
        (folder / FILE).write_bytes(theirs.read_bytes())
        reseal(folder)

    play, _ = play_of(copy_cell(tmp_path / "mine", change))
    assert play.data["cells"][0]["why"] == "the installed code decodes other images than it kept"


def test_a_record_does_not_decide_which_code_runs(tmp_path, play_of):
    trap = tmp_path / "trap.py"
    trap.write_text("raise SystemExit('this ran')\n", encoding="utf-8")
    write_study(tmp_path / "results", betas=[4], seeds=[0], model=f"{trap}:Model")
    for folder in (tmp_path / "results" / "cells").iterdir():
        (folder / FILE).write_bytes(b"")
        reseal(folder)
    play, _ = play_of(tmp_path / "results")
    assert play.data["cells"][0]["why"] == "its model is not installed here under that name"


def test_large_decoders_have_pages_until_there_are_too_many(four, play_of, monkeypatch):
    monkeypatch.setattr(gather, "MOST_WEIGHTS", 1000)
    monkeypatch.setattr(gather, "MOST_BYTES", 1_000_000)
    play, _ = play_of(four)
    assert not any("program" in cell for cell in play.data["cells"])
    assert len(play.pages) == 2
    left = [cell["why"] for cell in play.data["cells"] if "page" not in cell]
    assert left == ["there are too many larger models before it"] * 2


def test_sheets_show_what_the_kept_pictures_show(four, play_of):
    play, _ = play_of(four)
    records = {record["hash"]: record for record in read_records(four)[0]}
    for cell in play.data["cells"]:
        assert cell["kl"] == pytest.approx(records[cell["hash"]]["evaluation"]["kl_per_latent"], abs=1e-4)
        assert np.shape(cell["codes"]) == (8, 10)
        assert cell["base"] == cell["codes"][0]


def test_what_latents_know_names_factors_that_vary(four, play_of):
    knows = play_of(four)[0].data["cells"][0]["knows"]
    assert knows["factors"] == ["shape", "scale", "orientation", "posX", "posY"]
    assert np.shape(knows["information"]) == np.shape(knows["directions"]) == (10, 5)
    assert np.array(knows["information"])[:4].max(axis=1).min() > 0.3  # each of these is a factor
    assert list(knows["importances"]) == ["dci"]
    assert len(knows["scores"]) == 1


def test_codes_without_factors_are_played_and_know_nothing(tmp_path, play_of):
    def change(folder):
        codes, _ = make_codes(0)
        np.savez_compressed(folder / "codes.npz", codes=codes.astype("<f4"))
        reseal(folder)

    play, problems = play_of(copy_cell(tmp_path, change))
    [cell] = play.data["cells"]
    assert "program" in cell
    assert cell["knows"] is None
    assert problems == []


def test_a_value_so_rare_that_the_first_rows_lack_it_is_told(tmp_path, play_of):
    def change(folder):
        codes = np.random.default_rng(0).standard_normal((15_000, 10))
        rare, row = np.zeros((15_000, 1), np.int32), np.arange(15_000)[:, None]
        rare[int(Representation(row, row % 2).codes[-1, 0])] = 1  # the row that the shuffle puts last
        np.savez_compressed(folder / "codes.npz", codes=codes.astype("<f4"), factors=rare)
        reseal(folder)

    play, problems = play_of(copy_cell(tmp_path, change))
    [cell] = play.data["cells"]
    assert cell["knows"] is None
    assert "does not show what its latents know: factor 0 has a single value" in " ".join(problems)


def test_factors_of_unknown_datasets_are_numbered():
    assert name_factors("nobody.py:Data", 2) == ["factor 1", "factor 2"]
    assert name_factors("dsprites", 2) == ["factor 1", "factor 2"]  # another version's


def test_many_cells_are_chosen_best_first_and_lowest_seeds_first(study, tabulated, monkeypatch):
    monkeypatch.setattr(choose, "MOST_CELLS", 6)
    settings, tables, quantities = tabulated(study(betas=range(1, 21), seeds=[3, 1, 2]))
    chosen = choose_cells(settings, tables, [quantities])
    assert len(chosen) == 6
    assert {int(one.cell["seed"]) for one in chosen} == {1}
    labels = tables[0]["label"].tolist()
    assert chosen[0].cell["label"] == labels[tables[0]["mig_mean"].argmax()]
    assert chosen[1].cell["label"] in (labels[0], labels[-1])


def test_of_more_configurations_than_can_be_played_with_a_few_are(study, tabulated):
    settings, tables, quantities = tabulated(study(betas=range(1, 37), seeds=[0]))
    assert find_most(settings, tables) == 36
    assert describe_chosen(choose_cells(settings, tables, [quantities]), tables) == ""
    settings, tables, quantities = tabulated(study(betas=range(1, 38), seeds=[0, 1]))
    chosen = choose_cells(settings, tables, [quantities])
    assert len(chosen) == find_most(settings, tables) == 12
    assert describe_chosen(chosen, tables).startswith("12 of 37 configurations can be played with: the best")
    for most, configurations in ((0, 0), (3, 3), (40, 37), (74, 37), (500, 37)):
        chosen = choose_cells(settings, tables, [quantities], most)
        assert len(chosen) == min(most, 74)
        assert len({one.cell["label"] for one in chosen}) == configurations


def test_encoders_and_failures_are_not_played(study, tabulated):
    settings, tables, quantities = tabulated(study(betas=[1, 4], seeds=[0], failed=[(1, 0), (4, 0)]))
    assert choose_cells(settings, tables, [quantities]) == []

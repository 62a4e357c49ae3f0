"""Studies with correlated factors or combinations held out: records, scores, identity, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dis_bench.cli import run as command
from dis_bench.cli.main import main
from dis_bench.datasets.grid import FactorGrid
from dis_bench.datasets.holdout import HeldOut, find_rule_holdout
from dis_bench.datasets.xysquares.dataset import XYSquares
from dis_bench.errors import InputError
from dis_bench.models.schedules import read_schedule
from dis_bench.records.codes import read_codes
from dis_bench.records.table import read_results
from dis_bench.reports.along import gather_score_curves
from dis_bench.reports.report import build_report
from dis_bench.runners import stages
from dis_bench.runners.planning.trial import MOST_TRIED, choose_tried
from dis_bench.runners.scoring.evaluation import Evaluation
from dis_bench.runners.scoring.readout import average, read_out
from dis_bench.runners.scoring.rows import draw_rows
from dis_bench.runners.training.steps import Training
from dis_bench.runners.training_images import TrainingImages, choose_training_images
from tests.runners.test_run import HERE
from tests.runners.test_scores_along import STUDY as SCORED_ALONG
from tests.runners.test_scores_along import StopAt, run
from tests.runners.test_without_grid import PLUGINS
from tests.tiny import Tiny

GRID = Tiny.grid
STUDY = replace(SCORED_ALONG, score_at=())
CORRELATED = replace(STUDY, correlate="y~x:0.1")
WITHOUT = replace(STUDY, holdout="x<3,size=3|0")
MEASURES = ("reconstruction", "mse", "kl", "elbo")


class Unordered(Tiny):
    """A dataset without a factor that has an order."""

    name = "unordered"
    grid = FactorGrid([replace(factor, kind="categorical") for factor in Tiny.grid])


@pytest.mark.parametrize(
    ("model", "settings", "sentence"),
    [
        (
            "s2_betavae",
            {"s2_betavae.labels": [100, 10_000_000]},
            "10,000,000 labelled images were asked for, but there are fewer to train on",
        ),
        (
            "adagvae",
            {"adagvae.beta": [1.0, 2.0, 4.0], "adagvae.pairs": ["k=1", "LAP"]},
            "the law LAP of pairs steps along ordered factors, but this dataset has none",
        ),
    ],
)
def test_words_and_numbers_are_tried_beyond_the_first(model, settings, sentence):
    study = replace(STUDY, models=[model], betas=(), datasets=[Unordered], settings=settings)
    with pytest.raises(InputError, match=sentence):
        study.plan()
    assert replace(study, settings={name: values[:1] for name, values in settings.items()}).plan().cells


def test_floats_are_tried_once_and_new_values_first():
    floats = [{"beta": float(beta), "pairs": "k=1"} for beta in range(48)]
    assert (
        choose_tried([*floats, {"beta": read_schedule("beta", "linear(0,4,0.5)"), "pairs": "k=1"}])
        == floats[:1]
    )
    many = [{"labels": labels, "on": on, "beta": 1.0} for on in (False, True) for labels in range(20)]
    assert choose_tried(many[:9]) == many[:9]
    tried = choose_tried([*many[:12], *many[20:32]])
    assert len(tried) == MOST_TRIED
    assert {one["labels"] for one in tried} == set(range(12))
    assert {one["on"] for one in tried} == {False, True}


def test_a_rule_that_leaves_one_value_of_a_factor_leaves_the_others_to_vary():
    study = replace(STUDY, models=["dcign"], betas=(), holdout="size<3")
    assert study.plan().cells
    draws = TrainingImages(0.75, "size<3").make_draws(Tiny(), 16, 4, seed=0)
    drawn = [draws.sharing() for _ in range(40)]
    assert {int(one.varying) for one in drawn} == {0, 1}
    assert all((GRID.factors(one.images)[:, 2] == 3).all() for one in drawn)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def correlated(out):
    [record] = run(CORRELATED, out)
    return record


@pytest.fixture(scope="module")
def without(out):
    [record] = run(WITHOUT, out)
    return record


def is_held(classes):
    return (classes[:, 0] < 3) & np.isin(classes[:, 2], [0, 3])


def test_a_correlated_cell_is_scored_on_the_full_set_and_on_the_correlated_one(correlated):
    assert correlated["cell"]["correlate"] == "x~y:0.1"
    assert [*correlated["scores"]] == ["mig", "mig_correlated", "mean_code", "mean_code_correlated"]
    assert {*correlated["protocol"]} == {"mig", "mean_code"}
    assert correlated["unscored"] == {}
    assert {f"{name}_correlated" for name in MEASURES} <= {*correlated["evaluation"]}
    assert "readout" not in {*correlated, *correlated["evaluation"]}
    codes, own = (
        read_codes(correlated["folder"]),
        read_codes(correlated["folder"], file="codes.correlated.npz"),
    )
    assert len(codes["codes"]) == len(own["codes"]) == 256
    for arrays, name in ((codes, "mean_code"), (own, "mean_code_correlated")):
        assert correlated["scores"][name] == pytest.approx(arrays["codes"].mean(), abs=1e-6)
    spread, alike = (np.corrcoef(one["factors"][:, :2].T)[0, 1] for one in (codes, own))
    assert spread == pytest.approx(0, abs=1e-9)  # all of the grid
    assert alike > 0.8


def test_a_rule_is_scored_on_the_full_set_and_on_what_it_holds_out(without):
    assert without["cell"]["holdout_rule"] == "x<3,size=0|3"
    assert without["cell"]["holdout"] == 3 / 8 / 2
    assert [*without["scores"]] == ["mig", "heldout_mig", "mean_code", "heldout_mean_code"]
    assert {f"heldout_{name}" for name in MEASURES} <= {*without["evaluation"]}
    own = read_codes(without["folder"], file="codes.heldout.npz")
    assert is_held(own["factors"]).all()
    assert len(own["factors"]) == len({tuple(row) for row in own["factors"].tolist()}) == 48
    assert without["scores"]["heldout_mean_code"] == pytest.approx(own["codes"].mean(), abs=1e-6)
    assert "heldout_mig" in without["small"]
    assert [*without["readout"]] == ["x", "y", "size"]
    for name, place in (("readout", 0), ("heldout_readout", 1)):
        accuracies = [both[place] for both in without["readout"].values()]
        assert without["evaluation"][name] == pytest.approx(np.mean(accuracies))


@pytest.fixture
def seen(monkeypatch):
    """Collect the indices of each training step."""
    found = []

    def lay_out(self, drawn, original=Training._lay_out):
        found.append(drawn["images"])
        original(self, drawn)

    monkeypatch.setattr(Training, "_lay_out", lay_out)
    return found


def test_the_readout_tells_which_factor_does_not_compose():
    dataset, holdout = Tiny(), find_rule_holdout(GRID, "x<3,size=0|3")

    def encode(indices, is_blind):
        classes = GRID.factors(indices)
        codes = np.concatenate(
            [np.eye(size)[column] for size, column in zip(GRID.sizes, classes.T, strict=True)], axis=1
        )
        codes[:, -4:] *= not is_blind
        return Evaluation(codes.astype(np.float32), None, classes, {})

    sample, held = draw_rows(dataset), np.flatnonzero(holdout.contains(np.arange(256)))
    for is_blind, accuracy in ((False, 1.0), (True, None)):
        found = read_out(dataset, holdout, encode(sample, False), encode(held, is_blind))
        assert {name: seen for name, (seen, _) in found.items()} == {"x": 1.0, "y": 1.0, "size": 1.0}
        assert found["x"][1] == found["y"][1] == 1.0
        assert found["size"][1] == accuracy or (is_blind and found["size"][1] < 0.6)
    blind = encode(sample, True)
    assert read_out(dataset, holdout, blind, encode(held, False))["size"][0] < 0.6
    wide = Evaluation(np.zeros((256, 1001), np.float32), None, blind.factors, {})
    assert read_out(dataset, holdout, wide, wide) == {}
    assert average({}) == {}


def test_batches_are_drawn_by_weight_and_without_what_is_held_out(tmp_path, seen):
    run(replace(CORRELATED, holdout=WITHOUT.holdout, metrics=[]), tmp_path)
    classes = GRID.factors(torch.cat(seen).flatten()).numpy()
    assert len(classes) == 24 * 16
    assert not is_held(classes).any()
    assert np.corrcoef(classes[:, :2].T)[0, 1] > 0.7


def test_a_cell_gives_the_same_whatever_ran_before(correlated, tmp_path):
    [again] = run(CORRELATED, tmp_path)
    assert again["scores"] == correlated["scores"]
    assert again["evaluation"] == correlated["evaluation"]


def test_a_cell_that_is_stopped_goes_on_as_if_it_had_not_been(correlated, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(CORRELATED, tmp_path, watcher=StopAt(lambda what: getattr(what, "step", 0) == 14))
    [record] = run(CORRELATED, tmp_path)
    assert record["files"]["weights.safetensors"] == correlated["files"]["weights.safetensors"]


def test_cells_in_a_stack_draw_what_each_draws_alone(tmp_path, seen):
    study = replace(CORRELATED, seeds=2, kernels="torch", precision="fp32", metrics=["mig"], steps=4)
    run(study, tmp_path / "alone")
    alone = torch.cat(seen).reshape(2, 4, 16)
    seen.clear()
    records = run(study, tmp_path / "stacked", stack=True)
    assert torch.equal(
        torch.stack(seen[-4:], dim=1), alone
    )  # earlier ones measure how much memory a step needs
    for record in records:
        assert record["environment"]["stack"]["cells"] == 2
        assert {*record["scores"]} == {"mig", "mig_correlated"}


@pytest.mark.parametrize("model", ["pca", "adagvae", "slowvae", "s2_betavae"])
def test_every_kind_of_model_trains_on_them(model, tmp_path):
    settings = {"s2_betavae.labels": 40} if model == "s2_betavae" else {}
    study = replace(CORRELATED, models=[model], betas=[], holdout="x=7,y=0", steps=2, settings=settings)
    [record] = run(study, tmp_path)
    assert {"mig", "mig_correlated", "heldout_mig"} <= {*record["scores"], *record["unscored"]}
    assert {"reconstruction_correlated", "heldout_reconstruction"} <= {*record["evaluation"]}


def test_a_model_is_fitted_to_images_by_weight(tmp_path):
    [record] = run(replace(CORRELATED, models=["pca"], betas=[], correlate="x~y:1e-9"), tmp_path / "line")
    [plain] = run(replace(STUDY, models=["pca"], betas=[]), tmp_path / "all")
    line = read_codes(record["folder"], file="codes.correlated.npz")
    assert (line["factors"][:, 0] == line["factors"][:, 1]).all()
    assert record["evaluation"]["mse_correlated"] < plain["evaluation"]["mse"]
    assert record["evaluation"]["mse"] > plain["evaluation"]["mse"]


def test_a_metric_that_is_added_later_is_scored_on_both_without_training(tmp_path, monkeypatch):
    run(replace(CORRELATED, metrics=["mig"]), tmp_path)
    monkeypatch.setattr(stages, "train", None)
    [record] = run(CORRELATED, tmp_path)
    assert {*record["scores"]} == {"mig", "mig_correlated", "mean_code", "mean_code_correlated"}
    [again] = run(replace(CORRELATED, settings={"mig.bins": 7}), tmp_path)
    assert again["scores"]["mean_code_correlated"] == record["scores"]["mean_code_correlated"]
    assert again["scores"]["mig_correlated"] != record["scores"]["mig_correlated"]


def test_codes_that_cannot_be_read_cost_the_scores_on_these_images_alone(tmp_path):
    [record] = run(replace(CORRELATED, metrics=["mig"]), tmp_path)
    with open(f"{record['folder']}/codes.correlated.npz", "ab") as file:
        file.write(b"more")
    [record] = run(CORRELATED, tmp_path)
    assert "codes.correlated.npz cannot be read" in record["unscored"]["mean_code_correlated"]
    assert "mean_code" in record["scores"]
    [again] = run(CORRELATED, tmp_path)
    assert again == record


def test_a_score_that_these_images_do_not_allow_is_left_empty_with_the_reason(tmp_path):
    study = replace(STUDY, holdout="x=0,y=0,size=0", metrics=["mig", f"{HERE}:mean_code"])
    [record] = run(study, tmp_path)
    assert "mig" in record["scores"]
    assert "heldout_mig" not in record["scores"]
    assert record["unscored"]["heldout_mig"]


def test_codes_are_kept_only_where_they_are_wanted(tmp_path):
    [record] = run(replace(CORRELATED, keep=["weights"], metrics=["mig"]), tmp_path)
    assert {"mig", "mig_correlated"} == {*record["scores"]}
    assert not [name for name in record["files"] if name.startswith("codes")]


def test_table_and_page_show_both(correlated, without, out):
    run(replace(STUDY, metrics=["mig"]), out)
    table = read_results(out).set_index("hash")
    row = table.loc[correlated["hash"]]
    assert row["correlate"] == "x~y:0.1"
    assert row["mig_correlated"] == correlated["scores"]["mig_correlated"]
    assert table.loc[without["hash"], "holdout_rule"] == "x<3,size=0|3"
    assert table.loc[without["hash"], "heldout_mig"] == without["scores"]["heldout_mig"]
    columns = [name for name in table if name.startswith(("mig", "mean_code", "heldout_m"))]
    assert columns[:2] == ["mig", "mean_code"]
    report = build_report(out)
    titles = {setting.title for setting in report.settings}
    assert titles == {
        "tiny (rendered), 24 steps",
        "tiny (rendered), 24 steps, correlated x~y:0.1",
        "tiny (rendered), 24 steps, without x<3,size=0|3",
    }
    page = report.files["index.html"].decode()
    assert "MIG correlated" in page
    assert "MIG held-out" in page


def test_curves_along_training_leave_out_what_is_scored_at_the_end_alone(correlated):
    along = {"8": {"scores": {"mig": 0.1, "mean_code": 0.2}}}
    [curve] = gather_score_curves([{**correlated, "scores_at": along}]).values()
    assert {*curve.scores} == {"mig", "mean_code"}


def test_they_are_part_of_the_identity_only_if_they_are_set():
    [plain] = STUDY.plan().cells
    assert not {"correlate", "holdout_rule"} & {*plain.identity}
    [share] = replace(STUDY, holdout=0.1).plan().cells
    assert not {"correlate", "holdout_rule"} & {*share.identity}
    [cell] = replace(CORRELATED, holdout="size=3").plan().cells
    assert cell.identity["correlate"] == "x~y:0.1"
    assert cell.identity["holdout_rule"] == "size=3"
    assert cell.identity["holdout"] == 0.25
    [same] = replace(STUDY, correlate=["x~y:dcf(0.1)"], holdout="size>2").plan().cells
    assert same.hash == cell.hash
    assert {key: value for key, value in cell.identity.items() if key in plain.identity} == plain.identity
    assert cell.label == "tiny betavae beta=4 seed=0 x~y:0.1 without size=3"


def test_the_plan_says_which_images_are_drawn(capsys, tmp_path):
    given = [
        "run",
        "--datasets",
        "dsprites",
        "--out",
        str(tmp_path),
        "--dry-run",
        "--seeds",
        "1",
        "--steps",
        "9",
    ]
    given += ["--correlate", "posX~posY:0.2", "shape~scale:1", "--holdout", "shape=heart,scale<3"]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert "seed=0 shape~scale:1,posX~posY:0.2 without shape=heart,scale<3" in said


REFUSED = [
    *(("correlate", f"x~y:{width}", "must be a positive, finite number") for width in ("0", "-1", "nan")),
    ("correlate", "x~x:0.1", "'x' with itself"),
    ("correlate", "x~y:0.1,y~x:0.1", "'x' and 'y' twice"),
    ("correlate", "x~z:0.1", "unknown factor to correlate 'z'"),
    ("correlate", "x:0.1", "pairs of factors with a width"),
    ("correlate", 0.1, "must be texts"),
    ("holdout", "z=1", "unknown factor to hold out 'z'"),
    ("holdout", "x=8", "has no value '8'"),
    ("holdout", "x<0", "holds out no image"),
    ("holdout", "x>=0", "holds out every image"),
    ("holdout", "x!=0", "leaves 32 of the 256 images"),
    ("holdout", "x", "a number between 0 and 1"),
    ("holdout", ["x=1"], "between 0 and 1"),
]


@pytest.mark.parametrize(("option", "value", "words"), REFUSED)
def test_what_cannot_be_used_is_refused_before_anything_starts(option, value, words):
    with pytest.raises(InputError) as refused:
        replace(STUDY, batch_size=64, **{option: value}).plan()
    assert words in str(refused.value)


def test_a_holdout_that_leaves_almost_nothing_to_draw_is_refused():
    with pytest.raises(InputError, match="of what correlate draws, less than 1%"):
        replace(STUDY, correlate="posX~posY:1e-9", holdout=0.999, batch_size=1, datasets=["dsprites"]).plan()
    with pytest.raises(InputError, match="leave no combination of"):
        replace(STUDY, correlate="x~y:1e-300", holdout="x=0|7,y=0|7 or x=1|2|3,y<7 or x=4|5|6,y<7").plan()


@pytest.mark.parametrize("holdout", [0.1, "x_R<3"])
def test_a_holdout_of_more_images_than_can_be_gone_through_is_refused_at_once(holdout, monkeypatch):
    monkeypatch.setattr(HeldOut, "_list", None)
    large = XYSquares(spacing=1, positions=57)
    sentence = "dataset 'large' has 34,296,447,249 of them, more than 268,435,456"
    with pytest.raises(InputError, match=sentence):
        choose_training_images("large", large, holdout, None, 64)
    assert choose_training_images("large", large, 0.0, None, 64) == TrainingImages()


def test_a_model_of_pairs_that_has_none_left_is_refused():
    study = replace(STUDY, models=["adagvae"], betas=[], batch_size=1, holdout="x!=0 or y!=0 or size!=0")
    with pytest.raises(InputError, match="no pairs by the law k=1 are left to train on"):
        study.plan()


@pytest.mark.parametrize(("option", "value"), [("correlate", "label~x:0.2"), ("holdout", "label=3")])
def test_images_without_a_grid_are_refused(option, value, tmp_path, monkeypatch):
    words = "needs an image for each combination of factors, but there are"
    (tmp_path / "plugins.py").write_text(PLUGINS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("Own", "Labelled"):
        with pytest.raises(InputError, match=words):
            replace(STUDY, datasets=[f"plugins.py:{name}"], **{option: value}, metrics=[]).plan()


def test_the_command_line_refuses_with_exit_code_2(capsys, tmp_path):
    for given in (
        ["--correlate", "posX~posX:1"],
        ["--holdout", "shape=star"],
        ["--correlate", "posX~posY:nan"],
    ):
        assert main(["run", "--out", str(tmp_path / "out"), *given]) == 2
        said = capsys.readouterr().err.strip()
        assert said.count("\n") == 0
    assert not (tmp_path / "out").exists()


def test_a_file_has_them_too(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(command, "_print_plan", lambda wanted, *_: seen.append(wanted.study) or 0)
    file = tmp_path / "study.toml"
    file.write_text('correlate = ["posX~posY:0.2"]\nholdout = "shape=heart"\n', encoding="utf-8")
    assert main(["run", "--study", str(file), "--dry-run"]) == 0
    assert main(["run", "--study", str(file), "--dry-run", "--correlate", "a~b:1", "c~d:1"]) == 0
    assert [(study.correlate, study.holdout) for study in seen] == [
        (["posX~posY:0.2"], "shape=heart"),
        (["a~b:1", "c~d:1"], "shape=heart"),
    ]

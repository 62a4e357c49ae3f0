"""``dis-bench check metric`` on a sound metric, on broken ones, and on no metric."""

from pathlib import Path

import pytest

from dis_bench.cli.main import main

TESTS = Path(__file__).parents[1]
BROKEN = TESTS / "metrics" / "broken.py"
MODELS, DATASETS, NETWORKS = (TESTS / room / "broken.py" for room in ("models", "datasets", "networks"))


def test_a_sound_metric_passes(capsys):
    assert main(["check", "metric", f"{BROKEN}:declared"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"declared  ({BROKEN}:declared), on tables of 1,200 rows\n")
    assert out.endswith("11 passed, 0 failed, 0 do not apply.\n")


def test_an_installed_metric_is_named_and_gets_fewer_rows(capsys):
    assert main(["check", "metric", "mig"]) == 0
    assert "on tables of 1,200 rows, rows=1200" in capsys.readouterr().out


def test_a_failure_says_what_was_given_what_came_out_what_was_expected_and_why(capsys):
    assert main(["check", "metric", f"{BROKEN}:counts_dead_codes"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    [failure] = [text for text in out.split("failed ") if text.startswith("ignores dead codes")]
    assert "given an additional code, in column 0, that is always 0, counts_dead_codes is 0." in failure
    assert "; expected 0." in failure
    assert "Why it matters: A code that never changes says nothing" in failure


def test_the_tolerance_is_the_users(capsys):
    words = ["check", "metric", f"{BROKEN}:counts_dead_codes", "--tolerance"]
    assert main([*words, "0.9"]) == 0
    assert main([*words, "0"]) == 1


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("label=3", "the label of metric 'mine' must be a text, or a text by key, but 3 was given."),
        (
            "caveat='a\\nb'",
            "the caveat of metric 'mine' must be one line of text, of at most 1,000 characters",
        ),
        ("range=(1, 0)", "the range of metric 'mine' must be its lowest and its highest score"),
    ],
)
def test_a_bad_declaration_is_one_sentence(capsys, tmp_path, declaration, message):
    path = tmp_path / "mine.py"
    path.write_text(
        "from dis_bench.metrics.metric import metric\n\n"
        f"@metric({declaration})\ndef mine(representation):\n    return 0.5\n",
        encoding="utf-8",
    )
    assert main(["check", "metric", f"{path}:mine"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        ("batch", "size", "score 'batch_size' has the name of another column"),
        ("heldout", "mig", "a score called 'heldout_mig', as scores on other images are; rename its key"),
        ("mine", "a\\nb", "has a name that can head no column"),
    ],
)
def test_a_key_that_makes_no_column_fails(capsys, tmp_path, name, key, message):
    path = tmp_path / "mine.py"
    path.write_text(f"def {name}(codes, factors):\n    return {{'{key}': 0.5}}\n", encoding="utf-8")
    assert main(["check", "metric", f"{path}:{name}"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert f"failed returns finite numbers given rotated factors with a little noise, metric '{name}'" in said
    assert message in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["metrik", "mig"], "unknown kind 'metrik': did you mean 'metric'?"),
        (["metric", "migg"], "unknown metric 'migg': did you mean 'mig'?"),
        (["metric", "none.py:score"], "cannot be loaded: there is no file"),
        (["metric", f"{BROKEN}:sond"], "did you mean 'sound'?"),
        (["metric", f"{BROKEN}:np"], "must be a function of codes and factors"),
        (["metric"], "the following arguments are required"),
        (["metric", "mig", "--tolerance", "1"], "--tolerance must be from 0 to below 1, but 1 was given."),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["check", *words]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert message in error
    assert error.startswith("dis-bench: error: ")
    assert error.count("\n") == 1


def test_a_metric_that_ends_the_program_fails_and_the_check_goes_on(capsys):
    assert main(["check", "metric", f"{BROKEN}:ends_the_program"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "it raises SystemExit: 0." in out
    assert out.endswith("0 passed, 1 failed, 10 do not apply.")


@pytest.mark.parametrize(
    ("kind", "name", "header"),
    [
        (
            "model",
            f"{MODELS}:Pixels",
            "pixels  (*), with small networks on dsprites, 5 latents, batches of 32",
        ),
        ("dataset", f"{DATASETS}:TwoSources", "sound  (*), source rendered"),
        ("network", f"{NETWORKS}:Sound", "sound  (*), on images of any size"),
    ],
)
def test_a_sound_plug_in_of_each_kind_passes(capsys, kind, name, header):
    assert main(["check", kind, name]) == 0
    out = capsys.readouterr().out
    assert out.startswith(header.replace("*", name) + "\n\n")
    assert " 0 failed, " in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("kind", "name", "detail", "why"),
    [
        (
            "model",
            f"{MODELS}:UnusedLayer",
            "the loss of 'autoencoder' does not reach its weight 'autoencoder.head.weight' and 1 more;",
            "A weight that no loss reaches stays as it was drawn",
        ),
        (
            "dataset",
            f"{DATASETS}:HidesSize",
            "images are the same for all classes of size, around 8 images; expected some pixel to change.",
            "No code can hold what no image shows",
        ),
        (
            "network",
            f"{NETWORKS}:Drops",
            "the encoder of images [1, 28, 28] cannot be stacked: RuntimeError: vmap:",
            "On a GPU the cells of a study are trained as one;",
        ),
    ],
)
def test_a_failure_of_each_kind_says_what_and_why(capsys, kind, name, detail, why):
    assert main(["check", kind, name]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert detail in out
    assert f"Why it matters: {why}" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model", "betavea"], "unknown model 'betavea': did you mean 'betavae'?"),
        (["model", f"{MODELS}:Step"], "must be a subclass of dis_bench.models.model.Model"),
        (["dataset", "dsprite"], "unknown dataset 'dsprite': did you mean 'dsprites'?"),
        (["dataset", f"{DATASETS}:Factor"], "cannot be made"),
        (["network", "burges"], "unknown network 'burges': did you mean 'burgess'?"),
        (["network", f"{NETWORKS}:math"], "must be something to call without arguments"),
        (["model", "vae", "--tolerance", "0.1"], "--tolerance is for metrics, but a model is checked."),
        (["modle", "vae"], "unknown kind 'modle': did you mean 'model'?"),
    ],
)
def test_what_is_no_plug_in_is_one_sentence_and_exit_code_2(capsys, words, message):
    assert main(["check", *words]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert message in error
    assert error.count("\n") == 1

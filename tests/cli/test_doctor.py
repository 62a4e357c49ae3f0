"""``dis-bench doctor`` as a user calls it."""

import json

from dis_bench.cli.main import main
from tests.reports.doctor.conftest import train
from tests.reports.made_up import write_study


def test_it_says_what_is_wrong_and_what_to_try(tmp_path, capsys):
    train(tmp_path, hyperparameters={"beta": 1000.0}, steps=100, keep=["weights", "pictures"])
    assert main(["doctor", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    first, _, label, *lines = out.splitlines()
    assert first.startswith("1 cell: ")
    assert label == "little betavae beta=1000 seed=0"
    assert any(line.startswith("  posterior collapse: all latents have") for line in lines)
    assert "--set betavae.beta=250" in out
    assert "latents that no factor explains: its codes were not kept" in " ".join(out.split())
    assert max(map(len, lines)) <= 100


def test_json(tmp_path, capsys):
    write_study(tmp_path, betas=[4.0], seeds=[0, 1])
    assert main(["doctor", str(tmp_path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert len(data["cells"]) == 2
    assert data["problems"] == []
    assert data["cells"][0].keys() == {"cell", "folder", "findings", "not_looked_at"}


def test_long_lists_are_shortened(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("dis_bench.cli.doctor.MOST_CELLS", 1)
    for beta in (1000.0, 2000.0):
        train(tmp_path, hyperparameters={"beta": beta}, steps=20)
    main(["doctor", str(tmp_path)])
    assert "1 more cell has findings: " in capsys.readouterr().out
    main(["doctor", str(tmp_path), "--all"])
    assert capsys.readouterr().out.count("little betavae") == 2


def test_bad_input_is_one_sentence(tmp_path, capsys):
    assert main(["doctor", str(tmp_path / "none")]) == 2
    assert main(["doctor", str(tmp_path)]) == 2
    (tmp_path / "cells" / "broken").mkdir(parents=True)
    (tmp_path / "cells" / "broken" / "record.json").write_text("{}", encoding="utf-8")
    assert main(["doctor", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 3

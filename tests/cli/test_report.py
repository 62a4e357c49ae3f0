"""``dis-bench report`` as a user calls it."""

from dis_bench.cli.main import main
from tests.reports.made_up import write_study


def test_says_where_the_page_is_and_what_it_found(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "results", pictures=False)
    assert main(["report"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "9 cells: betavae; β = 1, 4, 10; 3 seeds."
    assert lines[2] == "dsprites (rendered), 3,000 steps"
    assert lines[3].startswith("  After 3,000 of the published 300,000 steps, raising β from 1 to 10 costs")
    assert "caveats on the page" in lines[-3]
    assert lines[-1] == "report: results/report/index.html"
    assert (tmp_path / "results" / "report" / "index.html").is_file()


def test_out_and_folder(capsys, tmp_path):
    write_study(tmp_path / "runs", betas=[4], seeds=[0], pictures=False)
    assert main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "there")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {tmp_path / 'there' / 'index.html'}"


def test_the_user_chooses_how_many_cells_are_played_with(capsys, tmp_path):
    write_study(tmp_path, betas=[1, 4], seeds=[0, 1])
    pages = {}
    for number in ("0", "1", "3", None):
        out = tmp_path / f"report{number}"
        chosen = ["--play", number] if number else []
        assert main(["report", str(tmp_path), "--out", str(out), *chosen]) == 0
        assert len([*out.glob("play/*.webp")]) == int(number or 4)
        pages[number] = (out / "index.html").read_text(encoding="utf-8")
    assert "1 of 2 configurations can be played with" in pages["1"]
    assert "<code>dis-bench report --play N</code>" in pages["1"]
    assert "can be played with" not in pages["0"] + pages["3"] + pages[None]


def test_the_number_of_cells_to_play_with_is_checked_first(capsys, tmp_path):
    for number in ("-1", "501"):
        assert main(["report", str(tmp_path / "nothing"), "--play", number]) == 2
        assert "play must be a whole number from 0 to 500" in capsys.readouterr().err


def test_no_results_is_one_sentence(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "dis-bench: error: there is no folder 'results'; create results with `dis-bench run --out results`.\n"
    )


def test_failed_cells_are_no_failure_of_the_report(capsys, tmp_path):
    write_study(tmp_path, betas=[4], seeds=[0], failed=[(4, 0)], pictures=False)
    assert main(["report", str(tmp_path)]) == 0
    assert "No cell finished: the only one failed" in capsys.readouterr().out


def test_names_send_no_commands_to_the_terminal(capsys, tmp_path):
    name = "\x1b]0;title\x07\x9b2J\u202eeman\nreport elsewhere"
    folder = write_study(tmp_path / name, betas=[1, 4], others={"kind": name}, dataset=name, pictures=False)
    assert main(["report", str(folder)]) == 0
    assert main(["report", str(tmp_path / f"no {name}")]) == 2
    out, err = capsys.readouterr()
    assert not set(out + err) & set("\x1b\x07\x9b\u202e")
    assert r"\x1b]0;title\x07\x9b2J\u202eeman\nreport elsewhere (rendered)" in out
    assert [line for line in out.splitlines() if line.startswith("report: ")] == [
        f"report: {tmp_path}/" + r"\x1b]0;title\x07\x9b2J\u202eeman\nreport elsewhere/report/index.html"
    ]
    assert len(err.splitlines()) == 1

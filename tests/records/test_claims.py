"""One process at a time holds a claim; exactly one other takes over the claim of an ended owner."""

import os
import subprocess
import sys
import threading
import time

import pytest

from dis_bench.records import claims
from dis_bench.records.claims import (
    STALE_SECONDS,
    Claim,
    ClaimLost,
    claim,
    find_owners,
    find_work,
    list_abandoned,
    tidy,
)
from dis_bench.records.processes import this_process
from tests.runners.abandoned import DEAD

ELSEWHERE = "00000000-1-1-abcdef"  # a process of another machine, known only by its heartbeat


@pytest.fixture
def home(tmp_path):
    return tmp_path / "unfinished"


def leave(home, stamp, name="cell"):
    """Leave the files of an owner that was killed."""
    folder = home / f"owner.{stamp}.{name}"
    folder.mkdir(parents=True)
    (folder / "half.csv").write_text("half")
    (folder / "checkpoint.pt").write_text("weights")
    return folder


def beat(home, stamp, age):
    path = home / f".beat.{stamp.rpartition('-')[0]}"
    path.write_text("other")
    os.utime(path, (time.time() - age, time.time() - age))


def age(folder, seconds):
    os.utime(folder, (time.time() - seconds, time.time() - seconds))


def test_a_claim_is_had_by_one_until_it_is_released(home):
    with claim(home, "cell") as mine:
        (mine.folder / "a").write_text("")
        assert claim(home, "cell") is None
        with claim(home, "other"):
            assert set(find_owners(home)) == {"cell", "other"}
    with claim(home, "cell") as again:
        assert list(again.folder.iterdir()) == []
    assert list(home.iterdir()) == []


def test_names_may_be_parts_of_each_other(home):
    with claim(home, "a.b"), claim(home, "b"), claim(home, "a"):
        assert set(find_owners(home)) == {"a", "b", "a.b"}


def test_work_has_the_folders_of_all_its_owners(home):
    killed = leave(home, DEAD)
    (home / "cell").mkdir()
    (home / "link").symlink_to(home / "cell")
    with claim(home, "other") as mine:
        assert find_work(home) == {"cell": [home / "cell", killed], "other": [mine.folder]}
        assert list_abandoned(home) == ["cell"]
    assert find_work(home / "nowhere") == {}


@pytest.mark.parametrize("last_beat", [0, STALE_SECONDS - 60])
def test_an_owner_elsewhere_that_beats_keeps_its_claim(home, last_beat):
    age(leave(home, ELSEWHERE), 10 * STALE_SECONDS)
    beat(home, ELSEWHERE, last_beat)
    assert claim(home, "cell") is None
    assert str(find_owners(home)["cell"]) == "process 1 on other"
    assert list_abandoned(home) == []


def stale_beat(home):
    folder = leave(home, ELSEWHERE)
    beat(home, ELSEWHERE, STALE_SECONDS + 60)
    return folder


def no_beat(home):
    folder = leave(home, ELSEWHERE)
    age(folder, STALE_SECONDS + 60)
    return folder


def dead(home):
    folder = leave(home, DEAD)
    beat(home, DEAD, 0)
    return folder


def pid_used_again(home):
    """Give the owner's pid to a process that started at another time."""
    now = this_process()
    stamp = f"{now.host}-{now.pid}-{now.start + 1}-abcdef"
    folder = leave(home, stamp)
    beat(home, stamp, 0)
    return folder


def asleep(home):
    """Leave the claim of a living process of this machine without a recent heartbeat.

    Such a process sleeps, or its mount hangs.
    """
    stamp = f"{this_process()}-abcdef"
    folder = leave(home, stamp)
    beat(home, stamp, STALE_SECONDS + 60)
    return folder


@pytest.mark.parametrize("made", [stale_beat, no_beat, dead, pid_used_again, asleep])
def test_a_stale_claim_is_taken_over_with_its_checkpoint(home, made):
    folder = made(home)
    assert find_owners(home) == {}
    with claim(home, "cell") as mine:
        mine.clear()
        assert [path.name for path in mine.folder.iterdir()] == ["checkpoint.pt"]
        assert not folder.exists()
        assert list(find_owners(home)) == ["cell"]  # although the folder that was taken over is old
        assert claim(home, "cell") is None


def test_a_folder_that_nobody_has_is_claimed_with_what_is_in_it(home):
    (home / "cell").mkdir(parents=True)
    (home / "cell" / "checkpoint.pt").write_text("weights")
    assert list_abandoned(home) == ["cell"]
    with claim(home, "cell") as mine:
        assert (mine.folder / "checkpoint.pt").read_text() == "weights"
        mine.release(keep=True)
    assert (home / "cell" / "checkpoint.pt").read_text() == "weights"


def test_an_owner_that_wakes_up_late_finds_that_it_lost_and_harms_nobody(home):
    late = claim(home, "cell")
    (late.folder / "log.csv").write_text("1\n")
    beat(home, f"{this_process()}-abcdef", STALE_SECONDS + 60)
    with claim(home, "cell") as mine:
        mine.clear()
        with pytest.raises(FileNotFoundError):
            (late.folder / "log.csv").write_text("2\n")
        with pytest.raises(ClaimLost):
            late.check()
        late.release()
        mine.check()
        assert list(mine.folder.iterdir()) == []


def test_the_heart_beats_and_tells_of_claims_that_were_lost(home):
    mine, other = claim(home, "cell"), claim(home, "other")
    path = home / f".beat.{this_process()}"
    age(path, 300)
    other.folder.rename(home / "taken")
    claims._heart.beat_once()
    assert time.time() - path.stat().st_mtime < 60
    assert (mine.lost, other.lost) == (False, True)
    path.unlink()  # as a cleaner of temporary files might do
    claims._heart.beat_once()
    assert path.exists()
    mine.release()
    other.release()
    assert not path.exists()


def test_a_mount_that_hangs_loses_no_claim(home, monkeypatch):
    def fail(*given, **options):
        raise OSError(5, "Input/output error")

    with claim(home, "cell") as mine:
        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", fail)
            claims._heart.beat_once()
        assert not mine.lost


def test_clocks_of_machines_do_not_matter(home, monkeypatch):
    leave(home, ELSEWHERE)
    beat(home, ELSEWHERE, 10)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert claim(home, "cell") is None


def test_tidying_leaves_what_lives(home):
    dead(home)
    beat(home, ELSEWHERE, 10)
    with claim(home, "other"):
        tidy(home)
        names = {path.name for path in home.glob(".beat.*")}
        assert names == {f".beat.{this_process()}", f".beat.{ELSEWHERE.rpartition('-')[0]}"}


def test_of_two_that_claim_a_free_folder_at_once_one_has_it(home, monkeypatch):
    # The second process looked before the first had renamed the folder, and created it again.
    listing = claims._list_claims
    first = claim(home, "cell")
    blind = iter([True])

    def look(home, name=None):
        return [] if next(blind, False) else listing(home, name)

    monkeypatch.setattr(claims, "_list_claims", look)
    assert claim(home, "cell") is None
    first.check()
    assert [path.name for path in home.iterdir() if path.is_dir()] == [first.folder.name]
    first.release()


RACE = """
import os, sys, time
from pathlib import Path
from dis_bench.records.claims import claim
home, names = Path(sys.argv[1]), sys.argv[2:]
print("ready", flush=True)
sys.stdin.readline()
kept = [claim(home, name) for name in names]
print(*(name for name, one in zip(names, kept) if one is not None), flush=True)
sys.stdin.readline()
"""


def test_many_races_have_one_winner_each(home):
    for number in range(20):
        leave(home, DEAD, f"stale{number}")
        (home / f"bare{number}").mkdir()
    names = [f"{kind}{number}" for number in range(20) for kind in ("stale", "bare", "new")]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, home, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [name for racer in racers for name in racer.stdout.readline().split()]
    for racer in racers:
        racer.communicate("\n")
    assert sorted(won) == sorted(names)


def test_threads_of_one_process_are_no_exception(home):
    won: list[Claim | None] = []
    threads = [threading.Thread(target=lambda: won.append(claim(home, "cell"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in won if one is not None]) == 1


def test_the_claims_of_a_process_elsewhere_are_freed_once_it_is_known_to_have_ended(tmp_path):
    process = "0badcafe-123-456"
    theirs = tmp_path / f"owner.{process}-abcdef.cell"
    theirs.mkdir()
    (theirs / "checkpoint.pt").write_bytes(b"state")
    other = tmp_path / "owner.0badcafe-124-456-abcdef.other"
    other.mkdir()
    (tmp_path / f".beat.{process}").write_text("far away\n", "utf-8")
    assert claims.claim(tmp_path, "cell") is None
    claims.free(tmp_path, process)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cell", other.name]
    with claims.claim(tmp_path, "cell") as claim:
        assert (claim.folder / "checkpoint.pt").read_bytes() == b"state"


def test_a_folder_that_a_process_gave_back_stays_with_its_work(home, monkeypatch):
    # Another process takes the folder, sees the empty one that this process made since, and gives it back.
    (home / "cell").mkdir(parents=True)
    (home / "cell" / "checkpoint.pt").write_text("weights")
    take, calls = claims._take, []

    def interleaved(owners, free, mine):
        calls.append(mine)
        if len(calls) > 1:
            return take(owners, free, mine)
        other = home / f"owner.{claims.make_stamp()}.cell"
        take([], free, other)
        take(owners, free, mine)
        assert not claims._is_alone(home, "cell", other)
        claims._give_back(other)

    monkeypatch.setattr(claims, "_take", interleaved)
    with claim(home, "cell") as mine:
        assert (mine.folder / "checkpoint.pt").read_text() == "weights"
        assert [path for path in home.iterdir() if path.is_dir()] == [mine.folder]


@pytest.mark.parametrize("first", ["empty", "full"])
def test_of_several_stale_folders_the_one_with_work_is_taken(first, home):
    for place in ("a", "b"):
        folder = leave(home, f"{DEAD[:-6]}{place}bcdef")
        if (place == "a") == (first == "empty"):
            (folder / "checkpoint.pt").unlink()
    with claim(home, "cell") as mine:
        assert (mine.folder / "checkpoint.pt").read_text() == "weights"
        assert [path for path in home.iterdir() if path.is_dir()] == [mine.folder]


def test_a_stale_folder_with_work_is_never_removed(home):
    for place in ("a", "b"):
        leave(home, f"{DEAD[:-6]}{place}bcdef")
    for _ in range(2):
        mine = claim(home, "cell")
        assert (mine.folder / "checkpoint.pt").read_text() == "weights"
        mine.release(keep=False)
    assert list_abandoned(home) == []


@pytest.mark.parametrize(
    ("name", "stays"), [("record.json", True), ("checkpoint.pt", True), ("log.csv", False)]
)
def test_what_a_next_owner_goes_on_with_stays(name, stays, home):
    with claim(home, "cell") as mine:
        (mine.folder / name).write_text("")
    assert (home / "cell" / name).exists() is stays

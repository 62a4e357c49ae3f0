"""A process is identified by its machine, its pid and its start."""

import os
import re
import subprocess
import sys

import pytest

from dis_bench.records.processes import STAMP, Process, make_stamp, parse_stamp, this_process


def test_a_stamp_names_its_process_and_comes_once():
    one, other = make_stamp(), make_stamp()
    assert one != other
    assert parse_stamp(re.fullmatch(STAMP, one)) == this_process()


def test_this_process_runs():
    assert this_process().pid == os.getpid()
    assert not this_process().has_ended()


def test_a_process_that_ended_has_ended_even_before_its_parent_asks():
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = Process(this_process().host, child.pid, 0)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert process.has_ended()
    child.wait()
    assert process.has_ended()


@pytest.mark.parametrize("change", [1, -1])
def test_a_pid_that_was_given_to_another_is_no_sign_of_life(change):
    now = this_process()
    assert Process(now.host, now.pid, now.start + change).has_ended()
    assert not Process(now.host, now.pid, 0).has_ended()  # if start times are unknown


def test_a_pid_that_was_given_to_another_user_is_no_sign_of_life_either(monkeypatch):
    def forbid(pid, signal):
        raise PermissionError

    now = this_process()
    monkeypatch.setattr(os, "kill", forbid)
    assert Process(now.host, now.pid, now.start + 1).has_ended()
    assert not now.has_ended()


def test_nothing_is_certain_of_another_machine():
    assert not Process("00000000", 2**22 + 1, 5).has_ended()


FORK = """
import os
from dis_bench.records.processes import this_process
this_process()
os.fork()
os.write(1, f"{this_process().pid == os.getpid()}\\n".encode())  # whole: both write at once
"""


def test_a_fork_is_another_process():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "True"], done.stderr

"""A command line in a record can be typed again, whatever its words are."""

import os
import subprocess
import sys

import pytest

from dis_bench.cli.words import format_duration, typed_command

WORDS = ["run", "--out", "a b", "it's", "é", os.fsdecode(b"r\xe9s"), os.fsdecode(b"'\\\xe9 "), "$x", "!", ""]


def test_a_command_can_be_typed_again(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dis-bench", *WORDS])
    command = typed_command().encode("utf-8")  # as in a record, which is UTF-8
    typed = subprocess.run(
        ["bash", "-c", b"dis-bench() { printf '%s\\0' \"$@\"; }; " + command], capture_output=True, check=True
    )
    assert typed.stdout.split(b"\0")[:-1] == [os.fsencode(word) for word in WORDS]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_durations_are_rounded(seconds, text):
    assert format_duration(seconds) == text

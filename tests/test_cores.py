"""The cores that a process may use: affinity, quotas of control groups, and the scheduler's grant."""

import os

import pytest

from dis_bench import cores
from dis_bench.cores import count_cores, read_quotas


def make_group(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_quotas_of_version_2_hold_for_all_groups_within(tmp_path):
    make_group(
        tmp_path,
        {
            "own": "0::/job/step\n",
            "cg/job/cpu.max": "350000 100000\n",
            "cg/job/step/cpu.max": "max 100000\n",
            "cg/other/cpu.max": "100000 100000\n",
        },
    )
    assert read_quotas(tmp_path / "cg", tmp_path / "own") == [3.5]


def test_a_container_sees_its_own_group_as_the_root(tmp_path):
    make_group(tmp_path, {"own": "0::/../../outside\n", "cg/cpu.max": "150000 100000\n"})
    assert read_quotas(tmp_path / "cg", tmp_path / "own") == [1.5]


def test_quotas_of_version_1(tmp_path):
    group = "cg/cpu,cpuacct/docker/1a"
    make_group(
        tmp_path,
        {
            "own": "12:memory:/docker/1a\n4:cpu,cpuacct:/docker/1a\n1:name=systemd:/x\n",
            f"{group}/cpu.cfs_quota_us": "200000\n",
            f"{group}/cpu.cfs_period_us": "100000\n",
            "cg/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "cg/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )
    assert read_quotas(tmp_path / "cg", tmp_path / "own") == [2.0]


@pytest.mark.parametrize("text", ["", "max\n", "a b\n", "0 0\n", "-1 100000\n"])
def test_what_is_no_quota_limits_nothing(text, tmp_path):
    make_group(tmp_path, {"own": "0::/\n", "cg/cpu.max": text})
    assert read_quotas(tmp_path / "cg", tmp_path / "own") == []
    assert read_quotas(tmp_path / "cg", tmp_path / "missing") == []


@pytest.mark.parametrize(
    ("quotas", "granted", "expected"),
    [
        ((), None, 8),
        ((2.5,), None, 2),
        ((0.5,), None, 1),
        ((), "3", 3),
        ((2.0,), "3", 2),
        ((), "64", 8),
        ((), "x", 8),
    ],
)
def test_the_least_limit_counts(quotas, granted, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8), raising=False)
    monkeypatch.setattr(cores, "_own_quotas", lambda: quotas)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    if granted is not None:
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", granted)
    assert count_cores() == expected

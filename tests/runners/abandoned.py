"""Make the remains of a killed run, without killing one."""

import re

from dis_bench.records import claims
from dis_bench.records.processes import STAMP, this_process

DEAD = f"{this_process().host}-{2**22 + 1}-1-abcdef"  # no system has pids this large


def abandon(store):
    """Turn every claim of this process into one of a killed process."""
    for path in store.unfinished.glob("owner.*"):
        path.rename(path.with_name(re.sub(STAMP, DEAD, path.name)))
    for path in store.unfinished.glob(f".beat.{this_process()}"):
        path.rename(path.with_name(f".beat.{DEAD.rpartition('-')[0]}"))
    claims._heart._claims = {one for one in claims._heart._claims if one.folder.parent != store.unfinished}


def leftovers(store):
    """List everything in a result folder that a finished run should not leave there."""
    found = [path for path in store.root.rglob("*") if path.name.startswith(".")]
    return found + (sorted(store.unfinished.rglob("[!.]*")) if store.unfinished.exists() else [])

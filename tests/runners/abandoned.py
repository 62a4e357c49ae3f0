"""What a run leaves that was killed, made without killing one."""

import re

from dis_bench.records import claims
from dis_bench.records.processes import STAMP, this_process

DEAD = f"{this_process().host}-{2**22 + 1}-1-abcdef"  # no system has pids as large


def abandon(store):
    """Make every claim of this process one of a process that was killed."""
    for path in store.unfinished.glob("owner.*"):
        path.rename(path.with_name(re.sub(STAMP, DEAD, path.name)))
    for path in store.unfinished.glob(f".beat.{this_process()}"):
        path.rename(path.with_name(f".beat.{DEAD.rpartition('-')[0]}"))
    claims._heart._claims = {one for one in claims._heart._claims if one.folder.parent != store.unfinished}


def leftovers(store):
    """Return everything under a result folder that a finished run does not leave there."""
    found = [path for path in store.root.rglob("*") if path.name.startswith(".")]
    return found + (sorted(store.unfinished.rglob("[!.]*")) if store.unfinished.exists() else [])

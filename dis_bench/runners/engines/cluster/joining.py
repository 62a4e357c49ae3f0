"""Joining a Ray cluster: faults are reported at once, where Ray would retry for minutes.

Ray's signal handlers and its own lines on the terminal are suppressed.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dis_bench.errors import InputError, Option, describe
from dis_bench.runners.planning.options import is_address

ANSWER_SECONDS = 5.0  # for a server to accept a connection, and to greet


def join(address: str) -> None:
    """Connect this process to a cluster.

    Args:
        address: ``HOST:PORT`` of the cluster's head; ``auto`` finds that of this machine.

    Raises:
        InputError: there is no cluster, or this machine is not one of its nodes.
    """
    where = _find_address(address)
    _check_answer(where)
    _check_here(where)
    try:
        with _own_signals(), _quiet():
            importlib.import_module("ray").init(
                address=where, log_to_driver=False, logging_level=logging.CRITICAL, configure_logging=True
            )
    except Exception as error:  # another version of Ray or Python, a server that is no Ray, ...
        raise InputError(
            f"the Ray cluster at '{where}' cannot be joined from this machine, which has to be one of "
            f"its nodes (`ray start --address={where}`): {describe(error)}."
        ) from error
    _silence()


def _find_address(address: str) -> str:
    """Return the address that Ray would try; for ``auto``, of this machine's cluster.

    Ray replaces the address of the loopback device by one that others can reach.

    Raises:
        InputError: this machine belongs to no cluster.
    """
    services = importlib.import_module("ray._private.services")
    try:
        with _quiet():
            found = services.canonicalize_bootstrap_address(address)
    except ConnectionError:
        found = None
    if found is None:
        raise InputError(
            "no Ray cluster runs on this machine: start one with `ray start --head`, join one with `ray "
            "start --address=HOST:PORT`, or give ",
            Option("address", "HOST:PORT"),
            ".",
        )
    return found


def _check_answer(address: str) -> None:
    """Check that a server at an address speaks gRPC.

    Ray itself would try for minutes.

    Raises:
        InputError: it does not.
    """
    if not is_address(address):  # one that Ray found in the environment
        raise InputError(f"'{address}' is no address HOST:PORT of a Ray cluster.")
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS) as server:
            server.settimeout(ANSWER_SECONDS)
            server.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
            greeting = server.recv(4)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"no Ray cluster answers at '{address}': {reason}.") from error
    if greeting[3:] != b"\x04" and os.environ.get("RAY_USE_TLS", "0") == "0":  # the frame SETTINGS
        raise InputError(f"no Ray cluster answers at '{address}': the server there is another one.")


def _check_here(address: str) -> None:
    """Check that this machine runs a node, for which Ray itself would wait a minute.

    Raises:
        InputError: it does not.
    """
    find = getattr(importlib.import_module("ray._private.services"), "find_node_ids", None)
    if find is not None and not find():
        raise InputError(
            f"this machine is no node of the Ray cluster at '{address}': join it with `ray start "
            f"--address={address}`, with --num-cpus=0 if nothing should run here."
        )


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our own signal handlers; Ray would replace the one of SIGTERM."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray's own log off the terminal while it connects."""
    log = logging.getLogger("ray")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _silence() -> None:
    """Keep the messages of raylets out of the progress bar.

    These are pages of text on a node that died. Ray has no option for that. If it calls the function by
    another name, its lines come back.
    """
    worker: Any = importlib.import_module("ray._private.worker")
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None

"""Delay requests to stop, such as Ctrl-C, to a moment when nothing is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# A closed terminal sends SIGHUP, and a scheduler SIGTERM or SIGUSR1; Windows does not have all of them.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
STOPS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
SCHEDULER_STOPS = tuple(number for number in STOPS if number.name in ("SIGTERM", "SIGUSR1"))


class Preempted(KeyboardInterrupt):
    """A request to stop from a scheduler or ``kill``, and not from the keyboard."""


PREEMPTED = 75  # EX_TEMPFAIL of sysexits.h: a job script may submit the same command again
INTERRUPTED = 130


def exit_code(stop: KeyboardInterrupt) -> int:
    """Return the exit code of a command that was asked to stop."""
    return PREEMPTED if isinstance(stop, Preempted) else INTERRUPTED


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let schedulers, ``kill`` and a closed terminal stop the block like Ctrl-C.

    The first signal raises :class:`Preempted` if it is a scheduler's, and otherwise KeyboardInterrupt. Later
    ones do not disturb the clean-up: a terminal that closes sends several.
    """
    before = {number: signal.getsignal(number) for number in STOPS if number != signal.SIGINT}
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if not asked:
            asked.append(number)
            raise Preempted if number in SCHEDULER_STOPS else KeyboardInterrupt

    # A signal ignored under nohup stays ignored; only the main thread may set handlers.
    handled = {number: old for number, old in before.items() if old is not signal.SIG_IGN and _is_main()}
    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, old in handled.items():
            signal.signal(number, old)


@contextmanager
def delaying_stops() -> Iterator[Callable[[], None]]:
    """Delay requests to stop in this block until the yielded function is called.

    A second Ctrl-C is not delayed, as somebody is waiting. Other signals may come twice by themselves.
    """
    handlers = {number: signal.getsignal(number) for number in STOPS} if _is_main() else {}
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number not in asked:
            asked.append(number)
        elif number == signal.SIGINT:
            heed(number, frame)

    def heed(number: int, frame: FrameType | None = None) -> None:
        handler: Any = handlers[signal.Signals(number)]
        handler(number, frame)

    def check() -> None:
        while asked:
            heed(asked.pop(0))

    delayed = [number for number, handler in handlers.items() if callable(handler)]
    for number in delayed:
        signal.signal(number, note)
    try:
        yield check
    finally:
        for number in delayed:
            signal.signal(number, handlers[number])
    check()  # for a request that came after the last call in the block


def _is_main() -> bool:
    """Return True in the main thread, the only one that receives signals."""
    return threading.current_thread() is threading.main_thread()

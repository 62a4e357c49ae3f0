"""Delay requests to stop, such as Ctrl-C, to a moment when nothing is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# A closed terminal sends SIGHUP, which Windows does not have.
STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def delaying_stops() -> Iterator[Callable[[], None]]:
    """Delay requests to stop in this block until the yielded function is called.

    A second request of the same kind is not delayed.
    """
    handlers = {number: signal.getsignal(number) for number in STOPS} if _is_main() else {}
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number in asked:
            heed(number, frame)
        asked.append(number)

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

"""A mailbox in a process of its own, through which tasks reach the driver.

Ray imports this module in that process, so it imports nothing.
"""

from __future__ import annotations


class Mailbox:
    """Messages that wait for the driver, in the order in which each task sent its own."""

    def __init__(self) -> None:
        self._messages: list[bytes] = []

    def put(self, message: bytes) -> None:
        """Add a message."""
        self._messages.append(message)

    def take(self) -> list[bytes]:
        """Return all messages that have arrived, and forget them."""
        taken, self._messages = self._messages, []
        return taken

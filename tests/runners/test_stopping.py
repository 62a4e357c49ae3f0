"""Requests to stop wait until nothing is half done, also where they come twice."""

import os
import signal

import pytest

from dis_bench.runners.stopping import STOPS, Preempted, delaying_stops, stopped_by_signals

SENT = [number for number in STOPS if number != signal.SIGINT]


@pytest.fixture(autouse=True)
def _default_handlers():
    """Handle signals as in a shell, even if the tests run under nohup."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SENT}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number, times=1):
    for _ in range(times):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SENT)
def test_a_signal_that_comes_twice_waits_for_the_end_of_a_step(number):
    with stopped_by_signals(), delaying_stops() as heed_stops:
        send(number, 3)  # in the middle of a step
        with pytest.raises(KeyboardInterrupt) as stop:
            heed_stops()
        send(number, 3)  # while the checkpoint is written
    assert isinstance(stop.value, Preempted) == (number != signal.SIGHUP)


@pytest.mark.parametrize("number", SENT)
def test_later_signals_do_not_disturb_the_clean_up(number):
    cleaned = []
    with stopped_by_signals():
        with pytest.raises(KeyboardInterrupt):
            send(number)
        send(number)
        cleaned.append(True)
    assert cleaned == [True]


def test_a_second_ctrl_c_does_not_wait():
    def go_on():
        with delaying_stops():
            send(signal.SIGINT, 2)
            pytest.fail("the step went on")

    with pytest.raises(KeyboardInterrupt):
        go_on()

import threading

import numpy as np
import pytest

from dis_bench.metrics import find_metrics, score
from dis_bench.metrics.estimators.threads import count_threads, map_threads
from tests.metrics.cases import load_case


@pytest.fixture(params=["1", "3"])
def threads(request, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", request.param)
    return int(request.param)


def test_results_are_in_the_order_of_the_parts(threads):
    assert map_threads(lambda part: part**2, range(50), "squares", "number") == [n**2 for n in range(50)]


def test_as_many_threads_work_as_are_allowed(threads):
    # Each part waits for the others, so that fewer threads than parts would wait in vain.
    meeting = threading.Barrier(threads, timeout=20)
    map_threads(lambda _: meeting.wait(), range(threads), "meeting", "part")


def test_an_error_in_a_part_is_raised(threads):
    with pytest.raises(ZeroDivisionError):
        map_threads(lambda part: 1 / part, [2, 1, 0], "errors", "part")


def test_no_parts_give_no_results(threads):
    assert map_threads(abs, [], "nothing", "part") == []


@pytest.mark.parametrize("wanted", ["", "0", "many", "-2", "2,1"])
def test_without_a_wish_there_is_a_thread_per_core(wanted, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert count_threads() >= 1


def test_scores_do_not_depend_on_the_number_of_threads(monkeypatch):
    codes, factors = load_case("A_vae_like")
    codes, factors, log_variances = codes[:1500], factors[:1500], np.full((1500, 10), -4.0)
    small = {"log_variances": log_variances, "allow_small": True}
    metrics = list(find_metrics(given=["log_variances"]).values())
    scores = []
    for wanted in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
        scores.append(score(codes, factors, metrics, **small))
    assert scores[0].equals(scores[1])

"""The table that every metric reads: its contents, its refusals, and shared inputs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from dis_bench.errors import InputError
from dis_bench.metrics import Representation
from dis_bench.metrics.representation import equal_width_bins

from .cases import load_case, reference

CODES = np.arange(12.0).reshape(6, 2)
FACTORS = np.array([[0, 1], [0, 2], [1, 1], [1, 2], [2, 1], [2, 2]])


def test_rows_stay_together_when_shuffled():
    codes, factors = load_case("A_identity")
    table = Representation(codes, factors, seed=3)
    assert not np.array_equal(table.factors, factors)
    given = {tuple(row) for row in np.hstack([codes.astype(float), factors])}
    assert {tuple(row) for row in np.hstack([table.codes, table.factors])} == given


def test_seed_none_keeps_the_order_and_the_values():
    codes, factors = load_case("A_vae_like")
    table = Representation(codes, factors, seed=None)
    assert table.codes.dtype == np.float64
    assert np.array_equal(table.codes, codes)
    assert np.array_equal(table.factors, factors)


def test_log_variances_stay_with_their_rows():
    codes, factors = load_case("A_identity")
    table = Representation(codes, factors, log_variances=codes - 1, seed=3)
    assert np.array_equal(table.log_variances, table.codes.astype(np.float32) - 1)
    with pytest.raises(ValueError, match="read-only"):
        table.log_variances[0] = 0
    assert Representation(codes, factors).log_variances is None


@pytest.mark.parametrize(
    ("log_variances", "message"),
    [
        (CODES[:5], r"must have the shape of the codes, \(6, 2\), but an array of shape \(5, 2\)"),
        (CODES[:, :1], r"must have the shape of the codes, \(6, 2\)"),
        (np.where(CODES == 7, np.nan, CODES), "within 200 of 0, but that of code 1 is nan in row 3"),
        (np.where(CODES == 0, np.nan, -np.inf), "within 200 of 0, but that of code 0 is nan in row 0"),
        (CODES - 201, "within 200 of 0, but that of code 0 is -201.0 in row 0"),
        (CODES.astype(str), "log_variances must be numbers"),
    ],
)
def test_refuses_log_variances(log_variances, message):
    with pytest.raises(InputError, match=message):
        Representation(CODES, FACTORS, log_variances=log_variances)


def test_constant_factors_are_dropped_and_values_are_ranked():
    factors = np.array([[7, 30, 5], [7, 10, 5], [7, 20, 6]])
    table = Representation(np.eye(3), factors, seed=None)
    assert table.factors.tolist() == [[2, 0], [0, 0], [1, 1]]
    assert table.factor_sizes.tolist() == [3, 2]
    assert table.dropped_factors == (0,)
    assert table.kept_factors.tolist() == [1, 2]


@pytest.mark.parametrize(
    "convert",
    [
        torch.tensor,
        lambda a: torch.tensor(a, requires_grad=a.dtype.kind == "f"),
        np.ndarray.tolist,
        np.asfortranarray,
    ],
)
def test_tensors_and_lists_are_arrays(convert):
    table = Representation(convert(CODES), convert(FACTORS), seed=1)
    same = Representation(CODES, FACTORS, seed=1)
    assert np.array_equal(table.codes, same.codes)
    assert np.array_equal(table.factors, same.factors)


def test_bfloat16_tensors_keep_their_values():
    codes = torch.tensor(CODES, dtype=torch.bfloat16)
    assert np.array_equal(Representation(codes, FACTORS, seed=None).codes, codes.double().numpy())


def test_it_does_not_follow_the_given_arrays_and_cannot_be_written_to():
    codes = CODES.copy()
    table = Representation(codes, FACTORS, seed=None)
    codes[:] = np.nan
    assert np.array_equal(table.codes, CODES)
    with pytest.raises(ValueError, match="read-only"):
        table.codes[0] = 0


@pytest.mark.parametrize("n_bins", [1, 2, 7, 20])
def test_bins_are_those_of_numpy_histograms(n_bins):
    codes, factors = load_case("A_vae_like")  # the last code is dead
    table = Representation(codes, factors, seed=None)
    bins = table.bins(n_bins, rows=4_000)
    for ours, code in zip(bins.T[:-1], codes[:4_000].astype(float).T[:-1], strict=True):
        edges = np.histogram(code, n_bins)[1]
        assert np.array_equal(ours, np.digitize(code, edges[:-1]) - 1)
    assert len(np.unique(bins[:, -1])) == 1


def test_bins_of_known_values():
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    bins = Representation(np.stack([values, values[::-1]], axis=1), FACTORS, seed=None).bins(3, 6)
    assert bins.T.tolist() == [[0, 0, 1, 1, 2, 2], [2, 2, 1, 1, 0, 0]]


def test_a_dead_code_leaves_the_bins_of_the_others_alone():
    codes, factors = load_case("A_identity")
    dead = np.full((len(codes), 1), 3.7, dtype=np.float32)
    with_dead = Representation(np.hstack([codes, dead]), factors, seed=None)
    assert np.array_equal(
        with_dead.bins(20, 10_000)[:, :-1], Representation(codes, factors, seed=None).bins(20, 10_000)
    )


def test_bins_of_factors_are_those_of_any_values():
    assert equal_width_bins(np.arange(40), 20).tolist() == np.repeat(np.arange(20), 2).tolist()
    for values in (3, 32, 40):  # enough bins part all values
        assert len(set(equal_width_bins(np.arange(values), 40))) == values


def test_codes_are_live_if_two_of_their_rows_differ():
    codes = np.full((6, 4), np.float32(3.7))  # of which the variance in float32 is not 0
    codes[3, 1], codes[5, 2], codes[0, 3] = np.nextafter(3.7, 4, dtype=np.float32), 0, -1e30
    table = Representation(codes, FACTORS, seed=None)
    assert table.live_codes(6).tolist() == [False, True, True, True]
    assert table.live_codes(5).tolist() == [False, True, False, True]


def test_information_of_known_tables():
    factors = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    table = Representation(factors.astype(float), factors, seed=None)
    assert np.allclose(table.mutual_information(2, 4), np.log(2) * np.eye(2), atol=1e-15)
    thirds = Representation(CODES, FACTORS, seed=None)
    assert np.allclose(thirds.factor_entropies(6), [np.log(3), np.log(2)])
    assert np.allclose(thirds.code_entropies(3, 6), [np.log(3), np.log(3)])
    assert np.allclose(thirds.code_entropies(1, 6), [0, 0])


def test_information_is_that_of_scikit_learn_and_of_the_reference():
    codes, factors = load_case("A_vae_like")
    table = Representation(codes, factors, seed=None)
    information, bins = table.mutual_information(20, 10_000), table.bins(20, 10_000)
    expected = [[mutual_info_score(code, factor) for factor in factors[:10_000].T] for code in bins.T]
    assert np.allclose(information, expected, atol=1e-12)
    published = reference("A_vae_like")["mig"]
    assert np.allclose(information, published["mutual_information"], atol=1e-6)
    assert np.allclose(table.factor_entropies(10_000), published["factor_entropies"], atol=1e-6)


def test_shared_inputs_are_computed_once_per_protocol():
    table = Representation(CODES, FACTORS)
    assert table.mutual_information(2, 6) is table.mutual_information(2, 6)
    assert table.mutual_information(3, 6) is not table.mutual_information(2, 6)
    with pytest.raises(ValueError, match="read-only"):
        table.mutual_information(2, 6)[0] = 0
    one, (other,) = table.shared("a tuple", lambda: (np.zeros(2), (np.zeros(2),)))
    for array in (one, other, table.keep_per_factor("mine", np.zeros(2)), table.per_factor["mine"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_split_takes_the_first_rows_and_the_next():
    training, testing = Representation(CODES, FACTORS, seed=None).split(3, 2)
    assert np.array_equal(training.codes, CODES[:3])
    assert np.array_equal(testing.codes, CODES[3:5])


def with_value(value, row=4, column=1):
    codes = CODES.copy()
    codes[row, column] = value
    return codes


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (with_value(np.nan), FACTORS, r"code 1 is nan in row 4 \(1 such"),
        (with_value(-np.inf), FACTORS, r"code 1 is -inf in row 4"),
        (with_value(1e39), FACTORS, r"code 1 is 1e\+39 in row 4"),
        (CODES[:5], FACTORS, "5 rows of codes and 6 rows of factors"),
        (CODES[:1], FACTORS[:1], "at least 2 rows, but 1"),
        (CODES[:0], FACTORS[:0], "at least 2 rows, but 0"),
        (CODES[:, :0], FACTORS, r"at least one column, but an array of shape \(6, 0\)"),
        (CODES[:, 0], FACTORS, r"table \[N, D\], but an array of shape \(6,\)"),
        (CODES.astype(str), FACTORS, "codes must be numbers, but an array of <U"),
        ([[None]] * 6, FACTORS, "codes must be numbers, but an array of object"),
        (CODES + 1j, FACTORS, "codes must be numbers, but an array of complex128"),
        ([[1.0], [2.0, 3.0]], FACTORS, "rows of different lengths"),
        (CODES, FACTORS + 0.5, r"factor 0 is 0.5 in row 0"),
        (CODES, np.where(FACTORS == 2, np.nan, FACTORS), "factor 1 is nan in row 1"),
        (CODES, np.zeros((6, 2), int), "every factor has a single value"),
    ],
)
def test_refuses_what_cannot_be_scored(codes, factors, message):
    with pytest.raises(InputError, match=message):
        Representation(codes, factors)


def test_allow_small_is_true_or_false():
    with pytest.raises(InputError, match="allow_small must be True or False, but 'no' was given"):
        Representation(CODES, FACTORS, allow_small="no")
    assert Representation(CODES, FACTORS, allow_small=np.True_).allow_small is True


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_refuses_a_seed_that_is_none(seed):
    with pytest.raises(InputError, match="seed must be a whole number of at least 0"):
        Representation(CODES, FACTORS, seed=seed)


def test_says_how_many_rows_are_wanted_and_what_to_do():
    table = Representation(CODES, FACTORS)
    with pytest.raises(InputError, match=r"^10000 rows are needed, but there are 6: give more rows, or"):
        table.rows(10_000)
    with pytest.raises(InputError, match=r"^10 training and 5 test rows are needed, but there are 6: give"):
        table.split(10, 5)
    with pytest.raises(InputError, match="rows must be a whole number of at least 2, but 1 was given"):
        table.rows(1)
    for bins in (0, 1_001, 10**8, True, 2.0):
        with pytest.raises(InputError, match="bins must be a whole number from 1 to 1000, but"):
            table.bins(bins, 6)


def test_refuses_rows_in_which_a_factor_does_not_vary():
    table = Representation(CODES, np.hstack([np.zeros((6, 1), int), FACTORS]), seed=None)
    with pytest.raises(
        InputError, match=r"factor 1 has a single value in the 2 rows .* leave it out, or .*seed"
    ):
        table.rows(2)
    rare = Representation(np.zeros((200, 1)), np.arange(200)[:, None] == 7, seed=2)
    with pytest.raises(InputError) as refusal:
        rare.rows(2)
    assert str(refusal.value).endswith("leave it out, or give rows in which it varies.")


def test_refuses_a_factor_that_looks_continuous():
    rows = np.arange(300)
    for factor in (rows, -rows, 1000 * rows, np.minimum(rows, 151)):
        with pytest.raises(
            InputError, match=r"factor 1 looks continuous, .* of 300 rows .*numpy.digitize, or"
        ):
            Representation(np.zeros((300, 1)), np.stack([rows % 2, factor], axis=1))
    half = np.minimum(rows, 150)  # 150 rows have a value of their own: half of them
    assert Representation(np.zeros((300, 1)), half[:, None]).factor_sizes.tolist() == [151]
    few = np.arange(36)  # with so few rows, most have a value of their own even if the factor is a class
    assert Representation(np.zeros((36, 1)), few[:, None]).factor_sizes.tolist() == [36]


def test_refuses_masked_arrays_and_sparse_tensors():
    masked = np.ma.masked_greater(CODES, 8)
    for codes, factors, what in (
        (masked, FACTORS, "codes"),
        (CODES, np.ma.masked_equal(FACTORS, 2), "factors"),
    ):
        with pytest.raises(
            InputError, match=f"{what} must be a complete table, but a masked array was given"
        ):
            Representation(codes, factors)
    whole = Representation(np.ma.masked_greater(CODES, 100), FACTORS, seed=None)
    assert np.array_equal(whole.codes, CODES)
    with pytest.raises(
        InputError, match=r"codes must be a dense tensor, but one of torch.sparse_coo was given"
    ):
        Representation(torch.tensor(CODES).to_sparse(), FACTORS)


def test_listing_metrics_imports_nothing_heavy():
    heavy = "{'torch', 'sklearn', 'pandas', 'scipy', 'matplotlib', 'numba', 'tqdm', 'threadpoolctl'}"
    code = (
        "import sys; from dis_bench.metrics import find_metrics; found = find_metrics(); "
        f"print(len(found) > 4, sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"

"""Tables from users: plain numbers are read from any container, others are refused."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from dis_bench.errors import InputError
from dis_bench.metrics import score
from dis_bench.metrics.inputs import check_codes, check_factors

CODES = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32).astype(float)
FACTORS = np.stack([np.arange(40) % 3, np.arange(40) % 2], axis=1)


class Array:
    def __array__(self, dtype=None, copy=None):
        return CODES


class Failing:
    def __array__(self, dtype=None, copy=None):
        raise KeyError("not today")


def masked(row=None):
    mask = np.zeros(CODES.shape, bool)
    if row is not None:
        mask[row, 1] = True
    return np.ma.masked_array(CODES, mask)


@pytest.mark.parametrize(
    "given",
    [
        [torch.tensor(row, requires_grad=True) for row in CODES],
        [[torch.tensor(value, requires_grad=True) for value in row] for row in CODES],
        tuple(torch.tensor(row) for row in CODES),
        torch.tensor(CODES, requires_grad=True),
        torch.complex(torch.zeros(CODES.shape, dtype=torch.float64), -torch.tensor(CODES)).conj().imag,
        CODES.tolist(),
        list(CODES),
        CODES.astype(object),
        CODES.astype(">f8"),
        CODES.astype(np.longdouble),
        CODES[::-1, ::-1][::-1, ::-1],
        np.asfortranarray(CODES),
        np.asmatrix(CODES),
        pd.DataFrame(CODES),
        pd.DataFrame(CODES).convert_dtypes(),
        pd.DataFrame(CODES).astype(object),
        pd.DataFrame(CODES, columns=list("aab")),
        pd.DataFrame(CODES).astype(pd.SparseDtype("float")),
        pd.Series(list(CODES)),
        masked(),
        list(masked()),
        Array(),
    ],
    ids=lambda given: type(given).__name__,
)
def test_numbers_are_read_from_any_container(given):
    np.testing.assert_array_equal(check_codes(given), CODES)


def test_small_floats_are_read_as_they_are():
    for kind in (torch.bfloat16, torch.float16):
        small = torch.tensor(CODES).to(kind)
        np.testing.assert_array_equal(check_codes(small), small.double().numpy())
        np.testing.assert_array_equal(check_codes(list(small)), small.double().numpy())
    np.testing.assert_array_equal(check_codes(CODES.astype(np.float16)), CODES.astype(np.float16))


@pytest.mark.parametrize(
    "given",
    [
        pd.DataFrame({"shape": FACTORS[:, 0], "smiles": FACTORS[:, 1] > 0}),
        pd.DataFrame(FACTORS).convert_dtypes(),
        pd.DataFrame({"shape": FACTORS[:, 0], "smiles": FACTORS[:, 1] > 0}).convert_dtypes(),
        pd.DataFrame(FACTORS).astype("category"),
        torch.tensor(FACTORS).to(torch.uint8),
        list(torch.tensor(FACTORS)),
        FACTORS.astype(">i2"),
        FACTORS.astype(np.uint64),
        FACTORS.astype(object),
    ],
    ids=lambda given: type(given).__name__,
)
def test_factors_are_read_from_any_container(given):
    np.testing.assert_array_equal(check_factors(given), FACTORS)


def test_large_whole_numbers_of_a_frame_stay_whole():
    large = FACTORS + 2**60
    np.testing.assert_array_equal(check_factors(pd.DataFrame(large).convert_dtypes()), large)


def missing(frame):
    frame = frame.convert_dtypes()
    frame.iloc[5, 1] = pd.NA
    return frame


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (missing(pd.DataFrame(CODES)), "code 1 is nan in row 5"),
        (masked(3), "a masked array was given"),
        (list(masked(3)), "a masked array was given"),
        (scipy.sparse.csr_matrix(CODES), "give its .toarray()"),
        (scipy.sparse.coo_array(CODES), "give its .toarray()"),
        (torch.tensor(CODES).to_sparse(), "must be a dense tensor"),
        (torch.empty(40, 3, device="meta"), "cannot be read from a Tensor"),
        (np.zeros(40, dtype=[("a", "f8"), ("b", "f8")]), "must be numbers"),
        (np.zeros((40, 2), "M8[s]"), "an array of datetime64[s]"),
        (np.zeros((40, 2), "m8[s]"), "an array of timedelta64[s]"),
        (pd.DataFrame({"day": pd.date_range("2020", periods=40)}), "an array of datetime64"),
        (pd.DataFrame({"word": ["a"] * 40}), "must be numbers"),
        (CODES + 1j, "an array of complex128"),
        (torch.tensor(CODES) + 1j, "an array of complex128"),
        ([[None, 1.0]] * 40, "an array of object"),
        ((row for row in CODES), "an array of object"),
        ({"codes": CODES}, "an array of object"),
        (pd.Series(CODES[:, 0]), "an array of shape (40,)"),
        (pd.DataFrame(), "cannot be read from a DataFrame"),
        ([[1.0], [1.0, 2.0]], "rows of different lengths"),
        (Failing(), "cannot be read from a Failing: KeyError: 'not today'"),
        (CODES.astype(np.longdouble) * np.longdouble("1e4000"), "within float32, but code 0 is"),
        (CODES * 1e200, "within float32"),
        (CODES * 1e-200, "code 0 varies by"),
        (CODES * 1e-320, "code 0 varies by"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_what_holds_no_plain_numbers_is_refused(given, sentence):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as refusal:
            check_codes(given)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("unit", [1e-140, 1e-40, 1e30, 1e37])
def test_scores_of_codes_in_any_unit_that_is_not_refused(unit):
    names = ["betavae_score"] if unit > 1 else ["mig", "sap_continuous", "modularity"]
    factors = np.random.default_rng(0).integers(0, 3, (300, 2))
    codes = factors + 0.1 * np.random.default_rng(1).standard_normal((300, 2))
    expected = score(codes * (1e10 if unit > 1 else 1), factors, names, allow_small=True)
    np.testing.assert_allclose(score(codes * unit, factors, names, allow_small=True), expected, atol=1e-9)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_factors_of_any_precision_must_be_finite(kind, value):
    np.testing.assert_array_equal(check_factors(FACTORS.astype(kind)), FACTORS)
    factors = FACTORS.astype(kind)
    factors[7, 1] = value
    with pytest.raises(InputError, match=f"factors must be whole numbers .* factor 1 is {value} in row 7"):
        check_factors(factors)


def test_codes_that_are_integers_must_be_represented_by_floats():
    for large in (FACTORS + 2**53 - 2, FACTORS - 2**53, FACTORS.astype(np.uint64) + 2**50):
        np.testing.assert_array_equal(check_codes(large), large)
    for large in (FACTORS + 2**60, FACTORS + np.int64(-(2**63)), FACTORS.astype(np.uint64) + 2**63):
        with pytest.raises(InputError, match=r"codes that are integers must be within 2\^53, .*in row 0"):
            check_codes(large)

"""Metrics with one fault each, in a file as a stranger would hand it in; and some without."""

import sys

import numpy as np

from dis_bench.errors import InputError
from dis_bench.metrics.metric import metric


def explained(codes, factors):
    """Share of each code's variance that lies between the values of each factor [D, F]; 0 where constant."""
    live = np.ptp(codes, axis=0) > 1e-12 * np.abs(codes).max(initial=1e-300)
    return np.where(live[:, None], _explained(codes, factors), 0)


def _explained(codes, factors):
    """The same, but 0 / 0 where a code is constant."""
    centred = codes - codes.mean(axis=0)
    between = np.zeros((codes.shape[1], factors.shape[1]))
    for k, factor in enumerate(factors.T):
        for value in np.unique(factor):
            between[:, k] += (factor == value).mean() * centred[factor == value].mean(axis=0) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return between / (centred**2).mean(axis=0)[:, None]


def sound(codes, factors):
    """Mean over factors of the best code's share of explained variance."""
    return float(explained(codes, factors).max(axis=0).mean())


def nan_on_dead_codes(codes, factors):
    """As :func:`sound`, but 0 / 0 where a code is constant."""
    return float(_explained(codes, factors).max(axis=0).mean())


def reads_names_as_numbers(codes, factors):
    """Squared correlation, which depends on which value of a factor is called 0, 1, 2."""
    codes, factors = (table - table.mean(axis=0) for table in (codes, factors))
    norms = np.outer(np.linalg.norm(codes, axis=0), np.linalg.norm(factors, axis=0))
    live = np.ptp(codes, axis=0) > 1e-12 * np.abs(codes).max(initial=1e-300)
    squares = np.zeros(norms.shape)
    squares[live] = (codes.T @ factors)[live] ** 2 / norms[live] ** 2
    return float(squares.max(axis=0).mean())


@metric(range=(0, 1), source="nobody", values_are_numbers=True)
def says_that_it_reads_numbers(representation):
    """As :func:`reads_names_as_numbers`, declared."""
    return reads_names_as_numbers(representation.codes, representation.factors)


def counts_dead_codes(codes, factors):
    """The mean over codes, dead ones too."""
    return float(explained(codes, factors).max(axis=1).mean())


def order_of_codes(codes, factors):
    """Takes it that code 0 is factor 0, and so on."""
    return float(np.diag(explained(codes, factors)).mean())


def order_of_rows(codes, factors):
    """Reads the first ten rows only."""
    return sound(codes[:10], factors[:10])


def unseeded(codes, factors):
    """Parts equal values by a little noise, from nobody's seed."""
    return sound(codes + 1e-6 * np.random.default_rng().standard_normal(codes.shape), factors)


def modifies_its_input(codes, factors):
    """Centres the codes in place."""
    codes -= codes.mean(axis=0)
    return sound(codes, factors)


def upside_down(codes, factors):
    """Less is better, which nobody said."""
    return 1 - sound(codes, factors)


def constant(codes, factors):
    """Sees nothing at all."""
    return 0.5


def returns_an_array(codes, factors):
    """A value per factor, but no name for each."""
    return explained(codes, factors).max(axis=0)


def a_column_per_code(codes, factors):
    """A number per code, so that its columns depend on what it is given."""
    return {str(d): float(best) for d, best in enumerate(explained(codes, factors).max(axis=1))}


def crashes(codes, factors):
    """Has a bug."""
    return codes.no_such_attribute


def ends_the_program(codes, factors):
    """Was a script once."""
    sys.exit(0)


def crashes_on_one_code(codes, factors):
    """Takes it that there is a second best code."""
    best = np.sort(explained(codes, factors), axis=0)
    return float((best[-1] - best[-2]).mean())


def refuses_one_code(codes, factors):
    """Says so where there is no second best code."""
    if codes.shape[1] == 1:
        raise InputError("one code cannot be compared with a second best.")
    return crashes_on_one_code(codes, factors)


@metric(range=(0, 1), source="nobody")
def out_of_range(representation):
    """A share, times a hundred."""
    return 100 * sound(representation.codes, representation.factors)


@metric(range=(0, 1), source="nobody")
def declared(representation):
    """As :func:`sound`, declared."""
    return sound(representation.codes, representation.factors)


@metric(range=(0, 1), source="nobody")
def writes_to_the_representation(representation):
    """Centres codes that other metrics read next."""
    representation.codes.flags.writeable = True
    representation.codes[:] -= representation.codes.mean(axis=0)
    return sound(representation.codes, representation.factors)


@metric(range=(0, 1), source="nobody")
def wants_many_rows(representation):
    """Has a protocol of its own, without a parameter for it."""
    first = representation.rows(10_000)
    return sound(first.codes, first.factors)

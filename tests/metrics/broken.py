"""Metrics with one fault each, in a file as a user would write it, and some without."""

import sys

import numpy as np

from dis_bench.errors import InputError
from dis_bench.metrics.metric import metric
from dis_bench.metrics.representation import Representation


def explained(codes, factors):
    """Return each factor's share of each code's variance [D, F]; 0 if constant."""
    live = np.ptp(codes, axis=0) > 1e-12 * np.abs(codes).max(initial=1e-300)
    return np.where(live[:, None], _explained(codes, factors), 0)


def _explained(codes, factors):
    """Return the same, but 0 / 0 for a constant code."""
    centred = codes - codes.mean(axis=0)
    between = np.zeros((codes.shape[1], factors.shape[1]))
    for k, factor in enumerate(factors.T):
        for value in np.unique(factor):
            between[:, k] += (factor == value).mean() * centred[factor == value].mean(axis=0) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return between / (centred**2).mean(axis=0)[:, None]


def sound(codes, factors):
    """Average over factors the best code's share of explained variance."""
    return float(explained(codes, factors).max(axis=0).mean())


def nan_on_dead_codes(codes, factors):
    """Do as :func:`sound`, but compute 0 / 0 for a constant code."""
    return float(_explained(codes, factors).max(axis=0).mean())


def reads_names_as_numbers(codes, factors):
    """Average squared correlations, which depend on the numbers of the values."""
    codes, factors = (table - table.mean(axis=0) for table in (codes, factors))
    norms = np.outer(np.linalg.norm(codes, axis=0), np.linalg.norm(factors, axis=0))
    live = np.ptp(codes, axis=0) > 1e-12 * np.abs(codes).max(initial=1e-300)
    squares = np.zeros(norms.shape)
    squares[live] = (codes.T @ factors)[live] ** 2 / norms[live] ** 2
    return float(squares.max(axis=0).mean())


@metric(range=(0, 1), source="nobody", values_are_numbers=True)
def says_that_it_reads_numbers(representation):
    """Do as :func:`reads_names_as_numbers`, and declare it."""
    return reads_names_as_numbers(representation.codes, representation.factors)


def counts_dead_codes(codes, factors):
    """Average over all codes, including dead ones."""
    return float(explained(codes, factors).max(axis=1).mean())


def order_of_codes(codes, factors):
    """Assume that code 0 is factor 0, and so on."""
    return float(np.diag(explained(codes, factors)).mean())


def first_of_ties(codes, factors):
    """Average how well the first of each factor's best codes is explained by it alone."""
    information = Representation(codes, factors).mutual_information(20, len(codes))
    best = information.argmax(axis=0)
    return float(explained(codes, factors)[best, range(factors.shape[1])].mean())


def order_of_rows(codes, factors):
    """Read only the first ten rows."""
    return sound(codes[:10], factors[:10])


def unseeded(codes, factors):
    """Separate equal values by a little noise without a seed."""
    return sound(codes + 1e-6 * np.random.default_rng().standard_normal(codes.shape), factors)


def modifies_its_input(codes, factors):
    """Centre the codes in place."""
    codes -= codes.mean(axis=0)
    return sound(codes, factors)


def upside_down(codes, factors):
    """Return less for better codes, without declaring it."""
    return 1 - sound(codes, factors)


def constant(codes, factors):
    """Return the same for all codes."""
    return 0.5


def returns_an_array(codes, factors):
    """Return a value per factor, without names."""
    return explained(codes, factors).max(axis=0)


def a_column_per_code(codes, factors):
    """Return a number per code, so that the columns depend on the input."""
    return {str(d): float(best) for d, best in enumerate(explained(codes, factors).max(axis=1))}


def crashes(codes, factors):
    """Raise because of a bug."""
    return codes.no_such_attribute


def ends_the_program(codes, factors):
    """Exit like a script."""
    sys.exit(0)


def crashes_on_one_code(codes, factors):
    """Assume that there is a second best code."""
    best = np.sort(explained(codes, factors), axis=0)
    return float((best[-1] - best[-2]).mean())


def refuses_one_code(codes, factors):
    """Raise InputError if there is no second best code."""
    if codes.shape[1] == 1:
        raise InputError("one code cannot be compared with a second best.")
    return crashes_on_one_code(codes, factors)


@metric(range=(0, 1), source="nobody")
def out_of_range(representation):
    """Return a share in percent."""
    return 100 * sound(representation.codes, representation.factors)


@metric(range=(0, 1), source="nobody")
def declared(representation):
    """Do as :func:`sound`, declared."""
    return sound(representation.codes, representation.factors)


@metric(keys=("best", "worst"), label={"best": "mine", "worst": "mine"})
def says_the_same_of_two(representation):
    """Two numbers that go by one label."""
    return {"best": declared(representation), "worst": declared(representation)}


@metric(caveat=lambda dataset, parameters: parameters["no_such_parameter"])
def caveat_crashes(representation):
    """As :func:`sound`, with a bug in what readers are told."""
    return sound(representation.codes, representation.factors)


@metric(range=(0, 1), source="nobody")
def writes_to_the_representation(representation):
    """Centre the codes that other metrics read next."""
    representation.codes.flags.writeable = True
    representation.codes[:] -= representation.codes.mean(axis=0)
    return sound(representation.codes, representation.factors)


@metric(range=(0, 1), source="nobody")
def wants_many_rows(representation):
    """Read a fixed number of rows, without a parameter for it."""
    first = representation.rows(10_000)
    return sound(first.codes, first.factors)

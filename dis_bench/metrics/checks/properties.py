"""The properties that every metric must have, ours and anybody's: one function each.

A property takes a :class:`~dis_bench.metrics.checks.trial.Trial`; :mod:`dis_bench.findings` says what it
returns and raises.

>>> from dis_bench.metrics.mig import mig
>>> from dis_bench.metrics.checks.trial import put_on_trial
>>> {finding.verdict for finding in check_properties(put_on_trial(mig))}
{'passed'}
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dis_bench.errors import InputError
from dis_bench.findings import Broken, DoesNotApply, Finding, check_each
from dis_bench.metrics.checks.trial import Table, Trial
from dis_bench.metrics.declaration import describe

Property = Callable[[Trial], str]


def check_properties(trial: Trial) -> list[Finding]:
    """Check every property, or only the first if ordinary codes cannot be scored."""
    return check_each(PROPERTIES, trial, "it cannot score ordinary codes.")


def returns_finite_numbers(trial: Trial) -> str:
    """Check that ordinary codes give finite numbers, in the same columns each time.

    A table and a mean over seeds have no place for NaN, and a record none for an array.
    """
    expected = trial.scores(trial.mixed)
    trial.check_columns(trial.mixed)
    for table in (trial.perfect, trial.noise):
        _expect_columns(trial.scores(table), expected, table)
    scores = ", ".join(f"{column} {value:.6g}" for column, value in expected.items())
    return f"given {trial.mixed.given}: {scores}."


def gives_one_score_per_seed(trial: Trial) -> str:
    """Check that the same table and seed give the same scores twice.

    Others must be able to repeat a number, so all that is drawn must be drawn from the seed.
    """
    first, again = trial.scores(trial.mixed, seed=4), trial.score_again(trial.mixed, seed=4)
    for column, value in again.items():
        if value != first.get(column):
            raise Broken(
                f"given {trial.mixed.given} twice with one seed, {column} is {value!r}; expected "
                f"{first.get(column)!r} as before"
            )
    return "the same seed twice gives the same to the last digit."


def ignores_the_order_of_codes(trial: Trial) -> str:
    """Check that permuted codes score the same.

    Which latent a model uses for what is an accident of its seed.
    """
    permuted = trial.mixed._replace(
        given="the codes in another order", codes=trial.mixed.codes[:, [3, 1, 4, 0, 2]]
    )
    backwards = trial.one_hot._replace(
        given="one code per value, the last one first", codes=trial.one_hot.codes[:, ::-1]
    )
    swapped = trial.tied._replace(
        given="a code of two factors and one of the first of them", codes=trial.tied.codes[:, ::-1]
    )
    moved = [
        _expect_no_change(trial, ignores_the_order_of_codes, permuted),
        _expect_no_change(trial, ignores_the_order_of_codes, backwards, like=trial.one_hot),
        _expect_no_change(trial, ignores_the_order_of_codes, swapped, like=trial.tied),
    ]
    return " ".join(dict.fromkeys(moved))


def ignores_the_order_of_rows(trial: Trial) -> str:
    """Check that reordered rows score the same.

    The order of the images is nobody's merit: it may matter as much as another sample does, not more.
    """
    _, codes, factors = trial.mixed
    order = np.random.default_rng(2).permutation(len(codes))
    by_factor = np.argsort(factors[:, 0], kind="stable")
    return _expect_no_change(
        trial,
        ignores_the_order_of_rows,
        Table("the rows in another order", codes[order], factors[order]),
        Table("the rows sorted by a factor", codes[by_factor], factors[by_factor]),
    )


def ignores_dead_codes(trial: Trial) -> str:
    """Check that an additional constant code changes nothing.

    A code that never changes says nothing; models differ in how many latents they leave unused.
    """
    codes = trial.mixed.codes
    dead = [(position, value) for position in (0, codes.shape[1]) for value in (0.0, float(np.float32(3.7)))]
    tables = [
        trial.mixed._replace(
            given=f"an additional code, in column {position}, that is always {value:.2g}",
            codes=np.insert(codes, position, value, axis=1),
        )
        for position, value in dead
    ]
    return _expect_no_change(trial, ignores_dead_codes, *tables)


def ignores_the_names_of_values(trial: Trial) -> str:
    """Check that other numbers for the values of factors change nothing.

    The values of a factor such as shape are names: to number them differently changes nothing.
    """
    rng = np.random.default_rng(3)
    columns = [rng.permutation(column.max() + 1)[column] for column in trial.mixed.factors.T]
    renamed = trial.mixed._replace(
        given="the values of each factor numbered differently", factors=np.stack(columns, axis=1)
    )
    if trial.metric.values_are_numbers:
        raise DoesNotApply("it declares that it treats the values of factors as numbers.")
    try:
        return _expect_no_change(trial, ignores_the_names_of_values, renamed)
    except Broken as moved:
        hint = "a metric that treats values as numbers declares it with @metric(values_are_numbers=True)"
        raise Broken(f"{moved}; {hint}") from None


def prefers_the_factors_to_noise(trial: Trial) -> str:
    """Check that the factors themselves score better than noise.

    A score that cannot tell the best possible codes from the worst measures something else.
    """
    perfect, noise, mixed = (trial.scores(table) for table in (trial.perfect, trial.noise, trial.mixed))
    order = np.random.default_rng(4).permutation(len(trial))
    shuffled = trial.mixed._replace(given="factors of other rows", factors=trial.mixed.factors[order])
    if perfect != noise and trial.scores(shuffled) == mixed:
        raise DoesNotApply("it ignores the factors, and noise is as independent as they are.")
    better = 1 if trial.metric.higher_is_better else -1
    for column, value in perfect.items():
        least = 0.1 * trial.span(column)
        if not better * (value - noise[column]) > least:
            margin = f" by more than {least:.2g}" if least else ""
            raise Broken(
                f"given {trial.perfect.given}, {column} is {value:.6g}, and given noise {noise[column]:.6g}; "
                f"expected the first to be {'higher' if better > 0 else 'lower'}{margin}, {_direction(trial)}"
            )
    pairs = (f"{column} {perfect[column]:.6g} against {noise[column]:.6g}" for column in perfect)
    return f"{'; '.join(pairs)}."


def survives_degenerate_codes(trial: Trial) -> str:
    """Check that degenerate codes give a finite number or an InputError.

    Half-trained models give such codes: a number or an InputError helps, NaN or a crash does not.
    """
    tables, refused = degenerate_tables(trial), []
    for table in tables:
        try:
            trial.scores(table)
        except InputError:
            refused.append(table.given)
    scored = f"{len(tables) - len(refused)} of {len(tables)} tables are scored"
    return f"{scored}; it refuses {', '.join(refused)}." if refused else f"{scored}."


def stays_within_its_range(trial: Trial) -> str:
    """Check that all scores are within the declared range.

    Readers compare a score with the ends of its range, and plots end there.
    """
    if trial.metric.is_plain:
        raise DoesNotApply("a plain function declares no range; @metric(range=...) does.")
    low, high = trial.metric.range
    seen: list[float] = []
    for table in (trial.mixed, trial.perfect, trial.noise, *degenerate_tables(trial)):
        try:
            scores = trial.scores(table)
        except (InputError, Broken):  # reported by another property
            continue
        for column, value in scores.items():
            if not low - 1e-12 <= value <= high + 1e-12:
                raise Broken(f"given {table.given}, {column} is {value:.6g}; expected {low:g} to {high:g}")
        seen.extend(scores.values())
    return f"scores are from {min(seen):.6g} to {max(seen):.6g}, within {low:g} to {high:g}."


def tells_its_scores_apart(trial: Trial) -> str:
    """Check that labels, a short label and a caveat tell the scores apart.

    Readers of a report see labels and a caveat, not code.
    """
    if trial.metric.is_plain:
        raise DoesNotApply("a plain function declares no label; @metric(label=..., caveat=...) does.")
    columns = trial.scores(trial.mixed)
    try:
        said = describe(trial.metric, columns, "made-up", trial.metric.resolve(trial.parameters))
    except InputError as error:
        raise Broken(str(error)) from None
    labels = said["label"]
    if len(set(labels.values())) < len(labels):
        raise Broken(f"its labels are {', '.join(labels.values())}; expected another one for each score")
    caveat = "its caveat is one line" if "caveat" in said else "it has no caveat"
    return f"it is shown as {', '.join(labels.values())}; {caveat}."


def leaves_its_input_alone(trial: Trial) -> str:
    """Check that codes and factors are unchanged after scoring.

    What one metric changes, the next one reads.
    """
    codes, factors = trial.read_arrays()
    for what, now, before in (("codes", codes, trial.mixed.codes), ("factors", factors, trial.mixed.factors)):
        changed = np.argwhere(now != before)
        if len(changed):
            at = tuple(changed[0])
            raise Broken(
                f"given {trial.mixed.given}, it changes {len(changed)} values of the {what}, the first from "
                f"{before[at]:.6g} to {now[at]:.6g}; expected none"
            )
    return "codes and factors are unchanged."


def degenerate_tables(trial: Trial) -> list[Table]:
    """List the tables of a training gone wrong, and some at the limits of float64."""
    _, codes, factors = trial.mixed
    rows = len(codes)
    one_factor = Table("one factor only", codes, factors[:, :1])
    by_name = {
        "one code": codes[:, :1],
        "one dead code": np.zeros((rows, 1)),
        "three dead codes": np.full((rows, 3), 3.7),
        "every code twice": np.hstack([codes, codes]),
        "one row of 1e6": np.vstack([codes[:-1], np.full(codes.shape[1], 1e6)]),
        "codes of 1e-30": codes * 1e-30,
        "codes of 1e30": codes * 1e30,
        "codes that differ in their last bit": 1 + factors * np.finfo(float).eps,
    }
    return [one_factor, *(Table(given, table, factors) for given, table in by_name.items())]


# If the first one fails, the others are not checked.
PROPERTIES: tuple[Property, ...] = (
    returns_finite_numbers,
    stays_within_its_range,
    gives_one_score_per_seed,
    ignores_the_order_of_codes,
    ignores_the_order_of_rows,
    ignores_dead_codes,
    ignores_the_names_of_values,
    prefers_the_factors_to_noise,
    tells_its_scores_apart,
    leaves_its_input_alone,
    survives_degenerate_codes,
)


def _direction(trial: Trial) -> str:
    if trial.metric.is_plain:
        return "as for any plain function; if lower is better, declare @metric(higher_is_better=False)"
    return f"as @metric(higher_is_better={trial.metric.higher_is_better}) declares"


def _expect_no_change(trial: Trial, holds: Property, *tables: Table, like: Table | None = None) -> str:
    """Compare the scores of tables with those of ``like``, by default the mixed codes."""
    share = trial.tolerances.get(holds.__name__, trial.tolerance)
    expected, largest = trial.scores(like or trial.mixed), 0.0
    for table in tables:
        scores = trial.scores(table)
        _expect_columns(scores, expected, table)
        for column, value in scores.items():
            before = expected[column]
            allowed = max(share * trial.span(column), 1e-12 * max(1, abs(before)))
            largest = max(largest, abs(value - before))
            if abs(value - before) > allowed:
                raise Broken(
                    f"given {table.given}, {column} is {value:.6g}; expected {before:.6g}, give or take "
                    f"{allowed:.2g}"
                )
    return f"scores move by {largest:.2g} at most." if largest > 1e-12 else "scores do not move."


def _expect_columns(scores: dict[str, float], expected: dict[str, float], table: Table) -> None:
    if scores.keys() != expected.keys():
        raise Broken(f"given {table.given}, it fills {', '.join(scores)}; expected {', '.join(expected)}")

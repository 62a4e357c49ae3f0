"""Rules of combinations: each is the set that it reads as, in one spelling; what is no rule is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dis_bench.datasets.combinations import resolve_combinations
from dis_bench.datasets.dsprites.dataset import DSprites
from dis_bench.datasets.grid import Factor, FactorGrid
from dis_bench.errors import InputError

GRID = FactorGrid(
    [
        Factor("shape", 3, ("square", "ellipse", "heart"), "categorical"),
        Factor("scale", 6, tuple(np.linspace(0.5, 1, 6)), "ordinal"),
        Factor("light", 1, ("on",), "categorical"),
        Factor("angle", 4, (0, 90, 180, 270), "circular"),
    ]
)
SHAPE, SCALE, ANGLE = 0, 1, 3
GRID_SCALE = [*GRID][SCALE]


def held(rule):
    found = resolve_combinations(rule, GRID)
    contained = found.contains(np.arange(len(GRID)))
    assert found.size == contained.sum()
    assert (resolve_combinations(found.text, GRID).contains(np.arange(len(GRID))) == contained).all()
    return {tuple(row) for row in GRID.factors(np.flatnonzero(contained)).tolist()}


EVERY = set(itertools.product(range(3), range(6), range(1), range(4)))


@pytest.mark.parametrize(
    ("rule", "fulfils", "text"),
    [
        ("shape=heart,scale<3", lambda c: c[SHAPE] == 2 and c[SCALE] < 3, "shape=heart,scale<3"),
        (" scale < 3 , shape = heart ", lambda c: c[SHAPE] == 2 and c[SCALE] < 3, "shape=heart,scale<3"),
        ("shape==2,scale<=2", lambda c: c[SHAPE] == 2 and c[SCALE] < 3, "shape=heart,scale<3"),
        ("shape!=square", lambda c: c[SHAPE] > 0, "shape=ellipse|heart"),
        ("shape in heart|square", lambda c: c[SHAPE] != 1, "shape=square|heart"),
        ("scale>3", lambda c: c[SCALE] > 3, "scale>=4"),
        ("scale>=5", lambda c: c[SCALE] == 5, "scale=5"),
        ("scale>=1,scale<4,scale!=2", lambda c: c[SCALE] in (1, 3), "scale=1|3"),
        ("scale=0|1|2", lambda c: c[SCALE] < 3, "scale<3"),
        ("angle<2", lambda c: c[ANGLE] < 2, "angle<2"),
        ("light=on,angle=3", lambda c: c[ANGLE] == 3, "angle=3"),
        (
            "scale=0,shape=heart or shape=square,scale=5",
            lambda c: (c[SHAPE], c[SCALE]) in ((2, 0), (0, 5)),
            "shape=heart,scale=0 or shape=square,scale=5",
        ),
        ("shape=heart or scale=0", lambda c: c[SHAPE] == 2 or c[SCALE] == 0, "scale=0 or shape=heart"),
        ("scale<2,scale>4 or shape=heart", lambda c: c[SHAPE] == 2, "shape=heart"),
        ("shape=heart or shape=square", lambda c: c[SHAPE] != 1, "shape=square|heart"),
        ("scale<2 or scale<3", lambda c: c[SCALE] < 3, "scale<3"),
        ("shape=heart,scale<2 or shape=heart", lambda c: c[SHAPE] == 2, "shape=heart"),
        ("shape=heart,scale<2 or scale>1,shape=heart", lambda c: c[SHAPE] == 2, "shape=heart"),
        (
            "shape=heart,angle=0 or shape=square,angle=0 or shape!=ellipse,angle=1",
            lambda c: c[SHAPE] != 1 and c[ANGLE] < 2,
            "shape=square|heart,angle<2",
        ),
        (
            "shape=heart,scale<3 or shape!=square,scale<2",
            lambda c: (c[SHAPE] == 2 and c[SCALE] < 3) or (c[SHAPE] and c[SCALE] < 2),
            "shape=ellipse|heart,scale<2 or shape=heart,scale<3",
        ),
        ("light=on,shape=heart or scale=0,shape=heart", lambda c: c[SHAPE] == 2, "shape=heart"),
    ],
)
def test_a_rule_holds_what_it_reads_as_in_one_spelling(rule, fulfils, text):
    assert held(rule) == {classes for classes in EVERY if fulfils(classes)}
    assert resolve_combinations(rule, GRID).text == text


CONDITIONS = st.tuples(
    st.sampled_from(["scale", "angle"]), st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
)


@settings(deadline=None)
@given(st.lists(st.tuples(CONDITIONS, st.integers(0, 3)), min_size=1, max_size=4))
def test_conditions_hold_together(conditions):
    python = {"=": "=="}
    rule = ",".join(f"{name}{sign}{value}" for (name, sign), value in conditions)
    code = " and ".join(f"{name}{python.get(sign, sign)}{value}" for (name, sign), value in conditions)
    wanted = {c for c in EVERY if eval(code, {"scale": c[SCALE], "angle": c[ANGLE]})}
    if wanted in (set(), EVERY):
        with pytest.raises(InputError, match=r"holds out (no|every) image"):
            resolve_combinations(rule, GRID)
    else:
        assert held(rule) == wanted


BOX = st.dictionaries(
    st.sampled_from(["shape", "scale", "angle"]), st.sets(st.integers(0, 2), min_size=1), min_size=1
)


@settings(deadline=None)
@given(st.lists(BOX, min_size=1, max_size=5), st.randoms())
def test_alternatives_in_any_order_and_in_parts_have_one_spelling(boxes, random):
    def write(boxes):
        return " or ".join(
            ",".join(f"{name}={'|'.join(map(str, sorted(classes)))}" for name, classes in box.items())
            for box in boxes
        )

    try:
        text = resolve_combinations(write(boxes), GRID).text
    except InputError:  # it holds out every image, as the test below has it
        return
    assert held(text) == held(write(boxes))
    assert resolve_combinations(text, GRID).text == text
    name = random.choice([*boxes[0]])
    parts = [boxes[0] | {name: {one}} for one in boxes[0][name]]  # the first, one class at a time
    others = [*boxes[1:], *parts, random.choice(boxes)]
    random.shuffle(others)
    assert held(write(others)) == held(text)
    if len(boxes) == 1:
        assert resolve_combinations(write(others), GRID).text == text


def test_values_that_a_rule_could_not_hold_are_written_as_classes():
    grid = FactorGrid((Factor("c", 3, ("red, dark", "blue", "green"), "categorical"),))
    found = resolve_combinations("c!=1", grid)
    assert found.text == "c=0|2"
    assert resolve_combinations(found.text, grid).text == found.text


def test_a_number_is_no_class_where_names_have_numbers():
    toys = Factor("instance", 5, tuple(f"toy {one}" for one in (4, 6, 7, 8, 9)), "categorical")
    grid = FactorGrid([toys, GRID_SCALE])
    assert resolve_combinations("instance=toy 4|toy 9", grid).text == "instance=toy 4|toy 9"
    for number in ("4", "0"):
        with pytest.raises(InputError) as refused:
            resolve_combinations(f"instance={number}", grid)
        assert str(refused.value) == (
            f"factor 'instance' has no value '{number}'; there are: toy 4, toy 6, toy 7, toy 8, toy 9."
        )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        *(
            (text, "a number between 0 and 1")
            for text in ("", "shape", "0.1", "shape=", "=heart", "scale<3,")
        ),
        ("shape=heart or ", "has no value 'heart or'"),
        ("form=heart", "unknown factor to hold out 'form'"),
        ("shap=heart", "did you mean 'shape'"),
        ("shape=star", "has no value 'star'; there are: square, ellipse, heart, or the classes 0 to 2"),
        ("shape=heart=2", "has no value 'heart=2'"),
        ("shape=3", "has no value '3'"),
        ("scale<0.7", "has no value '0.7'; there are: the classes 0 to 5"),
        ("scale<-1", "has no value '-1'"),
        ("scale<nan", "has no value 'nan'"),
        (f"scale<{'9' * 5000}", "has no value"),
        ("shape<heart", "is categorical, so its values have no order"),
        ("scale<2|3", "'<' compares factor 'scale' with one value"),
        ("scale>=6", "has no value '6'"),
        ("scale<2,scale>3", "holds out no image"),
        ("scale<0", "holds out no image"),
        ("scale>=0", "holds out every image"),
        ("scale<3 or scale>=3", "holds out every image"),
        ("light=on", "holds out every image"),
        ("light=on or light=on", "holds out every image"),
        ("shape=heart or light=on", "holds out every image"),
    ],
)
def test_what_is_no_rule_is_refused_in_a_sentence(wrong, words):
    with pytest.raises(InputError) as refused:
        resolve_combinations(wrong, GRID)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_large_dataset_has_a_table_of_the_rule_s_factors_alone():
    found = resolve_combinations("shape=heart,scale<3", DSprites.grid)
    assert found.contained.shape == (3, 6)
    assert found.size == 737_280 // 6
    large = FactorGrid([Factor(f"f{place}", 200, (0,) * 200, "ordinal") for place in range(3)])
    with pytest.raises(InputError, match="more than 4,194,304; name fewer factors"):
        resolve_combinations("f0<9,f1<9,f2<9", large)

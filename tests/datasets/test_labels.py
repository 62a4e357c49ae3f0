"""Labels: classes image by image, in any proportion, of numbers or texts."""

import numpy as np
import pandas as pd
import pytest
import torch

from dis_bench.datasets.dataset import Dataset
from dis_bench.datasets.grid import Factor
from dis_bench.datasets.labels import Labels, make_labels, name_classes
from dis_bench.errors import InputError

KINDS = [Factor("kind", 3, ("a", "b", "c"), "categorical"), Factor("lit", 2, (0, 1), "ordinal")]
CLASSES = np.array([[0, 1], [2, 1], [2, 0], [1, 1]])


class Own(Dataset):
    """Four grey images."""

    name, count, image_shape, fingerprint = "own", 4, (1, 2, 2), "1"

    def draw(self, indices):
        return indices.to(torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2)


def test_a_dataset_may_have_neither_a_grid_nor_labels():
    own = Own()
    assert len(own) == 4
    assert own.known_factors is None
    assert own.images([3, 0])[:, 0, 0, 0].tolist() == [3, 0]
    assert repr(own) == "Own(source='rendered', 4 images without factors)"
    for call in (own.factors, own.indices):
        with pytest.raises(InputError, match="dataset 'own' has no"):
            call([[0]])
    with pytest.raises(InputError, match="indices must be from 0 to 3"):
        own.images([4])


def test_labels_are_looked_up_in_either_library():
    labels = Labels(KINDS, CLASSES)
    assert labels.factors([3, 1]).tolist() == [[1, 1], [2, 1]]
    found = labels.factors(torch.tensor([3, 1]))
    assert found.dtype == torch.int64
    assert found.tolist() == [[1, 1], [2, 1]]
    assert labels.factors(torch.tensor([], dtype=torch.int64)).shape == (0, 2)
    assert labels.take(np.array([2])).factors([0]).tolist() == [[2, 0]]
    with pytest.raises(InputError, match="indices must be from 0 to 3, but 4 to 4"):
        labels.factors([4])


def test_the_fingerprint_is_that_of_names_values_and_classes():
    first = Labels(KINDS, CLASSES)
    assert first.fingerprint == Labels(KINDS, CLASSES.astype(np.uint8)).fingerprint
    others = [
        Labels(KINDS, CLASSES[::-1]),
        Labels([KINDS[0], Factor("dark", 2, (0, 1), "ordinal")], CLASSES),
        Labels([Factor("kind", 3, ("a", "b", "d"), "categorical"), KINDS[1]], CLASSES),
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 4


@pytest.mark.parametrize(
    ("factors", "classes", "sentence"),
    [
        ([], np.zeros((4, 0), int), "labels need factors with different names"),
        ([KINDS[0], KINDS[0]], CLASSES, "labels need factors with different names"),
        (KINDS, CLASSES[:, :1], "must be whole numbers [N, 2] (kind, lit), but an array of int64 [4, 1]"),
        (KINDS, CLASSES * 1.0, "but an array of float64 [4, 2] was given"),
        (KINDS, CLASSES + np.array([0, 1]), "label 'lit' must be from 0 to 1, but image 0 has 2"),
        (KINDS, CLASSES - 1, "label 'kind' must be from 0 to 2, but image 0 has -1"),
    ],
)
def test_labels_that_fit_nothing_are_refused(factors, classes, sentence):
    with pytest.raises(InputError) as error:
        Labels(factors, classes)
    assert sentence in str(error.value)


def test_texts_become_classes_and_numbers_keep_their_order():
    factor, classes = name_classes("size", ["10", "9", "10", "9.0"])
    assert (factor.kind, factor.values, classes.tolist()) == ("ordinal", (9, 10), [1, 0, 1, 0])
    factor, classes = name_classes("size", ["10", "nan", "9"])
    assert (factor.kind, factor.values) == ("categorical", ("10", "9", "nan"))
    factor, classes = name_classes("name", ["b", "a", "b"])
    assert (factor.kind, factor.values, classes.tolist()) == ("categorical", ("a", "b"), [1, 0, 1])


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1_1", "11"], ("11", "1_1")),
        (["٣", "3"], ("3", "٣")),
        (["inf", "3"], ("3", "inf")),
        (["1e999", "3"], ("1e999", "3")),
        (["1e-99999999999999999999", "0"], ("0", "1e-99999999999999999999")),
        (["0.1", "0.1000000000000000000001"], ("0.1", "0.1000000000000000000001")),
    ],
)
def test_different_labels_stay_different(texts, values):
    factor, classes = name_classes("size", texts)
    assert (factor.kind, factor.values) == ("categorical", values)
    assert len({*classes.tolist()}) == 2


def test_whole_numbers_among_texts_are_texts():
    table = make_labels([["a", 1.0], ["b", True], ["c", 2]], 3)
    assert [factor.values for factor in table] == [("a", "b", "c"), (1, 2)]
    assert make_labels(torch.tensor([1.0, 2.0], dtype=torch.bfloat16), 2).sizes == (2,)


def test_numbers_are_read_exactly():
    large = ["9007199254740993", "9007199254740992", "-9007199254740993", "1e2", ".5", "+7.", " 7 ", "-0"]
    factor, classes = name_classes("size", large)
    assert factor.kind == "ordinal"
    assert factor.values == (-9007199254740993, 0, 0.5, 7, 100, 9007199254740992, 9007199254740993)
    assert classes.tolist() == [6, 5, 0, 4, 2, 3, 3, 1]
    assert make_labels(np.array([2**53, 2**53 + 1]), 2).sizes == (2,)
    with pytest.raises(InputError, match="must be whole numbers or texts, but an array of float64"):
        make_labels(np.array([1e19, 2e19]), 2)


@pytest.mark.parametrize(
    "given",
    [
        [3, 7, 3],
        np.array([3, 7, 3]),
        torch.tensor([3, 7, 3]),
        np.array([3.0, 7.0, 3.0]),
        pd.Series([3, 7, 3]),
    ],
)
def test_labels_are_made_of_any_array(given):
    labels = make_labels(given, 3)
    assert labels.names == ("label",)
    assert [factor.values for factor in labels] == [(3, 7)]
    assert labels.factors([0, 1, 2])[:, 0].tolist() == [0, 1, 0]


def test_labels_of_several_columns_have_names():
    labels = make_labels([["cat", "1"], ["dog", "0"]], 2, ["animal", "lit"])
    assert [(factor.name, factor.values) for factor in labels] == [
        ("animal", ("cat", "dog")),
        ("lit", (0, 1)),
    ]
    assert make_labels([[1, 2], [3, 4]], 2).names == ("label_0", "label_1")
    assert make_labels(pd.Series(["x", "y"]), 2).sizes == (2,)


@pytest.mark.parametrize(
    ("given", "names", "sentence"),
    [
        ([0, 1], None, "must be [N] or [N, F] with N = 3 images, but an array [2, 1]"),
        ([0.5, 1, 2], None, "must be whole numbers or texts, but an array of float64"),
        ([float("nan"), 1, 2], None, "must be whole numbers or texts, but an array of float64"),
        ([[0], [1, 2], [3]], None, "must be a table of whole numbers"),
        ([0, 1, 2], ["a", "b"], "names of labels must be 1 texts, but ['a', 'b']"),
        ([0, 1, 2], "a", "names of labels must be 1 texts, but 'a'"),
        ([0, 1, 2], ["a\u00a0b"], "the name of a factor must be one line of text, of at most 1,000"),
        ([None, 1, 2], None, "must be whole numbers or texts, but an array of object"),
        (["a", float("nan"), "b"], None, "an array of objects such as nan was given"),
        ([["a", 1.5], ["b", 1], ["c", 2]], None, "an array of objects such as 1.5 was given"),
        (pd.Series(["a", None, "a"]), None, "whole numbers or texts, but an array of objects such as n"),
        (np.ma.array([1, 2, 3], mask=[0, 1, 0]), None, "some of a masked array are masked"),
    ],
)
def test_what_is_no_label_is_refused(given, names, sentence):
    with pytest.raises(InputError) as error:
        make_labels(given, 3, names)
    assert sentence in str(error.value)

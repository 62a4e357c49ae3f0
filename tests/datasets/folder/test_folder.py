"""``folder:PATH``: identity, cache and labels of anybody's images."""

import json
import os
import pickle
import shutil
import threading
import unicodedata

import numpy as np
import pytest
import torch
from PIL import Image

from dis_bench.cli.main import main
from dis_bench.datasets import conversion as module
from dis_bench.datasets import load_dataset, photos, stored
from dis_bench.errors import InputError
from dis_bench.runners.planning.datasets import describe_parameters
from dis_bench.runners.study import Study


def load(folder, **parameters):
    return load_dataset(f"folder:{folder}", **parameters)


def levels(dataset):
    return dataset.images(np.arange(len(dataset))).float().mean((1, 2, 3)).round().int().tolist()


def test_images_are_in_the_order_of_their_names(photos):
    dataset = load(photos)
    assert (len(dataset), dataset.image_shape, dataset.source) == (5, (3, 64, 64), "files")
    assert levels(dataset) == [0, 50, 100, 150, 200]
    assert dataset.known_factors is None
    assert dataset.own_caveat == (
        "5 images of the folder 'photos': the largest square in the middle, resized to 64x64."
    )


def test_nothing_is_written_beside_the_images(photos, cache):
    before = sorted(photos.parent.iterdir())
    load(photos).images([0])
    assert sorted(photos.iterdir())[0].name == "0.png"
    assert len(list(photos.iterdir())) == 5
    assert {*photos.parent.iterdir()} - {*before} == {cache.parent.parent}
    assert {path.suffix for path in cache.iterdir()} == {".json", ".pixels", ".verified"}


def test_the_identity_is_that_of_the_content_and_not_of_the_path(photos, tmp_path):
    first = load(photos)
    moved = shutil.copytree(photos, tmp_path / "elsewhere" / "other name")
    second = load(moved)
    assert (first.name, first.fingerprint) == (second.name, second.fingerprint)
    assert first.name == f"folder-{first.fingerprint.removeprefix('sha256:')[:8]}"
    assert str(tmp_path) not in json.dumps(Study(datasets=[first], metrics=[]).plan().cells[0].identity)


def test_the_identity_changes_with_content_order_size_crop_colours_and_pillow(photos, monkeypatch):
    found = [load(photos), load(photos, image_size=32), load(photos, crop=30), load(photos, color="grey")]
    with monkeypatch.context() as patch:  # undo() would also give the tests the user's own cache
        patch.setattr(module, "pillow_version", lambda: "0.1")
        found.append(load(photos))
    os.rename(photos / "0.png", photos / "9.png")
    found.append(load(photos))
    Image.new("RGB", (40, 60), "red").save(photos / "9.png")
    found.append(load(photos))
    assert len({dataset.fingerprint for dataset in found}) == len(found)


def test_the_second_use_decodes_nothing(photos, monkeypatch):
    first = load(photos)
    monkeypatch.setattr(stored, "read_square", None)
    assert torch.equal(load(photos).images([0, 4]), first.images([0, 4]))
    os.utime(photos / "0.png", ns=(1, 1))
    with pytest.raises(InputError, match="TypeError"):  # it would be decoded again
        load(photos)


def test_files_exchanged_with_their_sizes_and_times_are_noticed(photos):
    first, last = photos / "0.png", photos / "4.PNG"
    for path, level in ((first, 100), (last, 101)):
        Image.new("L", (40, 60), level).save(path)
        os.utime(path, ns=(10**18, 10**18))
    assert first.stat().st_size == last.stat().st_size
    before = load(photos)
    first.rename(photos / "x")
    last.rename(first)
    (photos / "x").rename(last)
    exchanged = load(photos)
    first.write_bytes(last.read_bytes())
    os.utime(first, ns=(10**18, 10**18))
    replaced = load(photos)
    shown = [levels(dataset)[:: len(dataset) - 1] for dataset in (before, exchanged, replaced)]
    assert shown == [[100, 101], [101, 100], [100, 100]]
    assert len({dataset.fingerprint for dataset in (before, exchanged, replaced)}) == 3


def test_a_damaged_or_emptied_cache_is_made_again(photos, cache):
    load(photos)
    [note] = cache.glob("*.json")
    for content in (b"", b"[]", b'{"state": 1}', note.read_bytes()[:-9]):
        note.write_bytes(content)
        assert len(load(photos)) == 5
    [pixels] = cache.glob("*.pixels")
    pixels.write_bytes(pixels.read_bytes()[:-1])
    assert levels(load(photos)) == [0, 50, 100, 150, 200]
    content = pixels.read_bytes()
    pixels.write_bytes(content[:-9] + bytes(9))  # the same size
    assert levels(load(photos)) == [0, 50, 100, 150, 200]
    assert pixels.read_bytes() == content
    for path in cache.glob("*.verified"):
        path.unlink()
    assert levels(load(photos)) == [0, 50, 100, 150, 200]


def test_images_that_are_in_use_stay_when_the_folder_changes(photos):
    before = load(photos)
    shown = before.images([0])
    Image.new("RGB", (40, 60), "red").save(photos / "0.png")
    after = load(photos)
    assert torch.equal(before.images([0]), shown)
    assert not torch.equal(after.images([0]), shown)
    assert torch.equal(pickle.loads(pickle.dumps(before)).images([0]), shown)  # noqa: S301 (our own bytes)


def test_of_two_processes_one_waits_and_decodes_nothing(photos, monkeypatch, capfd):
    decoded, started, go_on = [], threading.Event(), threading.Event()
    decode = photos_read = stored.read_square

    def slowly(content, square):
        decoded.append(len(content))
        started.set()
        assert go_on.wait(20)
        return photos_read(content, square)

    monkeypatch.setattr(stored, "read_square", slowly)
    found = []
    threads = [threading.Thread(target=lambda: found.append(load(photos))) for _ in range(2)]
    threads[0].start()
    assert started.wait(20)
    threads[1].start()
    threads[1].join(0.5)
    assert threads[1].is_alive()  # at the lock, which two processes share as two threads do
    go_on.set()
    for thread in threads:
        thread.join()
    assert decode is photos_read
    assert len(decoded) == 5
    assert [len(dataset) for dataset in found] == [5, 5]
    assert found[0].fingerprint == found[1].fingerprint


def test_a_folder_that_changes_while_it_is_read_is_refused(photos, monkeypatch, cache):
    write = module.write_squares

    def change(*given, **options):
        made = write(*given, **options)
        (photos / "3.jpeg").unlink()
        return made

    monkeypatch.setattr(module, "write_squares", change)
    with pytest.raises(InputError, match="photos' changed while it was read: give the command again"):
        load(photos)
    assert list(cache.iterdir()) == []
    monkeypatch.undo()


def test_large_sets_are_read_batch_by_batch(photos, monkeypatch):
    expected = load(photos).images([4, 0, 4])
    monkeypatch.setattr(stored, "RESIDENT", 0)
    dataset = load(photos)
    assert torch.equal(dataset.images([4, 0, 4]), expected)
    assert dataset.tables == {}
    assert dataset.share_memory() is dataset


def test_a_cache_that_cannot_be_written_is_named(photos, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "file" / name)
    with pytest.raises(InputError, match=r"the cache '.*' cannot be created"):
        load(photos)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "other")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(InputError, match="is not writable: set XDG_CACHE_HOME"):
        load(photos)


def test_a_full_disk_is_refused_before_reading(photos, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1_000}))
    with pytest.raises(InputError, match=r"needs 0 MB in '.*', which has 0 MB free: make room"):
        load(photos)


def test_it_has_a_name_if_the_user_gives_one(photos, tmp_path):
    dataset = load(photos, title="five-greys")
    assert dataset.name == "five-greys"
    assert describe_parameters(dataset) == "title=five-greys"
    for name in ("a/b", "dsprites", "-x", "x" * 61):
        with pytest.raises(InputError, match="the title of a folder must be"):
            load(photos, title=name)


def test_two_folders_are_two_datasets_and_the_same_one_twice_is_one(photos, tmp_path):
    other = shutil.copytree(photos, tmp_path / "other")
    names = [f"folder:{photos}", f"folder:{other}", f"folder:{photos}"]
    assert len(Study(datasets=names, metrics=[], seeds=1).plan().datasets) == 1
    (other / "0.png").unlink()
    study = Study(datasets=names, metrics=[], seeds=1)
    assert len(study.plan().datasets) == 2
    with pytest.raises(InputError, match=rf"called 'mine' \('{photos}' and '{other}'\): rename"):
        Study(datasets=names, metrics=[], settings={"folder.title": "mine"}).plan()


def test_the_size_is_an_option_of_a_study(photos):
    study = Study(datasets=[f"folder:{photos}"], metrics=[], seeds=1, network="mlp", image_size=64)
    assert "dataset_parameters" not in study.plan().cells[0].identity
    study = Study(datasets=[f"folder:{photos}"], metrics=[], seeds=1, network="mlp", image_size=32)
    plan = study.plan()
    assert plan.cells[0].identity["dataset_parameters"] == "image_size=32"
    assert [dataset.image_shape for dataset in plan.datasets.values()] == [(3, 32, 32)]


def write_labels(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))


TABLE = (
    "file,shade,animal\n0.png,0,cat\n1.jpg,1,dog\n2.webp,2,cat\n3.jpeg,10,cat\n4.PNG,2,cat\nelse.png,7,cow\n"
)


def test_a_table_gives_factors(photos):
    without = load(photos).fingerprint
    write_labels(photos / "labels.csv", TABLE, "utf-8-sig")
    dataset = load(photos)
    assert [(f.name, f.values, f.kind) for f in dataset.labels] == [
        ("shade", (0, 1, 2, 10), "ordinal"),
        ("animal", ("cat", "dog"), "categorical"),
    ]
    assert dataset.factors(np.arange(5)).tolist() == [[0, 0], [1, 1], [2, 0], [3, 0], [2, 0]]
    write_labels(photos / "labels.csv", TABLE.replace("dog", "owl"))
    changed = load(photos)
    assert (
        len({without, dataset.fingerprint, changed.fingerprint, load(photos, labels="none").fingerprint}) == 3
    )
    assert load(photos, labels="none").fingerprint == without


def test_white_space_around_names_of_factors_and_values_is_nothing(photos):
    write_labels(
        photos / "labels.csv", TABLE.replace("animal", "\u00a0animal\t").replace("dog", "\u00a0dog ")
    )
    assert [(factor.name, factor.values) for factor in load(photos).labels][1] == ("animal", ("cat", "dog"))


def test_a_word_for_no_value_is_a_value_among_words(photos):
    write_labels(photos / "labels.csv", TABLE.replace("1,dog", "1,none"))
    assert load(photos).labels.names == ("shade", "animal")
    assert [*load(photos).labels][1].values == ("cat", "none")


@pytest.mark.parametrize("prefix", ["", "photos/"])
def test_a_table_may_be_beside_the_folder(photos, prefix):
    lines = [line if number == 0 else prefix + line for number, line in enumerate(TABLE.splitlines())]
    write_labels(photos.parent / "labels.csv", "\n".join(lines))
    assert load(photos).labels.names == ("shade", "animal")


@pytest.mark.parametrize("name", [" 0.png", "a\\0.png", "\u00a00.png"])
def test_names_in_a_table_are_taken_as_they_are_written_first(photos, name):
    shutil.copy(photos / "0.png", photos / name)
    write_labels(photos / "labels.csv", TABLE + f"{name},20,cow\n")
    row = sorted(path.name for path in photos.glob("*[!v]")).index(name)
    assert load(photos).factors([row]).tolist() == [[4, 1]]
    (photos / name).unlink()
    if name == "a\\0.png":
        (photos / "a").mkdir()
        shutil.copy(photos / "0.png", photos / "a" / "0.png")
        assert load(photos).factors([5]).tolist() == [[4, 1]]
    else:
        with pytest.raises(InputError, match=r"line 8, has a second row for '0\.png'"):
            load(photos)


def test_names_of_folders_that_are_one_number_stay_apart(photos):
    for name, path in zip(("1", "01", "1.0", "2", "2"), sorted(photos.iterdir()), strict=True):
        (photos / name).mkdir(exist_ok=True)
        path.rename(photos / name / path.name)
    [factor] = load(photos, labels="folders").labels
    assert (factor.values, factor.kind) == (("01", "1", "1.0", "2"), "categorical")
    (photos / "01").rename(photos / "10")
    (photos / "1.0").rename(photos / "3")
    [factor] = load(photos, labels="folders").labels
    assert (factor.values, factor.kind) == ((1, 2, 3, 10), "ordinal")


def test_names_of_folders_may_be_labels(photos):
    with pytest.raises(InputError, match=r"but '0\.png' is in no folder below"):
        load(photos, labels="folders")
    for number, path in enumerate(sorted(photos.iterdir())):
        below = photos / ("light" if number > 2 else "dark") / "more"
        below.mkdir(parents=True, exist_ok=True)
        path.rename(below / path.name)
    dataset = load(photos, labels="folders")
    assert [factor.values for factor in dataset.labels] == [("dark", "light")]
    assert dataset.factors(np.arange(5))[:, 0].tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must have a header with a column of file names and a name for each factor"),
        ("file\n0.png\n", "but begins with 'file'"),
        ("file;shade\n0.png;1\n", "separated by commas, but begins with 'file;shade'"),
        ("file,,b\n0.png,1,2\n", "and a name for each factor"),
        (TABLE.replace("1.jpg,1,dog\n", ""), "has no row for '1.jpg': give each image a row"),
        ("file,a\n0.png,1\n", "has no row for '1.jpg', nor for 3 more of 5 images"),
        (TABLE + "0.png,3,cat\n", "line 8, has a second row for '0.png'"),
        (TABLE.replace("dog", " "), "line 3, has no value of 'animal'"),
        *(
            (TABLE.replace("3.jpeg,10", f"3.jpeg,{word}"), "line 5, has no value of 'shade'")
            for word in ("nan", "NA", "None", "?")
        ),
        (TABLE.replace(",dog", ""), "line 3, has 2 values, but its header names 3 columns"),
        (TABLE.replace("shade", "animal"), "labels.csv': labels need factors with different names"),
        ('file,a\n0.png,"1\n', "is not a CSV file: unexpected end of data"),
        *(
            (TABLE.replace("animal", f'"{name}"'), "column 3: the name of a factor must be one line of text")
            for name in ("a\u00a0b", "a\tb", "a\nb", "\u202eab", "\x1b[31ma", "a" * 1_001)
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused(photos, text, sentence):
    write_labels(photos / "labels.csv", text)
    with pytest.raises(InputError) as error:
        load(photos)
    assert sentence in str(error.value)


def test_labels_are_refused_before_an_image_is_decoded(photos, monkeypatch):
    monkeypatch.setattr(stored, "read_square", None)
    write_labels(photos / "labels.csv", "file,a\n0.png,1\n")
    with pytest.raises(InputError, match="has no row for"):
        load(photos)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_may_be_written_in_either_way(photos, forms):
    in_folder, in_table = (unicodedata.normalize(form, "caf\u00e9.png") for form in forms)
    (photos / "0.png").rename(photos / in_folder)
    write_labels(photos / "labels.csv", TABLE.replace("0.png", in_table))
    assert len(load(photos).labels) == 5


def test_images_that_are_left_out_need_no_labels(photos):
    write_labels(photos / "labels.csv", TABLE)
    (photos / "bad.jpg").write_bytes(b"x")
    assert len(load(photos, skip_unreadable=True).labels) == 5


def test_a_table_in_another_encoding_is_refused(photos):
    write_labels(photos / "labels.csv", TABLE.replace("cat", "Kätzchen"), "latin-1")
    with pytest.raises(InputError, match="is not in UTF-8"):
        load(photos)


def test_a_path_is_needed_and_expanded(photos, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(photos.parent))
    assert len(load("~/photos")) == 5
    monkeypatch.chdir(photos.parent)
    assert len(load("photos")) == 5
    assert len(load("photos/../photos/")) == 5
    for name, sentence in (
        ("folder", "dataset 'folder' needs a path: give folder:PATH."),
        ("folder:", "the path of a folder of images must be a path, but an empty string was given."),
        ("folder:nowhere", "there is no folder 'nowhere'."),
        ("folder:photos/0.png", "'photos/0.png' is a file: give the folder that holds the images."),
        ("folders:photos", "dataset 'folders:photos' cannot be imported"),
    ):
        assert main(["run", "--dry-run", "--datasets", name]) == 2
        assert sentence in capsys.readouterr().err


def test_show_draws_a_sample_or_an_image_of_each_class(photos, monkeypatch, capsys):
    monkeypatch.chdir(photos.parent)
    assert main(["data", "show", "folder:photos", "--out", "sample.png"]) == 0
    write_labels(photos / "labels.csv", TABLE.replace("animal", "$^$").replace("cat", "_{$"))
    assert main(["data", "show", "folder:photos", "--out", "classes.png"]) == 0
    assert "classes.png: folder-" in capsys.readouterr().out
    with Image.open("sample.png") as sample, Image.open("classes.png") as classes:
        assert sample.size != classes.size


def test_check_passes(photos, capsys):
    write_labels(photos / "labels.csv", TABLE)
    assert main(["check", "dataset", f"folder:{photos}"]) == 0
    out = capsys.readouterr().out
    assert "0 failed" in out
    assert "5 images have 2 labels: Labels(shade 4, animal 2)" in out


def test_the_memory_of_a_conversion_is_bounded(monkeypatch):
    monkeypatch.setattr(stored, "BLOCK_BYTES", 100)
    sizes = [60, 60, 300, 10, 10, 10]
    blocks = list(stored.group([(str(number), bytes(size)) for number, size in enumerate(sizes)]))
    assert [[len(content) for _, content in block] for block in blocks] == [[60, 60], [300], [10, 10, 10]]
    assert [len(block) for block in stored.group([("x", b"")] * 600)] == [256, 256, 88]


def test_the_rule_has_a_version():
    assert photos_rule() == "upright, middle square, Lanczos; 1"


def photos_rule():
    return photos.RULE

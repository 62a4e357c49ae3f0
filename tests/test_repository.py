"""What a repository is expected to have is there, is valid, and agrees with the code."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dis_bench.version import __version__

ROOT = Path(__file__).parent.parent
FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"
KINDS = {"bug", "dataset", "metric", "model"}
NEEDED = {  # keys of an element's attributes, by its type
    "markdown": {"value"},
    "textarea": {"label"},
    "input": {"label"},
    "dropdown": {"label", "options"},
    "checkboxes": {"label", "options"},
}
ALLOWED = {"description", "placeholder", "value", "render", "multiple", "default"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def find_faults(form: Any) -> list[str]:
    """List what is wrong with an issue form, by GitHub's rules."""
    faults = [f"no {key}" for key in ("name", "description", "body") if not form.get(key)]
    faults += [f"unknown key {key}" for key in set(form) - {"name", "description", "body", "labels", "title"}]
    elements = form.get("body") or []
    names = [element["id"] for element in elements if "id" in element]
    labels = [element["attributes"].get("label") for element in elements]
    faults += ["two elements of one id"] if len(set(names)) < len(names) else []
    faults += ["two elements of one label"] if len(set(labels)) < len(labels) else []
    for element in elements:
        given, kind = element["attributes"], element["type"]
        if kind not in NEEDED:
            faults.append(f"unknown type {kind}")
            continue
        faults += [f"{kind} has no {key}" for key in NEEDED[kind] if not given.get(key)]
        faults += [f"{kind} has a {key}" for key in set(given) - NEEDED[kind] - ALLOWED]
        if "id" in element and not re.fullmatch(r"[\w-]+", element["id"]):
            faults.append(f"id {element['id']}")
        faults += [
            f"an option {one!r} is no text" for one in given.get("options", []) if not isinstance(one, str)
        ]
    if all(element["type"] == "markdown" for element in elements):
        faults.append("nothing to fill in")
    return faults


def test_there_is_a_form_for_each_kind_of_issue():
    assert {path.stem for path in FORMS.glob("*.yml")} == {*KINDS, "config"}
    assert set(read(FORMS / "config.yml")) <= {"blank_issues_enabled", "contact_links"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_forms_are_valid(kind):
    assert find_faults(read(FORMS / f"{kind}.yml")) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": ""}, "no name"),
        ({"about": "old"}, "unknown key about"),
        ({"body": [{"type": "text", "attributes": {"label": "a"}}]}, "unknown type text"),
        ({"body": [{"type": "input", "attributes": {"description": "a"}}]}, "input has no label"),
        ({"body": [{"type": "markdown", "attributes": {"value": "a"}}]}, "nothing to fill in"),
        ({"body": [{"type": "input", "id": "a b", "attributes": {"label": "a"}}]}, "id a b"),
        ({"body": [{"type": "dropdown", "attributes": {"label": "a", "options": [True]}}]}, "is no text"),
    ],
)
def test_faults_of_a_form_are_found(change, fault):
    assert fault in " ".join(find_faults({**read(FORMS / "bug.yml"), **change}))


def test_the_citation_is_of_this_version():
    citation, setup = read(ROOT / "CITATION.cff"), configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert set(citation) >= {"cff-version", "message", "title", "authors"}  # the keys that 1.2.0 requires
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert str(citation["version"]) == __version__
    assert citation["license"] == setup["metadata"]["license"]
    assert citation["authors"] == [{"name": "The dis-bench developers"}]


def test_the_changelog_has_the_shape_that_tools_read():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.+)$", text, flags=re.M)
    assert heads[0] == "[Unreleased]"
    dated = r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d"
    assert all(re.fullmatch(dated, head) for head in heads[1:])
    groups = re.findall(r"^### (.+)$", text, flags=re.M)
    assert groups
    assert {*groups} <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert len(groups) == len(set(groups)) or len(heads) > 1

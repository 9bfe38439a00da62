"""Properties of what is written about the kit: it agrees with the kit."""

from __future__ import annotations

import re

import pytest
from shared import ROOT

from labkit.base import KIT_VERSION
from labkit.options import CTC, parse

FOLDERS = ("docs", "corpora", "pretrained")
LICENCES = ("LICENSE", *(f"{folder}/LICENSE.md" for folder in FOLDERS))


def read(name: str) -> str:
    """Read a file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere() -> None:
    released = re.findall(r"^## \[(\d.*?)\]", read("CHANGELOG.md"), re.MULTILINE)
    cited = re.search(r"^version: (\S+)$", read("CITATION.cff"), re.MULTILINE)
    assert cited is not None
    assert {released[0], cited[1]} == {KIT_VERSION}


@pytest.mark.parametrize("name", LICENCES)
def test_a_licence_stands_beside_what_it_is_for(name: str) -> None:
    assert len(read(name).split()) > 20


def test_the_demo_is_what_readme_says() -> None:
    makefile, readme = read("Makefile"), read("README.md")
    (options,) = re.findall(r"^DEMO_TRAIN = (.*)$", makefile, re.MULTILINE)
    assert parse(CTC, None, ["train", *options.split()]).command == "train"
    assert readme.count(f"main_ctc.py train {options}") == 3  # once to paste
    assert f"main_ctc.py train {options}`" in read("docs/maintainers.md")
    (clip,) = re.findall(r"^DEMO_CLIP := (\S+)$", makefile, re.MULTILINE)
    assert f"\t{clip}\t" in read("corpora/mini/fr/test.tsv")  # training never saw it


def test_make_help_lists_every_target() -> None:
    makefile = read("Makefile")
    listed = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert listed == set(phony.split())

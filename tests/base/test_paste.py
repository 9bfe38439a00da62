"""Commands to paste name each path as one word, and files of any name are written."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pytest

from labkit.base.errors import LabError
from labkit.base.files import write_atomically
from labkit.corpus.check import locate
from labkit.options import CTC, SEQ2SEQ
from labkit.training.checkpoint import take_encoder
from labkit.training.state import adopt_options, read_state


def pasted(error: LabError) -> list[str]:
    return shlex.split(error.remedy)


def test_the_remedies_are_quoted(tmp_path: Path) -> None:
    folder = tmp_path / "my logs"
    folder.mkdir()
    best = folder / "best_model.pt"
    best.touch()
    with pytest.raises(LabError) as caught:
        read_state(folder)
    assert str(best) in pasted(caught.value)
    args = argparse.Namespace(part=SEQ2SEQ, command="test")
    with pytest.raises(LabError) as caught:
        adopt_options(args, {"options": {"part": CTC.name}}, folder)
    assert str(folder) in pasted(caught.value)
    with pytest.raises(LabError) as caught:
        take_encoder({"part": CTC.name, "weights": {}}, args, best)
    assert str(best) in pasted(caught.value)
    archive = folder / "cv corpus.tar.gz"
    archive.touch()
    for place in (folder, archive):
        with pytest.raises(LabError) as caught:
            locate(place, None)
        assert str(archive) in pasted(caught.value)


def test_a_file_of_the_longest_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, lambda new: new.write_text("all"))
    assert [*tmp_path.iterdir()] == [path]

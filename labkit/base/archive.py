"""Zip files that depend on their content only."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from labkit.base.files import atomic

_PROGRAM, _REGULAR_FILE = 0o100755, 0o100644  # Unix modes
_UNIX = 3  # code of the system of the modes in the archive


def write_zip(path: Path, files: Mapping[str, bytes], programs: bool = False) -> None:
    """Write files, content by path; the same files give the same bytes.

    With ``programs``, files that begin with ``#!`` are marked as such.
    """
    with atomic(path) as new, zipfile.ZipFile(new, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)  # always dated 1980
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX
            is_program = programs and content.startswith(b"#!")
            entry.external_attr = (_PROGRAM if is_program else _REGULAR_FILE) << 16
            archive.writestr(entry, content)

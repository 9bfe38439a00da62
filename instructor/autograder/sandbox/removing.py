"""Removing folders that student code has made, however deep."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it, as far as the system allows.

    ``shutil.rmtree`` calls itself for each level, and hostile code makes thousands.
    Here, folders inside others are first moved beside ``folder``.
    """
    waiting, count = [os.fspath(folder)], 0
    while waiting:
        here = waiting.pop()
        with suppress(OSError):
            os.chmod(here, 0o700)
        with suppress(OSError):
            for entry in list(os.scandir(here)):
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        count += 1
                        beside = f"{os.fspath(folder)}.{count}"
                        os.rename(entry.path, beside)
                        waiting.append(beside)
                    else:
                        os.unlink(entry.path)
        with suppress(OSError):
            os.rmdir(here)

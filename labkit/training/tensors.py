"""Files of tensors and plain types: written whole, read only if they are undamaged."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labkit.base import LabError, atomic

_ARCHIVE = b"PK"  # its first bytes


def save_tensors(
    path: Path, content: Mapping[str, Any], previous: Path | None = None
) -> None:
    """Write tensors and plain types, or raise OSError and harm nothing.

    What was there is kept as ``previous``, if that is named.
    """
    buffer = io.BytesIO()  # unlike torch.save, Python reports a full disk
    torch.save(content, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
        if previous and path.exists():
            os.replace(path, previous)


def load_tensors(path: Path, remedy: str) -> Any:  # noqa: ANN401
    """Read what ``save_tensors``, or torch elsewhere, has written.

    Raises:
        LabError: There is something else in the file, or a bit of it has changed.
        OSError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            # All but torch's oldest format are archives, whose checksums it ignores.
            archive = zipfile.ZipFile(file) if file.read(2) == _ARCHIVE else None
            broken = archive.testzip() if archive else None
        if broken:
            raise ValueError(f"the checksum of {broken} is wrong")
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise  # another problem, such as missing permission
    except Exception as error:  # any other file may raise anything
        raise LabError(f"{path}: not a checkpoint, or a damaged one", remedy) from error


def are_weights(content: object) -> bool:
    """Whether these are tensors by name, as a network takes them."""
    return isinstance(content, dict) and all(
        isinstance(name, str)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and not (value.is_complex() or value.is_meta or value.is_quantized)
        for name, value in content.items()
    )

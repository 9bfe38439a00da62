"""Values that pass between two processes: JSON and ``.npz``, without pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

_TENSOR = "__tensor__"  # the key that stands for a tensor's place in the .npz
_TUPLE = "__tuple__"


def write_values(path: Path, values: Any) -> None:  # noqa: ANN401
    """Write text, numbers, lists, tuples, dictionaries and tensors.

    Args:
        path: A path without suffix; ``.json`` and ``.npz`` are added.
        values: What to write.

    Raises:
        TypeError: Something else is among the values.
    """
    arrays: list[np.ndarray] = []

    def plain(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, Tensor):
            arrays.append(value.detach().cpu().numpy())
            return {_TENSOR: len(arrays) - 1}
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return {_TUPLE: [plain(item) for item in value]}
        if isinstance(value, list):
            return [plain(item) for item in value]
        if value is None or type(value) in (str, int, float, bool):
            return value
        raise TypeError(f"a {type(value).__name__} cannot leave the process")

    text = json.dumps(plain(values))
    path.with_suffix(".json").write_text(text, encoding="utf-8")
    np.savez(path.with_suffix(".npz"), *arrays)


def read_values(path: Path) -> Any:  # noqa: ANN401
    """Read what ``write_values`` wrote to ``path``."""
    arrays = np.load(path.with_suffix(".npz"), allow_pickle=False)

    def rich(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, dict) and set(value) == {_TENSOR}:
            return torch.from_numpy(arrays[f"arr_{value[_TENSOR]}"])
        if isinstance(value, dict) and set(value) == {_TUPLE}:
            return tuple(rich(item) for item in value[_TUPLE])
        if isinstance(value, dict):
            return {key: rich(item) for key, item in value.items()}
        if isinstance(value, list):
            return [rich(item) for item in value]
        return value

    return rich(json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))

"""Values that pass between two processes: JSON, then the bytes of the tensors.

The reader need not trust the writer: nothing is unpickled or unpacked, no tensor is
larger than its bytes, and any other form is a ``ValueError``.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import torch
from torch import Tensor

_TENSOR = "__tensor__"  # the key of a tensor's type, shape and place
_TUPLE = "__tuple__"
_LENGTH = struct.Struct(">Q")  # of the JSON, which comes first
_LONGEST_TEXT = 4 << 20  # bytes of JSON: as objects they take twenty times as many
_LONGEST_DESCRIPTION = 200  # characters
_MOST_DIMENSIONS = 32

_DTYPES = {
    str(dtype).rpartition(".")[2]: dtype
    for dtype in (
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.float16, torch.float32, torch.float64),
    )
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def to_bytes(values: Any, describe: bool = False) -> bytes:  # noqa: ANN401
    """Write text, numbers, lists, tuples, dictionaries and tensors.

    Raises:
        TypeError: Something else is among the values, and is not to be described.
    """
    body = bytearray()

    def plain(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, Tensor) and not (describe and _is_odd(value)):
            if _is_odd(value):
                raise TypeError(f"a tensor of {value.dtype} cannot leave the process")
            start = len(body)
            body.extend(value.detach().cpu().numpy().tobytes())
            return {_TENSOR: [_NAMES[value.dtype], list(value.shape), start]}
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return {_TUPLE: [plain(item) for item in value]}
        if isinstance(value, list):
            return [plain(item) for item in value]
        if value is None or type(value) in (str, int, float, bool):
            return value
        if describe:
            return repr(value)[:_LONGEST_DESCRIPTION]
        raise TypeError(f"a {type(value).__name__} cannot leave the process")

    text = json.dumps(plain(values)).encode()
    return _LENGTH.pack(len(text)) + text + body


def from_bytes(content: bytes) -> Any:  # noqa: ANN401
    """Read what ``to_bytes`` wrote; the bytes may be forged.

    Raises:
        ValueError: It is not of that form.
    """
    try:
        (length,) = _LENGTH.unpack_from(content)
        start = _LENGTH.size + length
        text = content[_LENGTH.size : start].decode()
        body = memoryview(content)[start:]
        if length > _LONGEST_TEXT:
            raise ValueError("a text that is too long")
        room = len(body)

        def rich(value: Any) -> Any:  # noqa: ANN401
            nonlocal room
            if isinstance(value, dict) and set(value) == {_TENSOR}:
                tensor = _tensor(body, *value[_TENSOR])
                room -= tensor.numel() * tensor.element_size()
                if room < 0:
                    raise ValueError("tensors that share their bytes")
                return tensor
            if isinstance(value, dict) and set(value) == {_TUPLE}:
                return tuple(rich(item) for item in value[_TUPLE])
            if isinstance(value, dict):
                return {key: rich(item) for key, item in value.items()}
            if isinstance(value, list):
                return [rich(item) for item in value]
            return value

        return rich(json.loads(text))
    except ValueError:
        raise
    except Exception as error:  # a hostile text may raise anything
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _is_odd(tensor: Tensor) -> bool:
    return tensor.dtype not in _NAMES or tensor.layout != torch.strided


def _tensor(body: memoryview, name: str, shape: list[int], start: int) -> Tensor:
    """Read a tensor whose shape agrees with the bytes that are there."""
    dtype = _DTYPES[name]
    sizes = [size for size in shape if type(size) is int and size >= 0]
    count = math.prod(sizes)
    end = start + count * dtype.itemsize
    if sizes != shape or len(shape) > _MOST_DIMENSIONS or not 0 <= start <= end:
        raise ValueError("no shape or place of a tensor")
    if end > len(body):
        raise ValueError("a tensor that is larger than its bytes")
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(body[start:end]), dtype=dtype).reshape(shape)

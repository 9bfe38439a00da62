"""Matrices as bytes, for the page to draw."""

from __future__ import annotations

import base64
from typing import Any

import torch
from torch import Tensor

_LEVELS = 255
_QUIETEST = 80.0  # dB below the loudest; what is quieter is drawn black


def _picture(levels: Tensor, low: float, high: float) -> dict[str, Any]:
    """Encode a matrix (rows, columns) whose entries are 0 to 255."""
    rows, columns = levels.shape
    content = levels.round().clamp(0, _LEVELS).to(torch.uint8).contiguous()
    return {
        "rows": rows,
        "columns": columns,
        "low": low,
        "high": high,
        "bytes": base64.b64encode(content.cpu().numpy().tobytes()).decode("ascii"),
    }


def mel_picture(log_mel: Tensor) -> dict[str, Any]:
    """Encode a log-mel (T, M), in dB, a frame a row."""
    high = log_mel.max().item()
    low = max(log_mel.min().item(), high - _QUIETEST)
    levels = (log_mel - low) * (_LEVELS / max(high - low, 1e-6))  # flat in silence
    return _picture(levels, low, high)


def probability_picture(probabilities: Tensor) -> dict[str, Any]:
    """Encode probabilities, one row for each first index."""
    return _picture(probabilities * _LEVELS, 0.0, 1.0)

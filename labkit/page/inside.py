"""Looking inside a decoder: its beam, what it decodes again, where attention looks.

Matrices are bytes, for the page to draw.
"""

from __future__ import annotations

import base64
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from labkit.base import LabError
from labkit.decoding import Encoding, Hypothesis, Search
from labkit.evaluation import Setup, rounded

_MOST_FRAMES = 400
_LEVELS = 255
_QUIETEST = 80.0  # dB below the loudest; what is quieter is drawn black


def _picture(levels: Tensor) -> dict[str, Any]:
    """Encode a matrix (rows, columns) whose entries are 0 to 255."""
    rows, columns = levels.shape
    content = levels.round().clamp(0, _LEVELS).to(torch.uint8).cpu().numpy().tobytes()
    text = base64.b64encode(content).decode("ascii")
    return {"rows": rows, "columns": columns, "bytes": text}


def mel_picture(log_mel: Tensor) -> dict[str, Any]:
    """Encode a log-mel (T, M), in dB, a frame a row."""
    high = log_mel.max().item()
    low = max(log_mel.min().item(), high - _QUIETEST)
    scale = _LEVELS / max(high - low, 1e-6)  # silence is flat
    return _picture((log_mel - low) * scale)


def probability_picture(probabilities: Tensor) -> dict[str, Any]:
    """Encode probabilities, one row for each first index."""
    return _picture(probabilities * _LEVELS)


def scored(one: Hypothesis, setup: Setup) -> dict[str, Any]:
    """Give plain types for JSON; a score that is not finite becomes None."""
    sequence = setup.alphabet.decode(one.indices)
    return {
        "text": setup.alphabet.plain(sequence),
        "sequence": sequence,
        "score": rounded(one.score, 3),
        "parts": {name: rounded(part, 3) for name, part in one.parts.items()},
    }


def beam_by_frame(
    setup: Setup, search: Search, log_probs: Tensor
) -> list[list[dict[str, Any]]]:
    """Return the prefixes that a beam search holds after each frame, best first.

    What a search holds after t frames does not depend on later ones. So it is what the
    search finds in the first t frames alone, and these beginnings of the clip, of 1
    frame, 2 frames and so on, are one batch.

    Args:
        setup: What the search is made from.
        search: A prefix beam search.
        log_probs: Log-probabilities (T', V).

    Raises:
        LabError: The clip is too long for this.
    """
    n_frames = len(log_probs)
    if n_frames > _MOST_FRAMES:
        raise LabError(
            f"a clip of {n_frames} frames is too long to follow its beam",
            f"take one of at most {_MOST_FRAMES} frames",
        )
    beginnings = log_probs.unsqueeze(1).expand(-1, n_frames, -1)  # (T', B = T', V)
    lengths = [*range(1, n_frames + 1)]
    packed = pack_padded_sequence(beginnings, lengths, enforce_sorted=False)
    found = search(Encoding(packed, None))
    return [[scored(one, setup) for one in beam] for beam in found]


def decoded_again(one: Hypothesis, setup: Setup) -> list[dict[str, Any]]:
    """List the segments of a hypothesis that were decoded again.

    Returns:
        For each, the place of its first character, that after its last, and the
        text that CTC had written; empty if all is as CTC wrote it.
    """
    if one.spliced is None:
        return []
    alphabet = setup.alphabet
    text = alphabet.decode(one.indices[1:])  # without the start
    shift = len(text.lstrip()) - len(text)
    found, symbols = [], one.spliced.symbols
    for (begin, stop), new in zip(one.spliced.segments, one.spliced.replacements):
        size = len(new) - 1  # its last symbol is the stop
        was = alphabet.decode(symbols[begin:stop]).replace(alphabet.end, "")
        place = max(begin + shift, 0)
        found.append({"begin": place, "end": begin + shift + size, "was": was})
        shift += size - (stop - begin)
    return found

"""The figure of a run: a spectrogram and its posteriors."""

from __future__ import annotations

from typing import cast

import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence
from torch.utils.data import DataLoader

from labkit.figures import plot_posteriors
from labkit.text import Characters


def _first(packed: PackedSequence) -> torch.Tensor:
    padded, lengths = pad_packed_sequence(packed)
    return padded[: lengths[0], 0]


def plot_first(
    model: nn.Module, loader: DataLoader, device: torch.device, win_step: float
) -> Figure:
    """Plot the first utterance of a fold, and the posteriors of a network for it.

    Args:
        model: The network; it is put into evaluation mode.
        loader: The fold.
        device: Where the network is.
        win_step: Seconds from one frame T to the next.
    """
    minibatch = next(batch for batch in loader if batch is not None)
    spectrogram, transcript = map(_first, minibatch)  # (T, M), (U,)
    with torch.inference_mode():
        scores = model.eval()(pack_sequence([spectrogram.to(device)]))
    probabilities = scores.data.softmax(dim=1)  # (T', V), one utterance
    charmap = cast(Characters, model.charmap)
    title = charmap.decode(transcript.tolist())
    return plot_posteriors(
        spectrogram, probabilities, charmap.idx2char, win_step, title
    )

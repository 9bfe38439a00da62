"""What a run shows of its first clips: spectrogram, posteriors, sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, unpack_sequence
from torch.utils.data import DataLoader

from labkit.base import LabError
from labkit.decoding import attention_weights
from labkit.figures import plot_attention, plot_posteriors


def first_clips(loader: DataLoader, n: int) -> Iterator[tuple[str, Tensor, int]]:
    """Read at most ``n`` clips of the first minibatch: name, waveform, rate (Hz)."""
    batches = cast(Any, loader.batch_sampler)
    for _, index in next(iter(batches), [])[:n]:
        clips = batches.utterances.dataset
        with suppress(LabError):  # loading names the clips that cannot be read
            waveform, rate, _ = clips[index]  # (1, samples)
            yield clips.clip_path(index).name, waveform, rate


@torch.inference_mode()
def plot_first(
    model: nn.Module, loader: DataLoader, device: torch.device, win_step: float
) -> dict[str, Figure]:
    """Plot what a network, put into evaluation mode, makes of a fold's first utterance.

    ``win_step`` seconds pass from one frame T to the next.

    Returns:
        The posteriors of CTC and, where there is an attention decoder, the attention
        of each symbol of the transcript; by name.
    """
    network = cast(Any, model.eval())
    minibatch = next(batch for batch in loader if batch is not None)
    both = (unpack_sequence(packed)[0] for packed in minibatch)
    spectrogram, transcript = both  # (T, M), (U,)
    encoding = network.encode(pack_sequence([spectrogram.to(device)]))
    probabilities = encoding.ctc_scores.data.softmax(dim=1)  # (T', V), one utterance
    charmap, symbols = network.charmap, transcript.tolist()
    title = charmap.decode(symbols)
    figures = {
        "posteriors": plot_posteriors(
            spectrogram, probabilities, charmap.idx2char, win_step, title
        )
    }
    if encoding.memory is not None:
        weights = attention_weights(network, encoding, symbols[1:])  # (U - 1, T')
        names = [charmap.idx2char[k] for k in symbols[1:]]
        seconds = len(spectrogram) * win_step
        figures["attention"] = plot_attention(weights, names, seconds, title)
    return figures

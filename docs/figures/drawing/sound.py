"""Pictures of sound: from the waveform to the log-mel, and what SpecAugment hides."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from data import (
    _DEFAULT_NUM_MELS,
    _DEFAULT_RATE,
    _DEFAULT_WIN_LENGTH,
    _DEFAULT_WIN_STEP,
    BatchCollate,
    WaveformProcessor,
    get_dataloaders,
    load_dataset,
)
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from torch import Tensor
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram, Spectrogram

from drawing.style import DARK, GREY, INK, LIGHT, SOUND, Words
from labkit.audio import resample
from labkit.base import EMBEDDED_CORPORA

CLIP = "mini_fr_01019.mp3"  # of the test fold
STEP = _DEFAULT_WIN_STEP * 1e-3  # s
WINDOW = _DEFAULT_WIN_LENGTH * 1e-3  # s
SHOWN_DB = 70.0  # below the loudest value: less is drawn as silence

_AT = 0.62  # s, in a vowel: the frame that is taken apart


def read(clip: str = CLIP, fold: str = "test") -> tuple[Tensor, str]:
    """Return the waveform (samples,) of a clip at 16 kHz, and what is said."""
    folder = load_dataset(fold, str(EMBEDDED_CORPORA), "mini")
    waveform, rate, row = folder[folder.clip_names().index(clip)]
    return resample(waveform, rate, _DEFAULT_RATE)[0], row["sentence"]


@cache
def _normalization() -> tuple[float, float]:
    """Measure mean and deviation of the training fold, in dB, as a training does."""
    _, dev, _ = get_dataloaders(str(EMBEDDED_CORPORA), "mini", cuda=False, n_threads=1)
    return dev.collate_fn.normalization


def processor(augment: bool | str = False) -> WaveformProcessor:
    """Return what makes log-mels of the default options."""
    return BatchCollate(_DEFAULT_NUM_MELS, augment, _normalization()).processor


def picture(
    axes: Axes, values: Tensor, extent: tuple[float, float, float, float], low: float
) -> AxesImage:
    """Draw values (rows, T), from ``low`` on."""
    return axes.imshow(
        values,
        extent=extent,
        origin="lower",
        aspect="auto",
        cmap=SOUND,
        vmin=low,
        interpolation="nearest",
    )


def draw_log_mel(words: Words) -> Figure:
    """Draw a waveform, its spectrogram and its log-mel; a frame of each beside it."""
    waveform, sentence = read()
    seconds = len(waveform) / _DEFAULT_RATE
    size, step = round(WINDOW * _DEFAULT_RATE), round(STEP * _DEFAULT_RATE)
    decibels = AmplitudeToDB()(Spectrogram(size, hop_length=step)(waveform))  # (F, T)
    own = processor()
    log_mel = own.log_mel(waveform.unsqueeze(0), _DEFAULT_RATE).T  # (M, T)
    figure, grid = plt.subplots(
        3, 2, figsize=(9, 7), width_ratios=(3, 1), layout="constrained"
    )
    times = torch.arange(len(waveform)) / _DEFAULT_RATE
    grid[0, 0].plot(times, waveform, color=DARK, linewidth=0.4)
    grid[0, 0].set_title(words("waveform", said=sentence, n=words.count(len(waveform))))
    grid[0, 0].set_ylabel(words("amplitude"))
    extent = (0, seconds, 0, _DEFAULT_RATE / 2000)
    image = picture(grid[1, 0], decibels, extent, decibels.max().item() - SHOWN_DB)
    figure.colorbar(image, ax=grid[1, 0], pad=0.01, label=words("power"))
    shape = dict(zip(("rows", "frames"), decibels.shape))
    grid[1, 0].set_title(words("spectrogram", **shape))
    grid[1, 0].set_ylabel(words("kilohertz"))
    extent = (0, seconds, 0.5, len(log_mel) + 0.5)
    image = picture(grid[2, 0], log_mel, extent, log_mel.max().item() - SHOWN_DB)
    figure.colorbar(image, ax=grid[2, 0], pad=0.01, label=words("power"))
    grid[2, 0].set_title(words("log_mel", frames=log_mel.shape[1], rows=len(log_mel)))
    grid[2, 0].set(xlabel=words("time"), ylabel=words("band"))
    for axes in grid[:, 0]:
        axes.axvline(_AT, color=LIGHT, linewidth=1.6)
        axes.set_xlim(0, seconds)
        words.ticks(axes.xaxis, axes.yaxis)
    _draw_windows(grid[0, 1], waveform, words)
    _draw_filters(grid[1, 1], own, words)
    values = log_mel[:, round(_AT / STEP)]
    low = (log_mel.max() - SHOWN_DB).item()
    grid[2, 1].barh(
        range(1, len(log_mel) + 1), (values - low).clamp(min=0), left=low, color=DARK
    )
    grid[2, 1].set_ylim(0.5, len(log_mel) + 0.5)
    grid[2, 1].set(title=words("one"), xlabel=words("power"), ylabel=words("band"))
    words.ticks(grid[2, 1].xaxis)
    return figure


def _draw_windows(axes: Axes, waveform: Tensor, words: Words) -> None:
    """Draw three neighbouring windows over the samples that they weigh."""
    size = round(WINDOW * _DEFAULT_RATE)
    first = round((_AT - WINDOW / 2) * _DEFAULT_RATE)
    shown = waveform[first - size // 8 : first + size + 3 * size // 4]
    high = shown.abs().max().item()
    places = torch.arange(len(shown)) * 1000 / _DEFAULT_RATE - WINDOW * 125  # ms
    axes.plot(places, shown, color=GREY, linewidth=0.6)
    hann = torch.hann_window(size) * high
    offsets = torch.arange(size) * 1000 / _DEFAULT_RATE
    for number in range(3):
        shift = number * STEP * 1000
        axes.plot(
            offsets + shift,
            hann,
            color=LIGHT if number == 0 else DARK,
            linewidth=2.2 if number == 0 else 1,
        )
    top = 1.25 * high
    for height, left, right, key in (
        (top, 0, WINDOW * 1000, "window"),
        (-top, WINDOW * 500, WINDOW * 500 + STEP * 1000, "step"),
    ):
        style = {"arrowstyle": "<->", "color": INK, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (left, height), (right, height), arrowprops=style)
        below = height < 0
        axes.text(
            (left + right) / 2,
            height * 1.08,
            words(key),
            ha="center",
            va="top" if below else "bottom",
            fontsize=8,
        )
    axes.set_ylim(-1.75 * high, 1.75 * high)
    axes.set(title=words("windows"), xlabel=words("milliseconds"), yticks=[])


def _draw_filters(axes: Axes, own: WaveformProcessor, words: Words) -> None:
    """Draw the mel filters along the axis of frequencies."""
    mel_spectrogram = own.transform_tospectro[0]
    assert isinstance(mel_spectrogram, MelSpectrogram)
    filters: Any = mel_spectrogram.mel_scale.fb  # (F, M)
    kilohertz = torch.linspace(0, _DEFAULT_RATE / 2000, len(filters))
    for band, weights in enumerate(filters.T):
        axes.plot(weights, kilohertz, color=(DARK, LIGHT)[band % 2], linewidth=1)
    axes.set(
        title=words("filters", rows=filters.shape[1]),
        xlabel=words("weight"),
        ylabel=words("kilohertz"),
        xlim=(0, 1.05),
        ylim=(0, _DEFAULT_RATE / 2000),
    )
    words.ticks(axes.xaxis)


_SEED = 52  # of the masks
_RANGE = 2.5  # standard deviations, of the colours


def draw_specaugment(words: Words) -> Figure:
    """Draw a log-mel as it is, and as SpecAugment masks it."""
    waveform, _ = read()
    figure, rows = plt.subplots(
        3, figsize=(9, 6), layout="constrained", sharex=True, sharey=True
    )
    kinds = (("plain", False), ("weak", True), ("strong", "strong"))
    whole = _finish(waveform, False)
    for axes, (key, augment) in zip(rows, kinds):
        log_mel = _finish(waveform, augment)  # (M, T)
        extent = (0, log_mel.shape[1] * STEP, 0.5, len(log_mel) + 0.5)
        picture(axes, log_mel, extent, -_RANGE).set_clim(-_RANGE, _RANGE)
        axes.set(title=words(key), ylabel=words("band"))
        for axis in (0, 1):
            _frame_masks(axes, log_mel, whole, axis)
        words.ticks(axes.xaxis)
    rows[-1].set_xlabel(words("time"))
    (image,) = rows[0].get_images()
    figure.colorbar(image, ax=rows, pad=0.01, label=words("deviations"), extend="both")
    return figure


def _finish(waveform: Tensor, augment: bool | str) -> Tensor:
    own = processor(augment)
    log_mel = own.log_mel(waveform.unsqueeze(0), _DEFAULT_RATE)
    return own.finish(log_mel, _SEED).T


def _frame_masks(axes: Axes, masked: Tensor, whole: Tensor, axis: int) -> None:
    """Frame the bands (axis 0) or the frames (axis 1) that a mask has set to zero."""
    hidden = (masked == 0).all(dim=1 - axis) & (whole != 0).any(dim=1 - axis)
    edges = torch.nn.functional.pad(hidden.int(), (1, 1)).diff().nonzero().flatten()
    n_bands, n_frames = masked.shape
    for first, end in edges.unflatten(0, (-1, 2)).tolist():
        if axis == 0:
            box = ((0, first + 0.5), n_frames * STEP, end - first)
        else:
            box = ((first * STEP, 0.5), (end - first) * STEP, n_bands)
        axes.add_patch(Rectangle(*box, fill=False, edgecolor=LIGHT, linewidth=1.8))

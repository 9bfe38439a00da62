"""Pictures of tensors: padded and packed sequences, the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from data import CharMap, pack_sequences
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from models import CTCModel
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from drawing.sound import processor, read
from drawing.style import DARK, GREY, INK, LIGHT, PALE, SOUND, Words, bare

_LENGTHS = (5, 9, 2)  # frames of three utterances, as ``python data.py`` packs them
_NAMES = "abc"
_SHADES = ("#bcd3e3", "#f4d9b4", "#8fb5cf")


def _cell(axes: Axes, x: float, y: float, text: str, colour: str | None) -> None:
    """Draw one frame, or the padding where there is none."""
    box = Rectangle((x, y), 0.94, 0.86, facecolor=colour or "white", edgecolor=GREY)
    if colour is None:
        box.set(hatch="////", edgecolor=PALE)
    axes.add_patch(box)
    if text:
        axes.text(x + 0.47, y + 0.43, text, ha="center", va="center", fontsize=9)


def _arrow(axes: Axes, start: float, end: float, y: float, text: str) -> None:
    style = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.3}
    axes.annotate("", (end, y), (start, y), arrowprops=style)
    axes.text(max(start, end) + 0.2, y, text, va="center", fontsize=8.5)


def draw_packed(words: Words) -> Figure:
    """Draw three utterances padded, and as a packed sequence keeps them."""
    # Each frame holds its utterance and its number, so that packing shows its order.
    sequences = [
        torch.tensor([[b, t] for t in range(length)])
        for b, length in enumerate(_LENGTHS)
    ]
    packed = pack_sequences(sequences)
    padded, _ = pad_packed_sequence(packed, padding_value=-1)  # (T, B, 2)
    figure, (above, below) = plt.subplots(
        2, figsize=(9, 6.2), height_ratios=(1, 1.5), layout="constrained"
    )
    _draw_padded(bare(above), padded, words)
    _draw_data(bare(below), packed, words)
    return figure


def _label(axes: Axes, y: float, text: str, **style: Any) -> None:
    axes.text(-0.3, y, text, ha="right", va="center", **style)


def _draw_padded(axes: Axes, padded: Tensor, words: Words) -> None:
    n_frames, n_utterances, _ = padded.shape
    for b in range(n_utterances):
        y = -b
        _label(axes, y + 0.43, words("utterance", name=_NAMES[b]))
        for t, (owner, number) in enumerate(padded[:, b].tolist()):
            exists = owner >= 0
            name = f"{_NAMES[owner]}{number + 1}" if exists else "0"
            _cell(axes, t, y, name, _SHADES[owner] if exists else None)
    n_padding = int((padded[..., 0] < 0).sum())
    short = min(range(len(_LENGTHS)), key=_LENGTHS.__getitem__)
    y = -short - 0.3
    _arrow(axes, n_frames, 0, y, "")
    wasted = n_frames - _LENGTHS[short]
    text = words("backward", name=_NAMES[short], n=wasted)
    axes.text(n_frames + 0.2, y + 0.7, text, va="center", fontsize=8.5)
    title = words(
        "padded", frames=n_frames, utterances=n_utterances, cells=n_padding,
        all=n_frames * n_utterances,
    )  # fmt: skip
    axes.set_title(title)
    axes.set(xlim=(-2.3, n_frames + 5.4), ylim=(y - 0.3, 1.1))


def _draw_data(axes: Axes, packed: PackedSequence, words: Words) -> None:
    assert packed.sorted_indices is not None
    frames = packed.data.tolist()
    sizes = packed.batch_sizes.tolist()
    order = packed.sorted_indices.tolist()
    place = 0
    for t, size in enumerate(sizes):
        for row in range(size):
            owner, number = frames[place]
            name = f"{_NAMES[owner]}{number + 1}"
            _cell(axes, t, -row, name, _SHADES[owner])
            axes.text(t + 0.9, -row + 0.02, str(place), ha="right", fontsize=5.5)
            place += 1
        axes.text(t + 0.47, -len(order) + 0.2, str(size), ha="center", va="center")
    for row, b in enumerate(order):
        _label(axes, -row + 0.43, words("utterance", name=_NAMES[b]))
    end = sizes.count(len(order))  # frames of the shortest
    _arrow(axes, end, 0, -len(order) + 0.8, words("at_once", name=_NAMES[order[-1]]))
    middle = -len(order) + 0.2
    _label(axes, middle, "batch_sizes", family="monospace")
    axes.text(len(sizes) + 0.2, middle, words("sizes"), va="center", fontsize=8.5)
    note = words("sorted", order=", ".join(map(str, order)))
    axes.text(len(sizes) + 0.2, 0.43, note, va="center", fontsize=8.5)
    strip = middle - 1.6
    _label(axes, strip + 0.43, "data", family="monospace")
    for place, (owner, number) in enumerate(frames):
        x = 0.66 * place
        box = ((x, strip), 0.62, 0.86)
        axes.add_patch(Rectangle(*box, facecolor=_SHADES[owner], edgecolor=GREY))
        name = f"{_NAMES[owner]}{number + 1}"
        axes.text(x + 0.31, strip + 0.43, name, ha="center", va="center", fontsize=8)
    axes.text(0, strip - 0.55, words("data", n=len(frames)), fontsize=8.5)
    axes.set_title(words("packed", n=len(frames)))
    axes.set(xlim=(-2.3, len(sizes) + 5.4), ylim=(strip - 0.8, 1.1))


@dataclass(frozen=True)
class _Stage:
    """A tensor on its way through the network.

    Attributes:
        layer: The key of the string that names what made it.
        letters: Its shape, in letters.
        sizes: Its shape.
        weights: Parameters of the layer.
    """

    layer: str
    letters: str
    sizes: tuple[int, ...]
    weights: int

    @property
    def frames(self) -> int:
        """The number of its frames."""
        return self.sizes[-2 if len(self.sizes) == 4 else 0]

    @property
    def height(self) -> int:
        """How many numbers a frame has, in one channel."""
        return self.sizes[-1]


def _stages(model: CTCModel, spectrogram: Tensor) -> list[_Stage]:
    """Run a network over one utterance (T, M), layer by layer."""
    first = model.cnn[:4](spectrogram[None, None])  # (B, C, T / 2, M')
    second = model.cnn[4:](first)  # (B, C, T', M')
    rows = second.permute(2, 0, 1, 3).flatten(2)  # (T', B, C M')
    hidden, _ = model.rnn(rows)  # (T', B, 2 H)
    scores = model.charlin(hidden)  # (T', B, V)
    made: list[tuple[str, str, Tensor, nn.Module]] = [
        ("input", "(T, B, M)", spectrogram.unsqueeze(1), nn.Identity()),
        ("first", "(B, C, ⌈T/2⌉, M′)", first, model.cnn[:4]),
        ("second", "(B, C, T′, M′)", second, model.cnn[4:]),
        ("rows", "(T′, B, C M′)", rows, nn.Identity()),
        ("recurrent", "(T′, B, 2 H)", hidden, model.rnn),
        ("linear", "(T′, B, V)", scores, model.charlin),
    ]
    return [
        _Stage(layer, letters, tuple(tensor.shape), _count(module))
        for layer, letters, tensor, module in made
    ]


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


_WIDTH = 6.0  # of the log-mel
_HIGHEST = 1.0


def draw_network(words: Words) -> Figure:
    """Draw the tensors from the log-mel to the scores, each as long as it lasts."""
    waveform, _ = read()
    own = processor()
    waveform = waveform[: 2 * own.rate].unsqueeze(0)  # 2 s
    spectrogram = own.finish(own.log_mel(waveform, own.rate))  # (T, M)
    torch.manual_seed(0)
    model = CTCModel(CharMap(), spectrogram.shape[1], 128, 2, "GRU", dropout=0.1)
    stages = _stages(model.eval(), spectrogram)
    figure, axes = plt.subplots(figsize=(9, 7.6), layout="constrained")
    bare(axes)
    y = 0.0
    for number, stage in enumerate(stages):
        height = max(0.32, _HIGHEST * (stage.height / 320) ** 0.5)
        y -= height
        if number == 0:
            extent = (0, _WIDTH, y, y + height)
            axes.imshow(spectrogram.T, extent=extent, origin="lower", cmap=SOUND,
                        aspect="auto", interpolation="nearest")  # fmt: skip
        _draw_tensor(axes, stage, y, height)
        _describe(axes, stage, y + height / 2, words)
        if number + 1 < len(stages):
            after = stages[number + 1]
            _draw_layer(axes, after, y, words)
            y -= 1.05 if after.weights else 0.75
    axes.text(_WIDTH / 2, y - 0.55, words("loss"), ha="center", va="center")
    axes.annotate("", (_WIDTH / 2, y - 0.38), (_WIDTH / 2, y),
                  arrowprops={"arrowstyle": "-|>", "color": INK})  # fmt: skip
    axes.set(xlim=(-0.1, _WIDTH + 2.2), ylim=(y - 0.8, 0.1))
    axes.set_title(words("title") + "\n" + words("letters"))
    return figure


def _draw_tensor(axes: Axes, stage: _Stage, y: float, height: float) -> None:
    """Draw frames as cells; 201 of them fill the width."""
    cell = _WIDTH / 201 * (201 / stage.frames if stage.frames > 150 else 1)
    factor = {"input": 1, "first": 2}.get(stage.layer, 4)
    cell = _WIDTH / 201 * factor
    width = min(_WIDTH, cell * stage.frames)
    maps = 3 if stage.layer in ("first", "second") else 1
    for k in reversed(range(maps)):
        shift = 0.07 * k
        corner = (shift, y + shift)
        face = "none" if stage.layer == "input" else ("#eef3f7", "#e3ebf1")[k % 2]
        axes.add_patch(
            Rectangle(
                corner, width, height, facecolor=face, edgecolor=DARK, zorder=2 - k
            )
        )
    if stage.layer != "input":
        xs = [cell * t for t in range(1, stage.frames) if cell * t < width]
        axes.vlines(xs, y, y + height, color="#9fbacd", linewidth=0.5, zorder=3)


def _describe(axes: Axes, stage: _Stage, y: float, words: Words) -> None:
    sizes = " × ".join(map(str, stage.sizes))
    axes.text(_WIDTH + 0.35, y + 0.14, stage.letters, fontsize=10, weight="bold",
              va="center")  # fmt: skip
    axes.text(_WIDTH + 0.35, y - 0.16, sizes, va="center", fontsize=9)


def _draw_layer(axes: Axes, stage: _Stage, y: float, words: Words) -> None:
    """Write between two tensors what makes the second out of the first."""
    gap = 1.05 if stage.weights else 0.75
    text = words(stage.layer)
    if stage.weights:
        text += "\n" + words("weights", n=words.count(stage.weights))
    axes.annotate(
        "",
        (0.5, y - gap + 0.22),
        (0.5, y - 0.05),
        arrowprops={"arrowstyle": "-|>", "color": LIGHT, "linewidth": 2},
    )
    axes.text(0.75, y - gap / 2 + 0.07, text, va="center", fontsize=8.5)

"""From mp3 clips and their transcripts to minibatches.

    python data.py        answer the questions, plot a spectrogram and a minibatch

Axis letters: T frames, B utterances, M mel bands, U characters of a transcript.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
    pad_sequence,
)
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

from labkit.audio import SpecAugment, resample
from labkit.base import run_program
from labkit.corpus import CommonVoice, default_location
from labkit.figures import draw_spectrogram, save_figure, stack_axes
from labkit.loading import Loaders, Loading, Utterance, make_loaders
from labkit.text import normalise

_DEFAULT_COMMONVOICE_ROOT, _DEFAULT_COMMONVOICE_VERSION = default_location()
_DEFAULT_RATE = 16000  # Hz
_DEFAULT_WIN_LENGTH = 40  # ms
_DEFAULT_WIN_STEP = 10  # ms
_DEFAULT_NUM_MELS = 20  # bands
_MAX_MASKED_SECONDS = 0.1  # longest time mask of SpecAugment
_MAX_MASKED_BANDS = 5  # widest frequency mask of SpecAugment

FIGURES = Path("logs/figures")

QUESTION_SENTENCE = "Je vais m'éclater avec des RNNS!"

Minibatch = tuple[PackedSequence, PackedSequence]


class CharMap:
    """The alphabet: 44 symbols, whose order is that of every checkpoint's output.

    Index 0 is the CTC blank; it never occurs in a transcript. A transcript starts
    with ``¶`` and ends with ``¦``; a character outside the alphabet becomes ``❌``.
    """

    blank = "¬"
    eoschar = "¦"
    soschar = "¶"
    unknown = "❌"

    def __init__(self) -> None:
        self.idx2char = [
            *(self.blank, " ", self.eoschar, "'", ",", "."),
            *"0123456789",
            *(self.soschar, self.unknown),
            *"abcdefghijklmnopqrstuvwxyz",
        ]
        self.char2idx = {char: index for index, char in enumerate(self.idx2char)}

    @property
    def vocab_size(self) -> int:
        """The number of symbols V, the blank among them."""
        return len(self.idx2char)

    @property
    def blankid(self) -> int:
        """The index of the blank."""
        return self.char2idx[self.blank]

    @property
    def eos(self) -> int:
        """The index of the end of a transcript."""
        return self.char2idx[self.eoschar]

    def encode(self, text: str) -> list[int]:
        """Turn a sentence into indices, between those of ``¶`` and ``¦``."""
        # The markers and the blank are the kit's own: no text may hold them.
        reserved = {self.blank, self.soschar, self.eoschar}
        unknown = self.char2idx[self.unknown]
        inside = [
            unknown if char in reserved else self.char2idx.get(char, unknown)
            for char in normalise(text)
        ]
        return [self.char2idx[self.soschar], *inside, self.eos]

    def decode(self, indices: Sequence[int]) -> str:
        """Map indices to their symbols, one by one."""
        return "".join(self.idx2char[index] for index in indices)

    def plain(self, text: str) -> str:
        """Leave ``¶`` and ``¦`` out of a decoded text, as error rates need it."""
        return text.replace(self.soschar, "").replace(self.eoschar, "").strip()


def question1() -> int:
    """How many symbols does the alphabet hold? Ask a CharMap."""
    # >>> E01
    return CharMap().vocab_size
    # <<< E01


def question2() -> tuple[list[int], str]:
    """How is QUESTION_SENTENCE encoded, and what does decoding that give back?

    Returns:
        The indices, and the text decoded from them.
    """
    # >>> E02
    charmap = CharMap()
    encoded = charmap.encode(QUESTION_SENTENCE)
    return encoded, charmap.decode(encoded)
    # <<< E02


class WaveformProcessor:
    """Turns waveforms into log-mel spectrograms.

    Args:
        rate: Sampling rate in Hz.
        win_length: Window of the Fourier transform, in seconds.
        win_step: Step between two frames, in seconds.
        nmels: Mel bands M.
        augment: Mask random times and bands: SpecAugment (Park et al. 2019).
        spectro_normalization: Mean and standard deviation in dB, or None.
    """

    def __init__(
        self,
        rate: int,
        win_length: float,
        win_step: float,
        nmels: int,
        augment: bool,
        spectro_normalization: tuple[float, float] | None,
    ) -> None:
        self.rate = rate
        self.hop_length = round(win_step * rate)  # samples
        self.augment = augment
        self.spectro_normalization = spectro_normalization
        n_fft = round(win_length * rate)  # samples
        self.transform_tospectro = self.build_tospectro(
            rate, n_fft, self.hop_length, nmels
        )
        self.transform_augment = SpecAugment(
            _MAX_MASKED_BANDS, round(_MAX_MASKED_SECONDS / win_step)
        )

    @staticmethod
    def build_tospectro(
        rate: int, n_fft: int, hop_length: int, nmels: int
    ) -> nn.Sequential:
        """Build the transform of waveforms (B, samples) to dB (B, M, T).

        Args:
            rate: Sampling rate in Hz.
            n_fft: Size of the Fourier transform and of its window, in samples.
            hop_length: Step between two frames, in samples.
            nmels: Mel bands M.

        Returns:
            A mel spectrogram of power, then its conversion to decibels.
        """
        # >>> E03
        #: (2 steps) useful: MelSpectrogram, AmplitudeToDB, nn.Sequential
        return nn.Sequential(
            MelSpectrogram(rate, n_fft=n_fft, hop_length=hop_length, n_mels=nmels),
            AmplitudeToDB(),
        )
        # <<< E03

    def get_spectro_length(self, waveform_length: int) -> int:
        """Return the frames T that ``waveform_length`` samples give."""
        return waveform_length // self.hop_length + 1

    def log_mel(self, waveform: Tensor, rate: int) -> Tensor:
        """Turn one clip (1, samples) at ``rate`` Hz into its log-mel (T, M), in dB."""
        waveform = resample(waveform, rate, self.rate)
        return self.transform_tospectro(waveform)[0].T  # (M, T) -> (T, M)

    def finish(self, log_mel: Tensor, seed: int | None = None) -> Tensor:
        """Normalise a log-mel and, in training, mask it.

        Args:
            log_mel: One utterance (T, M), in dB.
            seed: Seed of the masks; None draws from torch's own generator.

        Returns:
            What the network reads, (T, M).
        """
        if self.spectro_normalization:
            mean, std = self.spectro_normalization
            log_mel = (log_mel - mean) / std
        if not self.augment:
            return log_mel
        if seed is None:
            seed = int(torch.randint(1 << 62, ()))
        return self.transform_augment(log_mel, seed)

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Turn waveforms (samples, B) into spectrograms (T, B, M).

        Each utterance has masks of its own.
        """
        decibels = self.transform_tospectro(waveforms.T)  # (B, M, T)
        finished = [self.finish(one.T) for one in decibels]  # B x (T, M)
        return torch.stack(finished, dim=1)  # (T, B, M)


def pack_sequences(sequences: list[Tensor]) -> PackedSequence:
    """Pack sequences of different lengths, in whatever order they come.

    Args:
        sequences: B tensors (L_i, ...), each of its own length L_i.

    Returns:
        The packed sequences: unpacking gives them back in the same order.
    """
    # >>> E04
    #: (3 steps) the lengths; pad to the longest; pack without asking for an order
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    padded = pad_sequence(sequences)  # (L, B, ...)
    return pack_padded_sequence(padded, lengths, enforce_sorted=False)
    # <<< E04


class BatchCollate:
    """Makes a minibatch out of clips.

    Args:
        nmels: Mel bands M.
        augment: Mask random times and bands of each utterance.
        spectro_normalization: Mean and standard deviation in dB, or None.
    """

    def __init__(
        self,
        nmels: int,
        augment: bool,
        spectro_normalization: tuple[float, float] | None = None,
    ) -> None:
        self.charmap = CharMap()
        self.processor = WaveformProcessor(
            rate=_DEFAULT_RATE,
            win_length=_DEFAULT_WIN_LENGTH * 1e-3,
            win_step=_DEFAULT_WIN_STEP * 1e-3,
            nmels=nmels,
            augment=augment,
            spectro_normalization=spectro_normalization,
        )

    def collate(self, utterances: list[Utterance]) -> Minibatch:
        """Make a minibatch out of log-mels.

        Each utterance is finished alone, before it is padded: so it gets the same
        features alone as in a batch.

        Args:
            utterances: B utterances: ``log_mel`` (T_i, M), ``sentence``, ``seed``.

        Returns:
            The packed spectrograms, float32 (T, B, M), and the packed transcripts,
            int64 (U, B), both in the order of ``utterances``.
        """
        # >>> E05
        #: (3 steps) finish each log-mel with its seed; encode each sentence as a
        #: tensor; pack both
        spectrograms = [self.processor.finish(u.log_mel, u.seed) for u in utterances]
        transcripts = [
            torch.tensor(self.charmap.encode(u.sentence)) for u in utterances
        ]
        return pack_sequences(spectrograms), pack_sequences(transcripts)
        # <<< E05

    def __call__(self, batch: list[tuple[Tensor, int, dict[str, str]]]) -> Minibatch:
        """Make a minibatch out of items of ``load_dataset``."""
        return self.collate(
            [
                Utterance(
                    self.processor.log_mel(waveform, rate),
                    row["sentence"],
                    int(torch.randint(1 << 62, ())),
                )
                for waveform, rate, row in batch
            ]
        )


def unpack_minibatch(minibatch: Minibatch) -> list[tuple[Tensor, Tensor]]:
    """Take a minibatch apart again, without any padding.

    Args:
        minibatch: Packed spectrograms and packed transcripts.

    Returns:
        For each utterance, in the order it was packed: its spectrogram (T_i, M) and
        the indices of its transcript (U_i,).
    """
    # >>> E06
    #: (2 steps) unpack both; cut each utterance at its own lengths
    spectrograms, n_frames = pad_packed_sequence(minibatch[0])  # (T, B, M), (B,)
    transcripts, n_chars = pad_packed_sequence(minibatch[1])  # (U, B), (B,)
    return [
        (spectrograms[: n_frames[b], b], transcripts[: n_chars[b], b])
        for b in range(len(n_frames))
    ]
    # <<< E06


def load_dataset(
    fold: str, commonvoice_root: str, commonvoice_version: str, lang: str = "fr"
) -> CommonVoice:
    """Open one fold: its items are ``(waveform (1, samples), rate, row)``.

    Raises:
        LabError: There is no such fold; the message names the ways out.
    """
    return CommonVoice(fold, commonvoice_root, commonvoice_version, lang)


def get_dataloaders(
    commonvoice_root: str,
    commonvoice_version: str,
    cuda: bool,
    batch_size: int = 64,
    n_threads: int = 4,
    min_duration: float = 1,
    max_duration: float = 5,
    small_experiment: bool = False,
    train_augment: bool = False,
    nmels: int = _DEFAULT_NUM_MELS,
    logger: logging.Logger | None = None,
    normalize: bool = True,
    loading: Loading = Loading(),  # noqa: B008 (it cannot be changed)
) -> Loaders:
    """Make the loaders of the training, validation and test folds.

    Args:
        commonvoice_root: Folder of the corpora.
        commonvoice_version: Folder of one release.
        cuda: Whether the minibatches go to a CUDA device.
        batch_size: Utterances in a minibatch, of all processes together.
        n_threads: Worker processes at most.
        min_duration: Shortest clip kept, in seconds.
        max_duration: Longest clip kept, in seconds.
        small_experiment: One minibatch of the training fold, in all three loaders.
        train_augment: Mask the training spectrograms (SpecAugment).
        nmels: Mel bands M.
        logger: Where the sizes and the normalisation are written.
        normalize: Bring the spectrograms to mean 0 and standard deviation 1.
        loading: What long runs need besides.

    Returns:
        Loaders of ``(packed spectrograms, packed transcripts)``.

    Raises:
        LabError: A fold is missing, or none of its clips can be used.
    """
    loaders = make_loaders(
        partial(BatchCollate, nmels),
        (commonvoice_root, commonvoice_version),
        cuda=cuda,
        batch_size=batch_size,
        n_threads=n_threads,
        durations=(min_duration, max_duration),
        small_experiment=small_experiment,
        train_augment=train_augment,
        nmels=nmels,
        normalize=normalize,
        loading=loading,
    )
    if logger:
        sizes = (len(loader.dataset) for loader in loaders)
        logger.info("{} training, {} dev, {} test clips".format(*sizes))
        mean_and_std = loaders[0].collate_fn.normalization
        logger.info(f"normalisation (mean, standard deviation in dB): {mean_and_std}")
    return loaders


def plot_spectro(
    spectrogram: Tensor, transcript: Tensor, win_step: float, charmap: CharMap
) -> Figure:
    """Plot one spectrogram under its transcript.

    Args:
        spectrogram: (T, M), in dB.
        transcript: The indices of the transcript, (U,).
        win_step: Seconds from one frame to the next.
        charmap: The alphabet.

    Returns:
        The figure.
    """
    figure, (axes,) = stack_axes(1)
    draw_spectrogram(axes, spectrogram, win_step, "dB")
    axes.set_title(charmap.decode(transcript.tolist()))
    return figure


def ex_pack() -> None:
    """Show how ``pack_sequences`` packs different lengths, and how they come back."""
    sequences = [torch.randn(length, 80) for length in (5, 9, 2)]  # (T_i, M)
    packed = pack_sequences(sequences)
    print(f"packing lengths 5, 9, 2: data {tuple(packed.data.shape)}")
    print(f"  utterances alive at each frame: {packed.batch_sizes.tolist()}")
    padded, lengths = pad_packed_sequence(packed)  # (T, B, M), (B,)
    print(f"  unpacked: {tuple(padded.shape)}, lengths {lengths.tolist()}")


def test_spectro() -> None:
    """Plot the log-mel spectrogram of one training clip."""
    clips = load_dataset(
        "train", _DEFAULT_COMMONVOICE_ROOT, _DEFAULT_COMMONVOICE_VERSION
    )
    waveform, rate, row = clips[min(10, len(clips) - 1)]
    collate = BatchCollate(_DEFAULT_NUM_MELS, augment=False)
    log_mel = collate.processor.log_mel(waveform, rate)  # (T, M)
    transcript = torch.tensor(collate.charmap.encode(row["sentence"]))
    figure = plot_spectro(
        log_mel, transcript, _DEFAULT_WIN_STEP * 1e-3, collate.charmap
    )
    save_figure(figure, FIGURES / "spectrogram.png")


def plot_minibatch() -> None:
    """Plot a minibatch of the training fold, masked as in training."""
    train, _, _ = get_dataloaders(
        _DEFAULT_COMMONVOICE_ROOT,
        _DEFAULT_COMMONVOICE_VERSION,
        cuda=False,
        batch_size=4,
        small_experiment=True,
        train_augment=True,
    )
    charmap = CharMap()
    utterances = unpack_minibatch(next(iter(train)))
    figure, rows = stack_axes(len(utterances))
    for axes, (spectrogram, transcript) in zip(rows, utterances):
        draw_spectrogram(
            axes, spectrogram, _DEFAULT_WIN_STEP * 1e-3, "standard deviations"
        )
        axes.set_title(charmap.decode(transcript.tolist()))
    save_figure(figure, FIGURES / "minibatch.png")


def main() -> None:
    """Answer the questions and show what the network reads."""
    print(f"vocabulary size: {question1()}")
    encoded, decoded = question2()
    print(f"{QUESTION_SENTENCE} is encoded as {encoded}")
    print(f"  and decoded as {decoded}")
    ex_pack()
    test_spectro()
    plot_minibatch()


if __name__ == "__main__":
    raise SystemExit(run_program(main))

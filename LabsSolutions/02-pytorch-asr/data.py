"""From mp3 clips and their transcripts to minibatches.

    python data.py        answer the questions, plot a spectrogram and a minibatch

Axis letters: T frames, B utterances, M mel bands, U characters of a transcript.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
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
from torch.utils.data import DataLoader
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

from labkit.audio import SpecAugment, resample
from labkit.base import run_program
from labkit.corpus import CommonVoice, DatasetFilter, default_location
from labkit.figures import draw_spectrogram, save_figure, stack_axes
from labkit.loading import (
    PLAIN,
    SPEEDS,
    LengthBatches,
    Utterance,
    UtteranceSet,
    make_loader,
)
from labkit.text import ALPHABET

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

    They are ``¬``, the space, ``¦ ' , .``, the digits, ``¶ ❌`` and the letters a to z.
    Index 0 is the CTC blank; it never occurs in a transcript. A transcript starts
    with ``¶`` and ends with ``¦``; a character outside the alphabet becomes ``❌``.
    """

    blank = ALPHABET.blank
    eoschar = ALPHABET.end
    soschar = ALPHABET.start
    unknown = ALPHABET.unknown

    def __init__(self) -> None:
        self.alphabet = ALPHABET
        self.idx2char = list(ALPHABET.symbols)
        self.char2idx = dict(ALPHABET.index)

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
        return self.alphabet.encode(text)

    def decode(self, indices: Sequence[int]) -> str:
        """Map indices to their symbols, one by one."""
        return self.alphabet.decode(indices)

    def plain(self, text: str) -> str:
        """Leave ``¶`` and ``¦`` out of a decoded text, as error rates need it."""
        return self.alphabet.plain(text)


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
    normalization: tuple[float, float] | None = None,
    fits: Callable[[int, str], bool] | None = None,
    seed: int = 0,
    cache: str | None = None,
    batch_frames: int | None = None,
    speed_perturbation: bool = False,
    rank: int = 0,
    world_size: int = 1,
    lang: str = "fr",
) -> tuple[DataLoader, DataLoader, DataLoader]:
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
        logger: Where the sizes and the normalisation are told.
        normalize: Bring the spectrograms to mean 0 and standard deviation 1.
        normalization: Mean and standard deviation in dB, instead of measuring them.
        fits: Tells whether T frames are enough for the loss of a sentence; None
            keeps every utterance.
        seed: Seed of the order, of the masks and of the speeds.
        cache: Folder where log-mels are kept from run to run, or None.
        batch_frames: Frames in a minibatch, instead of ``batch_size``.
        speed_perturbation: Play training clips at 0.9, 1 or 1.1 times their speed.
        rank: Which of the processes that train together this one is.
        world_size: How many they are; each gets its share of every minibatch.
        lang: Folder of one language.

    Returns:
        Loaders of ``(packed spectrograms, packed transcripts)``.

    Raises:
        LabError: A fold is missing, or none of its clips can be used.
    """
    to_log_mel = BatchCollate(nmels, augment=False).processor.log_mel

    def open_fold(fold: str, speeds: Sequence[float] = (PLAIN,)) -> UtteranceSet:
        clips = load_dataset(fold, commonvoice_root, commonvoice_version, lang)
        clips = DatasetFilter(clips, min_duration, max_duration)
        limit = batch_size if small_experiment else None
        kept = None if small_experiment else cache
        return UtteranceSet(
            clips, to_log_mel, fits, nmels, limit, n_threads, seed, speeds, kept
        )

    def loader_of(fold: UtteranceSet, augment: bool, shuffle: bool) -> DataLoader:
        frames = None if small_experiment else batch_frames
        batches = LengthBatches(fold, batch_size, shuffle, frames, rank, world_size)
        collate = BatchCollate(nmels, augment, normalization)
        return make_loader(batches, collate, cuda)

    perturbs = speed_perturbation and not small_experiment
    train = open_fold("train", SPEEDS if perturbs else (PLAIN,))
    valid = train if small_experiment else open_fold("dev")
    test = train if small_experiment else open_fold("test")
    if normalize and normalization is None:
        normalization = train.normalization()
    if not normalize:
        normalization = None
    if logger:
        logger.info(f"{len(train)} training, {len(valid)} dev, {len(test)} test clips")
        logger.info(f"normalisation (mean, standard deviation in dB): {normalization}")
    return (
        loader_of(train, train_augment, shuffle=True),
        loader_of(valid, augment=False, shuffle=False),
        loader_of(test, augment=False, shuffle=False),
    )


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

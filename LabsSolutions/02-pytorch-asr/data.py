"""From mp3 clips and their transcripts to minibatches.

    python data.py        answer the questions, plot a spectrogram and a minibatch

Axis letters: T frames, B utterances, M mel bands, U characters of a transcript.
"""

from __future__ import annotations

import logging
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
from torch.utils.data import DataLoader
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

from labkit.audio import NormalizeAndMask, resample
from labkit.base import run_program
from labkit.corpus import CommonVoice, default_location
from labkit.figures import plot_spectrograms, save_figure
from labkit.loading import Loading, Utterance
from labkit.text import Characters

_DEFAULT_CORPUS = default_location()
_DEFAULT_COMMONVOICE_ROOT, _DEFAULT_COMMONVOICE_VERSION = _DEFAULT_CORPUS
_DEFAULT_RATE = 16000  # Hz
_DEFAULT_WIN_LENGTH = 40  # ms
_DEFAULT_WIN_STEP = 10  # ms
_DEFAULT_NUM_MELS = 20  # bands
QUESTION_SENTENCE = "Je vais m'éclater avec des RNNS!"

Minibatch = tuple[PackedSequence, PackedSequence]


class CharMap(Characters):
    """The alphabet of 44 symbols: the blank ``¬``, a-z, 0-9, space, ``' , .``, markers.

    A transcript starts with ``¶`` and ends with ``¦``; what has no symbol becomes
    ``❌``. ``encode(text)`` gives its indices, ``decode(indices)`` the symbols back;
    ``vocab_size`` is V, ``blankid`` the index of the blank, ``eos`` that of ``¦``;
    ``idx2char`` and ``char2idx`` are the tables.
    """


def question1() -> int:
    """How many symbols does the alphabet hold? Ask a CharMap."""
    # >>> E01
    return CharMap().vocab_size
    # <<< E01


def question2() -> tuple[list[int], str]:
    """Encode QUESTION_SENTENCE; return its indices, and the text decoded from them."""
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
        augment: Mask random times and bands: SpecAugment (Park et al. 2019);
            "strong" for more and wider masks.
        spectro_normalization: Mean and standard deviation in dB; or "utterance", for
            those of each band of each utterance; or None.
    """

    def __init__(
        self,
        rate: int,
        win_length: float,
        win_step: float,
        nmels: int,
        augment: bool | str,
        spectro_normalization: tuple[float, float] | str | None,
    ) -> None:
        self.rate = rate
        self.hop_length = round(win_step * rate)  # samples
        self.spectro_normalization = spectro_normalization
        n_fft = round(win_length * rate)  # samples
        self.transform_tospectro = self.build_tospectro(
            rate, n_fft, self.hop_length, nmels
        )
        self.transform_finish = NormalizeAndMask(
            spectro_normalization, augment, nmels, win_step
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
        """Normalise a log-mel (T, M) in dB and, in training, mask it.

        Returns:
            What the network reads, (T, M); ``seed`` decides the masks.
        """
        return self.transform_finish(log_mel, seed)

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Turn waveforms (samples, B) into spectrograms (T, B, M); mask each alone."""
        decibels = self.transform_tospectro(waveforms.T)  # (B, M, T)
        finished = [self.finish(one.T) for one in decibels]  # B x (T, M)
        return torch.stack(finished, dim=1)  # (T, B, M)


def pack_sequences(sequences: list[Tensor]) -> PackedSequence:
    """Pack sequences of different lengths, in any order.

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
        augment: Mask random times and bands of each utterance; or "strong".
        spectro_normalization: As ``WaveformProcessor`` has it.
    """

    def __init__(
        self,
        nmels: int,
        augment: bool | str,
        spectro_normalization: tuple[float, float] | str | None = None,
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

        Each is finished before padding, so that it is the same alone and in a batch.

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
        encoded = [self.charmap.encode(u.sentence) for u in utterances]
        transcripts = [torch.tensor(indices) for indices in encoded]
        return pack_sequences(spectrograms), pack_sequences(transcripts)
        # <<< E05

    def __call__(self, batch: list[tuple[Tensor, int, dict[str, str]]]) -> Minibatch:
        """Make a minibatch out of items of ``load_dataset``."""
        log_mel = self.processor.log_mel
        return self.collate(
            [
                Utterance(log_mel(clip, rate), row["sentence"])
                for clip, rate, row in batch
            ]
        )


def unpack_minibatch(minibatch: Minibatch) -> list[tuple[Tensor, Tensor]]:
    """Split a minibatch into its utterances, without padding.

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
    """Open one fold: its items are ``(waveform (1, samples), rate, row)``."""
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
    train_augment: bool | str = False,
    nmels: int = _DEFAULT_NUM_MELS,
    logger: logging.Logger | None = None,
    normalize: bool = True,
    loading: Loading = Loading(),  # noqa: B008 (it cannot be changed)
) -> tuple[DataLoader, DataLoader, DataLoader]:
    """Make the loaders of the minibatches of the training, dev and test folds.

    Args:
        commonvoice_root: Folder of the corpora.
        commonvoice_version: Folder of one release.
        cuda: Whether the minibatches go to a CUDA device.
        batch_size: Utterances in a minibatch, of all processes together.
        n_threads: Worker processes at most.
        min_duration: Shortest clip kept, in seconds.
        max_duration: Longest clip kept, in seconds.
        small_experiment: One minibatch of the training fold, in all three loaders.
        train_augment: Mask the training spectrograms (SpecAugment); or "strong".
        nmels: Mel bands M.
        logger: Where the sizes and the normalisation are written.
        normalize: Bring the spectrograms to mean 0 and standard deviation 1.
        loading: Further settings, for long runs.

    Raises:
        LabError: A fold is missing, or none of its clips can be used.
    """
    return loading.make_loaders(
        partial(BatchCollate, nmels),
        (commonvoice_root, commonvoice_version),
        cuda=cuda,
        batch_size=batch_size,
        n_threads=n_threads,
        durations=(min_duration, max_duration),
        small_experiment=small_experiment,
        train_augment=train_augment,
        nmels=nmels,
        logger=logger,
        normalize=normalize,
    )


def plot_spectro(
    spectrogram: Tensor, transcript: Tensor, win_step: float, charmap: CharMap
) -> Figure:
    """Plot a spectrogram (T, M) in dB, ``win_step`` s a frame, and its transcript."""
    title = charmap.decode(transcript.tolist())
    return plot_spectrograms([spectrogram], [title], win_step, "dB")


def show_packing() -> None:
    """Print how ``pack_sequences`` packs different lengths, and how they come back."""
    packed = pack_sequences([torch.randn(length, 80) for length in (5, 9, 2)])
    print(f"packing lengths 5, 9, 2: data {tuple(packed.data.shape)}")
    print(f"  sequences that have each frame: {packed.batch_sizes.tolist()}")
    padded, lengths = pad_packed_sequence(packed)  # (T, B, M), (B,)
    print(f"  unpacked: {tuple(padded.shape)}, lengths {lengths.tolist()}")


def show_figures() -> None:
    """Draw a training clip in dB, and a minibatch normalised and masked."""
    collate, win_step = BatchCollate(_DEFAULT_NUM_MELS, False), _DEFAULT_WIN_STEP * 1e-3
    waveform, rate, row = load_dataset("train", *_DEFAULT_CORPUS)[0]
    log_mel = collate.processor.log_mel(waveform, rate)  # (T, M)
    transcript = torch.tensor(collate.charmap.encode(row["sentence"]))  # (U,)
    figure = plot_spectro(log_mel, transcript, win_step, collate.charmap)
    save_figure(figure, Path("logs/figures/spectrogram.png"))
    small = {"batch_size": 4, "small_experiment": True, "train_augment": True}
    train, _, _ = get_dataloaders(*_DEFAULT_CORPUS, cuda=False, **small)
    spectrograms, transcripts = zip(*unpack_minibatch(next(iter(train))))
    titles = [collate.charmap.decode(one.tolist()) for one in transcripts]
    figure = plot_spectrograms(spectrograms, titles, win_step, "standard deviations")
    save_figure(figure, Path("logs/figures/minibatch.png"))


def main() -> None:
    """Answer the questions and show what the network reads."""
    print(f"vocabulary size: {question1()}")
    encoded, decoded = question2()
    print(f"{QUESTION_SENTENCE} is encoded as {encoded}\n  and decoded as {decoded}")
    show_packing()
    show_figures()


if __name__ == "__main__":
    raise SystemExit(run_program(main))

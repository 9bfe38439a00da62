"""The networks: spectrograms in, scores of every symbol at every frame out.

    python models.py      answer the question, print the shapes of a forward pass

Axis letters: T frames, T' frames after the convolutions, B utterances, C channels,
M mel bands, H hidden units, V symbols of the alphabet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from data import CharMap
from torch import Tensor, nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
)

from labkit.base import run_program
from labkit.decoding import Encoding, beam_search

CELL_TYPES = {"GRU": nn.GRU, "LSTM": nn.LSTM}
N_CHANNELS = 32
MAX_ACTIVATION = 20.0  # upper bound of Hardtanh, as in Deep Speech 2


def question3() -> tuple[int, int, int, int]:
    """Return the shape to which ``CTCModel.build_cnn`` brings (1, 1, T=122, M=80)."""
    raise NotImplementedError("E15")


def output_lengths(lengths: Tensor, layers: Iterable[nn.Module]) -> Tensor:
    """Compute how many frames of each utterance leave the convolutions.

    The model, the loss and the filter of short clips all use it. The formula stands
    in the documentation of ``nn.Conv2d``, under "Shape".

    Args:
        lengths: Frames T of each utterance, int64 (B,).
        layers: ``nn.Conv2d`` over (T, M), and others, which change no length.

    Returns:
        Frames T' of each utterance, int64 (B,).
    """
    # useful: layer.kernel_size, layer.stride and layer.padding; the first
    # entry of each is that of time
    raise NotImplementedError("E11")


def required_frames(transcript: Sequence[int]) -> int:
    """Count the frames that a CTC path through ``transcript`` needs.

    Args:
        transcript: Indices of its symbols, without blank.

    Returns:
        The length of the shortest path that collapses to the transcript.
    """
    # when do two adjacent symbols need a blank between them?
    raise NotImplementedError("E07")


def mask_padding(features: Tensor, lengths: Tensor) -> Tensor:
    """Set to zero what lies past the end of each utterance.

    Args:
        features: (B, C, T, M), on any device.
        lengths: Frames of each utterance, int64 (B,), on the CPU.

    Returns:
        The masked features, (B, C, T, M).
    """
    # (2 steps) compare the index of each frame with each length; multiply
    raise NotImplementedError("E16")


def fits_ctc(
    n_frames: int, sentence: str, cnn: nn.Sequential, charmap: CharMap
) -> bool:
    """Check whether a CTC path of ``sentence`` fits into T = ``n_frames`` frames."""
    (available,) = output_lengths(torch.tensor([n_frames]), cnn).tolist()
    return available >= required_frames(charmap.encode(sentence))


class AcousticModel(nn.Module):
    """A network that scores every symbol at every frame.

    Args:
        charmap: The alphabet, of V symbols.
    """

    cnn: nn.Sequential  # every network has one; it may be empty

    def __init__(self, charmap: CharMap) -> None:
        super().__init__()
        self.charmap: CharMap = charmap

    @property
    def stride(self) -> int:
        """Frames T of the spectrogram for one frame T' of the scores."""
        convolutions = (layer for layer in self.cnn if isinstance(layer, nn.Conv2d))
        return math.prod(layer.stride[0] for layer in convolutions)

    def encode(self, inputs: PackedSequence) -> Encoding:
        """Turn packed spectrograms (T, B, M) into what decoders read."""
        return Encoding(scores=self(inputs), memory=None)  # scores: (T', B, V)

    def decode(self, inputs: PackedSequence) -> list[tuple[float, str]]:
        """Decode packed spectrograms greedily: one ``(cost, text)`` an utterance."""
        from decoding import greedy_decode  # here, because decoding comes after models

        return greedy_decode(self(inputs), self.charmap)

    def beam_decode(
        self, inputs: PackedSequence, beam_size: int, blank_id: int
    ) -> list[tuple[float, str]]:
        """Decode one utterance by beam search: its n-best list, best first."""
        return beam_search(self(inputs), self.charmap.alphabet, beam_size, blank_id)[0]


class LinearModel(AcousticModel):
    """The trivial baseline: one linear layer, applied to each frame alone.

    Args:
        charmap: The alphabet, of V symbols.
        n_mels: Mel bands M.
    """

    def __init__(self, charmap: CharMap, n_mels: int) -> None:
        super().__init__(charmap)
        self.n_mels = n_mels
        self.cnn = nn.Sequential()  # no convolution: T' = T
        self.charlin = nn.Sequential(nn.Linear(n_mels, charmap.vocab_size))

    def forward(self, inputs: PackedSequence) -> PackedSequence:
        """Score packed spectrograms (T, B, M): packed scores (T, B, V)."""
        # A packed sequence keeps all frames of all utterances in one matrix.
        return inputs._replace(data=self.charlin(inputs.data))


class CTCModel(AcousticModel):
    """Convolutions, a stack of bidirectional recurrent layers, a linear layer.

    After Deep Speech 2 (Amodei et al. 2015).

    Args:
        charmap: The alphabet, of V symbols.
        n_mels: Mel bands M.
        nhidden_rnn: Hidden units H of each direction.
        nlayers_rnn: Recurrent layers.
        cell_type: "GRU" or "LSTM".
        dropout: Probability, after each convolution and between recurrent layers.
        l1: Weight of the L1 norm in ``penalty``.
    """

    def __init__(
        self,
        charmap: CharMap,
        n_mels: int,
        nhidden_rnn: int,
        nlayers_rnn: int,
        cell_type: str,
        dropout: float,
        l1: float = 0.0,
    ) -> None:
        super().__init__(charmap)
        self.nhidden_rnn, self.nlayers_rnn = nhidden_rnn, nlayers_rnn
        self.n_mels, self.cell_type, self.l1 = n_mels, cell_type, l1
        self.cnn = self.build_cnn(dropout)
        # Only the first convolution has a stride over the mel bands.
        n_features = N_CHANNELS * ((n_mels + 1) // 2)  # C M', M' = ceil(M / 2)
        self.rnn = self.build_rnn(
            n_features, nhidden_rnn, nlayers_rnn, cell_type, dropout
        )
        self.charlin = self.build_charlin(nhidden_rnn, charmap.vocab_size)

    @staticmethod
    def build_cnn(dropout: float) -> nn.Sequential:
        """Build the two convolutions over (B, 1, T, M).

        Each is followed by batch normalisation, Hardtanh(0, 20) and Dropout2d::

            channels   kernel (T, M)   stride   padding
             1 -> 32   (41, 11)        (2, 2)   (20, 5)
            32 -> 32   (21, 11)        (2, 1)   (10, 5)

        Args:
            dropout: Probability of dropping a channel.

        Returns:
            Layers from (B, 1, T, M) to (B, 32, T', ceil(M / 2)).
        """
        # useful: nn.Conv2d, nn.BatchNorm2d, nn.Hardtanh, nn.Dropout2d
        raise NotImplementedError("E17")

    @staticmethod
    def build_rnn(
        n_features: int, nhidden: int, nlayers: int, cell_type: str, dropout: float
    ) -> nn.RNNBase:
        """Build the stack of bidirectional recurrent layers.

        Args:
            n_features: Size of one input frame.
            nhidden: Hidden units H of each direction.
            nlayers: Layers.
            cell_type: "GRU" or "LSTM".
            dropout: Probability, between two layers.

        Returns:
            Layers from (T', B, n_features) to (T', B, 2 H).
        """
        # useful: CELL_TYPES; dropout between layers needs more than one
        raise NotImplementedError("E18")

    @staticmethod
    def build_charlin(nhidden: int, vocab_size: int) -> nn.Sequential:
        """Build the output layer.

        Args:
            nhidden: Hidden units H of each direction of the recurrent layers.
            vocab_size: Symbols V.

        Returns:
            One linear layer in an ``nn.Sequential``, from the output of the
            recurrent layers to (..., V).
        """
        raise NotImplementedError("E19")

    def convolve(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the convolutions so that padding never reaches an utterance's features.

        (In training, the statistics of batch normalisation still count the padding.)

        Args:
            features: (B, 1, T, M), zero past each utterance's end.
            lengths: Frames of each utterance, (B,).

        Returns:
            The features (B, C, T', M') and their lengths T', (B,).
        """
        for layer in self.cnn:
            features = layer(features)
            lengths = output_lengths(lengths, [layer])
            # Batch normalisation shifts zeros, so the mask must come after it.
            if isinstance(layer, nn.Hardtanh):
                features = mask_padding(features, lengths)
        return features, lengths

    def forward(self, inputs: PackedSequence) -> PackedSequence:
        """Score every symbol at every frame.

        Args:
            inputs: Packed spectrograms (T, B, M).

        Returns:
            Packed scores (T', B, V), in the order of ``inputs``. Their softmax over
            V gives probabilities.
        """
        # (6 steps) unpack; (T, B, M) -> (B, 1, T, M); convolve;
        # (B, C, T', M') -> (T', B, C M'); pack; the recurrent layers and, as in
        # LinearModel, the linear layer
        raise NotImplementedError("E20")

    def penalty(self) -> Tensor:
        """Compute the L1 penalty that training adds to the loss.

        Returns:
            ``l1`` times the sum of the absolute values of the weights (matrices and
            kernels; biases and normalisation are not penalised), a scalar.
        """
        # useful: self.parameters(), and a parameter's dim()
        raise NotImplementedError("E22")


def main() -> None:
    """Answer the question and print the shapes along the network."""
    print(f"the convolutions turn the shape (1, 1, 122, 80) into {question3()}")
    model = CTCModel(CharMap(), 20, 128, 2, "GRU", dropout=0.1)
    size = sum(p.numel() for p in model.parameters())
    print(f"CTCModel with 20 mels and 2 x 128 GRU: {size:,} parameters")
    inputs = pack_sequence([torch.randn(T, 20) for T in (122, 50)])  # (T, B, M)
    scores, lengths = pad_packed_sequence(model.eval()(inputs))  # (T', B, V)
    print(f"lengths 122, 50 -> {lengths.tolist()}, scores {tuple(scores.shape)}")


if __name__ == "__main__":
    raise SystemExit(run_program(main))

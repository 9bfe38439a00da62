"""An encoder with two heads: CTC, and a decoder with attention.

    python seq2seq.py     print the shapes along the network

Listen, attend and spell (Chan et al. 2016) beside CTC (Watanabe et al. 2017). Axis
letters: T' frames of the encoder, B utterances, R rows of each (hypotheses that are
read side by side), U symbols, V symbols of the alphabet, N heads of D units, H hidden
units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from data import CharMap
from models import CTCModel
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence

from labkit.base import run_program
from labkit.decoding import (
    Decoded,
    Encoding,
    Memory,
    RecurrentState,
    TransformerDecoder,
    join_heads,
    split_heads,
)

N_EMBEDDING = 64  # units that stand for a symbol


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute scaled dot-product attention (Vaswani et al. 2017, equation 1).

    Args:
        queries: (B, N, Q, D).
        keys: (B, N, T', D).
        values: (B, N, T', D).
        mask: True for each frame that exists, (B, T').

    Returns:
        The context of each query (B, N, Q, D), and its weights (B, N, Q, T'): they
        are 0 where no frame is, and add up to 1.
    """
    # >>> E30
    #: (4 steps) dot products; scale; mask; softmax over the frames, then the mean
    scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
    scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)  # (B, N, Q, T')
    weights = scores.softmax(dim=3)
    return weights @ values, weights
    # <<< E30


def shift_transcripts(transcripts: PackedSequence) -> tuple[Tensor, Tensor, Tensor]:
    """Split transcripts into what a decoder reads and what it must answer.

    With teacher forcing, a decoder reads the true symbol before the one that it has
    to guess.

    Args:
        transcripts: Packed indices (U, B); each starts with the start and ends with
            the end.

    Returns:
        The inputs (B, U - 1), from the start on; the targets (B, U - 1), up to the
        end; the number of targets of each utterance, (B,).
    """
    # >>> E31
    #: ¶ o u i ¦: which symbols are read, and which are answered?
    padded, lengths = pad_packed_sequence(transcripts, batch_first=True)  # (B, U)
    return padded[:, :-1], padded[:, 1:], lengths - 1
    # <<< E31


class AttentionDecoder(nn.Module):
    """A GRU over the symbols, which attends to the encoder's frames.

    What attention returns is not fed back into the GRU (Luong et al. 2015), so that a
    whole string is read in one call.

    Args:
        n_symbols: V.
        n_memory: Size 2H of a frame of the encoder.
        nhidden: Hidden units of the GRU, and of all heads together.
        heads: Heads N.
        dropout: Probability, before the output layer.
    """

    def __init__(
        self, n_symbols: int, n_memory: int, nhidden: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.heads = heads
        self.embedding = nn.Embedding(n_symbols, N_EMBEDDING)
        self.rnn = nn.GRU(N_EMBEDDING, nhidden, batch_first=True)
        self.query = nn.Linear(nhidden, nhidden)
        self.key = nn.Linear(n_memory, nhidden)
        self.value = nn.Linear(n_memory, nhidden)
        self.combine = nn.Linear(2 * nhidden, nhidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(nhidden, n_symbols)

    def read(self, frames: Tensor, lengths: Tensor) -> Memory:
        """Turn the encoder's frames (T', B, 2H) into keys and values, once."""
        frames = frames.transpose(0, 1)  # (B, T', 2H)
        steps = torch.arange(frames.shape[1], device=frames.device)
        mask = steps < lengths.to(frames.device).unsqueeze(1)  # (B, T')
        keys = split_heads(self.key(frames), self.heads)  # (B, N, T', D)
        values = split_heads(self.value(frames), self.heads)
        return Memory(keys.unsqueeze(0), values.unsqueeze(0), mask)

    def recur(self, symbols: Tensor, state: RecurrentState | None) -> RecurrentState:
        """Run the GRU over symbols (B, R, U), from a state or from zeros."""
        embedded = self.embedding(symbols).flatten(0, 1)  # (B R, U, E)
        hidden, _ = self.rnn(embedded, None if state is None else state.last)
        return RecurrentState(hidden.unflatten(0, symbols.shape[:2]))  # (B, R, U, H)

    def forward(
        self, symbols: Tensor, memory: Memory, state: RecurrentState | None = None
    ) -> Decoded:
        """Read symbols: for each one, guess the next.

        Args:
            symbols: (B, R, U).
            memory: What ``read`` returned: keys and values of one layer.
            state: What an earlier call returned; None before the first symbol.

        Returns:
            Log-probabilities of what follows each symbol, (B, R, U, V); the state
            after the last; the weights of the frames, mean over heads, (B, R, U, T').
        """
        # >>> E34
        #: (6 steps) recur: its state has .hidden (B, R, U, H); a query for each symbol
        #: of each row; attend to memory.keys[0], memory.values[0], memory.mask;
        #: tanh(combine([hidden, context])); dropout; output; the result is
        #: Decoded(log_probs, state, weights)
        #: useful: split_heads (B, L, N D) -> (B, N, L, D), join_heads, which undoes it,
        #: Tensor.flatten and Tensor.unflatten
        state = self.recur(symbols, state)
        rows = symbols.shape[1:]
        queries = self.query(state.hidden).flatten(1, 2)  # (B, R U, H)
        context, weights = attend(
            split_heads(queries, self.heads),
            memory.keys[0],
            memory.values[0],
            memory.mask,
        )
        context = join_heads(context).unflatten(1, rows)  # (B, R, U, H)
        both = torch.cat([state.hidden, context], dim=3)  # (B, R, U, 2 H)
        outputs = self.output(self.dropout(self.combine(both).tanh()))
        weights = weights.mean(dim=1).unflatten(1, rows)  # (B, R, U, T')
        return Decoded(outputs.log_softmax(dim=3), state, weights)
        # <<< E34


DECODER_TYPES = {"gru": AttentionDecoder, "transformer": TransformerDecoder}


def greedy_attention(
    decoder: nn.Module,
    memory: Memory,
    limits: Tensor,
    start: int,
    end: int,
    excluded: Sequence[int],
) -> list[list[int]]:
    """Write, symbol by symbol, what the decoder finds most probable.

    Args:
        decoder: ``decoder(symbols (B, R, U), memory, state)`` is a ``Decoded``. The
            first ``state`` is None.
        memory: The frames of B utterances.
        limits: The largest number of symbols of each, the end among them, (B,).
        start: The symbol that is read first; it is not part of the result.
        end: The symbol that ends a transcript; it is.
        excluded: Symbols that must not be written.

    Returns:
        The symbols of each utterance. Without an end, they are as many as its limit.
    """
    # >>> E35
    #: one row for each utterance; when has every utterance ended? what the decoder
    #: returns has .log_probs (B, R, U, V) and .state, which the next call takes
    symbols = torch.full((len(limits), 1, 1), start, device=memory.mask.device)
    state, columns = None, []
    going = torch.ones(len(limits), dtype=torch.bool)
    while going.any():
        read = decoder(symbols, memory, state)
        state, log_probs = read.state, read.log_probs.clone()  # (B, 1, 1, V)
        log_probs[..., list(excluded)] = -math.inf
        symbols = log_probs.argmax(dim=3)  # (B, 1, 1)
        column = symbols.flatten().cpu()
        columns.append(column)
        going &= (column != end) & (limits.cpu() > len(columns))
    written = torch.stack(columns, dim=1).tolist()  # B lists
    return [
        row[: row.index(end) + 1] if end in row[:limit] else row[:limit]
        for row, limit in zip(written, limits.tolist())
    ]
    # <<< E35


class Outputs(NamedTuple):
    """The result of reading utterances and their transcripts.

    Attributes:
        encoding: CTC scores and memory.
        log_probs: Log-probabilities of each target under attention, (B, U - 1, V).
        weights: Attention of each target to the frames, (B, U - 1, T').
    """

    encoding: Encoding
    log_probs: Tensor
    weights: Tensor

    @property
    def data(self) -> Tensor:
        """The CTC scores of all frames, as those of a ``PackedSequence``."""
        return self.encoding.ctc_scores.data


class Seq2Seq(nn.Module):
    """The network of part one as an encoder, with an attention decoder beside CTC.

    Args:
        encoder: The network of part one.
        decoder: An attention decoder over its frames.
    """

    def __init__(
        self, encoder: CTCModel, decoder: AttentionDecoder | TransformerDecoder
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.charmap: CharMap = encoder.charmap

    @property
    def stride(self) -> int:
        """Frames T of the spectrogram for one frame T' of the encoding."""
        return self.encoder.stride

    def encode(self, inputs: PackedSequence) -> Encoding:
        """Turn packed spectrograms (T, B, M) into CTC scores and memory."""
        frames = []  # the output of the recurrent layers, which CTCModel keeps inside
        hook = self.encoder.rnn.register_forward_hook(
            lambda layers, given, result: frames.append(result[0])
        )
        with hook:
            scores = self.encoder(inputs)  # (T', B, V)
        return Encoding(scores, memory=frames[0])  # (T', B, 2H)

    def read(self, encoding: Encoding) -> Memory:
        """Prepare the memory of an encoding for attention."""
        return self.decoder.read(*pad_packed_sequence(encoding.attended))

    def forward(
        self, spectrograms: PackedSequence, transcripts: PackedSequence
    ) -> Outputs:
        """Read a minibatch, with teacher forcing."""
        encoding = self.encode(spectrograms)
        inputs, _, _ = shift_transcripts(transcripts)  # (B, U - 1)
        read = self.decoder(inputs.unsqueeze(1), self.read(encoding))
        return Outputs(encoding, read.log_probs.squeeze(1), read.weights.squeeze(1))

    def penalty(self) -> Tensor:
        """Compute the penalty of the encoder."""
        return self.encoder.penalty()


def main() -> None:
    """Print the shapes along the network, and what it writes before any training."""
    torch.manual_seed(0)
    charmap = CharMap()
    encoder = CTCModel(charmap, 20, 128, 2, "GRU", dropout=0.1)
    model = Seq2Seq(encoder, AttentionDecoder(44, 256, 256, 4, dropout=0.1)).eval()
    inputs = pack_sequence([torch.randn(T, 20) for T in (122, 50)])  # (T, B, M)
    texts = [torch.tensor(charmap.encode(text)) for text in ("oui", "merci")]
    outputs = model(inputs, pack_sequence(texts, enforce_sorted=False))
    shapes = (tuple(part.shape) for part in outputs[1:])
    print("log-probabilities {}, weights of the frames {}".format(*shapes))
    _, lengths = pad_packed_sequence(outputs.encoding.attended)
    memory = model.read(outputs.encoding)
    excluded = (charmap.blankid, charmap.char2idx[charmap.soschar])
    start = charmap.char2idx[charmap.soschar]
    found = greedy_attention(
        model.decoder, memory, lengths, start, charmap.eos, excluded
    )
    print(f"untrained, it writes {[charmap.decode(text) for text in found]}")


if __name__ == "__main__":
    raise SystemExit(run_program(main))

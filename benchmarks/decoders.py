"""The time and the errors of every decoder on the same posteriors.

    python benchmarks/decoders.py

One thread, 100 made-up utterances of 5 seconds. The decoders take turns, round after
round, and the least time of each counts; so only ratios are meaningful. Slow ones
are timed on the first 10 utterances. pyctcdecode takes part if Python finds it: its
release asks for an older numpy, so install it elsewhere and set PYTHONPATH:
``pip install --no-deps --target FOLDER pyctcdecode pygtrie hypothesis sortedcontainers
attrs``.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import torch
from posteriors import FRAME_SECONDS, N_FRAMES, make_posteriors
from torch.nn.utils.rnn import pack_padded_sequence

from labkit.base import Lab, run_program
from labkit.decoding import (
    FlashlightDecoder,
    Fusion,
    Hypothesis,
    SearchOptions,
    compile_ngram,
    import_decoder,
    prefix_beam_search,
)
from labkit.lm import load_language_model
from labkit.metrics import character_error_rate, word_error_rate

REFERENCE = ROOT / "LabsSolutions" / "02-pytorch-asr"
N_UTTERANCES = 100
N_SLOW = 10
ROUNDS = 5
LM_WEIGHT = 1.0  # in nats, the same for every decoder
PRUNED = {"beam_size_token": 10, "beam_threshold": 25.0, "nbest": 1}
BARS = {"batched": 0.65, "one at a time": 2.0, "language model": 2.0}
BEAMS = (1, 2, 4, 8, 16, 32, 64, 128)
TARGETS = (0.25, 0.1, 0.06, 0.05)  # WER

Decode = Callable[[int], list[list[int]]]  # the first n utterances, to indices


@dataclass
class Row:
    """A decoder and its results.

    Attributes:
        name: Its name.
        decode: Decodes the first n utterances.
        n: Number of utterances.
        peer: The row whose transcripts it should find.
        ms: Least time for an utterance.
        texts: Its transcripts.
    """

    name: str
    decode: Decode
    n: int = N_UTTERANCES
    peer: str = "batched, beam 10"
    ms: float = float("inf")
    texts: Sequence[str] = ()


class Benchmark:
    """The posteriors, and every decoder."""

    def __init__(self) -> None:
        lab = Lab(REFERENCE)
        self.decoding = lab.decoding
        charmap = lab.data.CharMap()
        self.alphabet, self.blank = charmap.alphabet, charmap.blankid
        self.symbols = charmap.alphabet.symbols
        self.log_probs, self.lengths, self.references = make_posteriors(
            self.symbols, self.blank, N_UTTERANCES
        )
        self.emissions = self.log_probs.transpose(0, 1).contiguous()  # (B, T, V)
        automaton = compile_ngram(load_language_model("char"), self.alphabet)
        self.fusion = Fusion(automaton, LM_WEIGHT, space=self.symbols.index(" "))

    def greedy(self) -> Decode:
        """Collapse the best paths."""

        def decode(n: int) -> list[list[int]]:
            scores = pack_padded_sequence(self.log_probs[:, :n], self.lengths[:n])
            return [
                self.decoding.collapse(path, self.blank)
                for _, path in self.decoding.best_paths(scores)
            ]

        return decode

    def plain(self, beam: int, fusion: Fusion | None = None) -> Decode:
        """Search with the reference's ``prefix_search``, in plain Python."""

        def decode(n: int) -> list[list[int]]:
            return [
                self.decoding.prefix_search(
                    self.log_probs[:, b], beam, self.blank, fusion
                )[0].indices
                for b in range(n)
            ]

        return decode

    def batched(
        self, beam: int, fusion: Fusion | None = None, together: int = N_UTTERANCES
    ) -> Decode:
        """Search ``together`` utterances at once."""

        def decode(n: int) -> list[list[int]]:
            found: list[list[int]] = []
            for b in range(0, n, together):
                part = slice(b, min(b + together, n))
                found += _best(
                    prefix_beam_search(
                        self.log_probs[:, part],
                        self.lengths[part],
                        beam,
                        self.blank,
                        fusion,
                    )
                )
            return found

        return decode

    def flashlight(self, beam: int, **options: Any) -> Decode:
        """Search with the lab's adapter to Flashlight."""
        settings = SearchOptions(
            beam_size=beam, lm_weight=LM_WEIGHT, symbols_per_frame=10, **options
        )
        decoder = FlashlightDecoder(self.alphabet, settings)
        return lambda n: _best(decoder.search(self.log_probs[:, :n], self.lengths[:n]))

    def bare_flashlight(self, beam: int, **options: Any) -> Decode:
        """Search with torchaudio's class directly."""
        # A file of words has no name for a space.
        names = ["|" if symbol == " " else symbol for symbol in self.symbols]
        blank = names[self.blank]
        decoder = import_decoder()(
            None, names, beam_size=beam, blank_token=blank, sil_token=blank, **options
        )
        # Its lists start and end with the token of silence, here the blank.
        return lambda n: [
            nbest[0].tokens.tolist()
            for nbest in decoder(self.emissions[:n], self.lengths[:n])
        ]

    def pyctcdecode(self, beam: int) -> Decode | None:
        """Search with pyctcdecode, if it is installed."""
        # It warns that it has no KenLM, which no row needs.
        logging.getLogger("pyctcdecode").setLevel(logging.ERROR)
        try:
            # Installed by hand, if at all.
            from pyctcdecode import (  # pyright: ignore[reportMissingImports]
                build_ctcdecoder,
            )
        except ImportError:
            return None
        labels = ["" if i == self.blank else c for i, c in enumerate(self.symbols)]
        decoder = build_ctcdecoder(labels)
        index = {c: i for i, c in enumerate(self.symbols)}
        return lambda n: [
            [index[c] for c in decoder.decode(one.numpy(), beam_width=beam)]
            for one in self.emissions[:n]
        ]

    def rows(self) -> list[Row]:
        """List the decoders of the first table; the exact search is the second."""
        added, fused = {"log_add": True, **PRUNED}, "batched, beam 10, char model"
        rows = [
            Row("greedy", self.greedy()),
            Row("batched, beam 10", self.batched(10)),
            Row("batched, beam 10, one at a time", self.batched(10, None, 1), N_SLOW),
            Row("batched, beam 50", self.batched(50)),
            Row("plain Python, beam 10", self.plain(10), N_SLOW),
            Row("Flashlight as it comes, beam 50", self.bare_flashlight(50)),
            Row("Flashlight as it comes, beam 10", self.bare_flashlight(10)),
            Row("Flashlight, beam 10", self.bare_flashlight(10, **added)),
            Row("Flashlight, beam 50", self.bare_flashlight(50, **added)),
            Row("Flashlight by the adapter, beam 10", self.flashlight(10)),
            Row(fused, self.batched(10, self.fusion), peer=fused),
            Row(
                *("Flashlight, 10, char model", self.flashlight(10, lm="char")),
                peer=fused,
            ),
            Row(
                *("Flashlight, 50, word model", self.flashlight(50, lm="word")),
                peer="",
            ),
        ]
        other = self.pyctcdecode(10)
        if other:
            rows.append(Row("pyctcdecode, beam 10", other))
        else:
            print("pyctcdecode is not installed: its row is left out")
        return rows

    def time(self, rows: Sequence[Row]) -> None:
        """Let the decoders take turns."""
        for _ in range(ROUNDS):
            for row in rows:
                start = time.perf_counter()
                found = row.decode(row.n)
                seconds = time.perf_counter() - start
                row.ms = min(row.ms, 1000 * seconds / row.n)
                row.texts = [self.text(indices) for indices in found]

    def text(self, indices: Sequence[int]) -> str:
        """Spell a transcript like a reference."""
        symbols = (self.symbols[index] for index in indices if index != self.blank)
        return "".join(symbol for symbol in symbols if symbol not in "¶¦❌").strip()

    def wer(self, texts: Sequence[str]) -> float:
        """Return the word error rate of the first transcripts."""
        return word_error_rate(self.references[: len(texts)], texts).rate


def _best(nbests: Sequence[Sequence[Hypothesis]]) -> list[list[int]]:
    return [nbest[0].indices if nbest else [] for nbest in nbests]


def print_rows(benchmark: Benchmark, rows: Sequence[Row]) -> dict[str, Row]:
    """Print the first table."""
    of = {row.name: row for row in rows}
    equal = of["Flashlight, beam 10"]
    print(f"{'':36}ms/utt  ratio   CER %  WER %  = exact  real time")
    for row in rows:
        cer = character_error_rate(benchmark.references[: row.n], row.texts).rate
        same = ""
        if row.peer:
            pairs = zip(row.texts, of[row.peer].texts)
            same = f"{sum(a == b for a, b in pairs)}/{row.n}"
        real_time = row.ms / 1000 / (N_FRAMES * FRAME_SECONDS)
        print(
            f"{row.name:34}{row.ms:8.2f}{row.ms / equal.ms:7.2f}{100 * cer:8.2f}"
            f"{100 * benchmark.wer(row.texts):7.1f}{same:>9}{real_time:11.1e}"
        )
    print("Flashlight: paths added, 10 tokens a frame, threshold 25; as it comes: not.")
    print("ratio: to Flashlight, beam 10; = exact: transcripts of the batched search.")
    return of


def judge(name: str, ratio: float, bar: float) -> None:
    """Print a ratio and its bar."""
    verdict = "met" if ratio <= bar else "MISSED"
    print(f"{name}: {ratio:.2f}, bar {bar:.2f}: {verdict}")


def time_to_wer(benchmark: Benchmark) -> None:
    """Print the second table: the least beam for a word error rate, and its time."""
    fusion = benchmark.fusion
    makers: dict[str, Callable[[int], Decode]] = {
        "batched": lambda beam: benchmark.batched(beam, fusion),
        "Flashlight": lambda beam: benchmark.flashlight(beam, lm="char"),
        "Flashlight, paths not added": lambda beam: benchmark.flashlight(
            beam, lm="char", viterbi=True
        ),
    }
    beams = {name: least_beams(benchmark, make) for name, make in makers.items()}
    slow = "plain Python"  # the same search as the batched one, but slower
    makers[slow], beams[slow] = (lambda b: benchmark.plain(b, fusion)), beams["batched"]
    rows = {
        (name, beam): Row(name, make(beam), N_SLOW if name == slow else N_UTTERANCES)
        for name, make in makers.items()
        for beam in beams[name]
        if beam
    }
    benchmark.time(list(rows.values()))
    print("\nwith the character model: ms/utt at the least beam that reaches a WER")
    print(f"{'WER at most':30}" + "".join(f"{target:>18.0%}" for target in TARGETS))
    for name in makers:
        cells = [
            f"{rows[name, beam].ms:.2f} (beam {beam:3d})" if beam else "never"
            for beam in beams[name]
        ]
        print(f"{name:30}" + "".join(f"{cell:>18}" for cell in cells))


def least_beams(
    benchmark: Benchmark, make: Callable[[int], Decode]
) -> list[int | None]:
    """Find the least beam that reaches each target."""
    least: list[int | None] = []
    for beam in BEAMS:
        wer = benchmark.wer([benchmark.text(k) for k in make(beam)(N_UTTERANCES)])
        while len(least) < len(TARGETS) and wer <= TARGETS[len(least)]:
            least.append(beam)
        if len(least) == len(TARGETS):
            break
    return [*least, *[None] * (len(TARGETS) - len(least))]


def main() -> None:
    """Print both tables and the bars."""
    torch.set_num_threads(1)
    benchmark = Benchmark()
    rows = benchmark.rows()
    benchmark.time(rows)
    of = print_rows(benchmark, rows)
    exact = of["batched, beam 10"].ms
    judge(
        "batched / Flashlight with equal results",
        exact / of["Flashlight, beam 10"].ms,
        BARS["batched"],
    )
    judge(
        "one utterance at a time / Flashlight with equal results",
        of["batched, beam 10, one at a time"].ms / of["Flashlight, beam 10"].ms,
        BARS["one at a time"],
    )
    judge(
        "batched with / without the character model",
        of["batched, beam 10, char model"].ms / exact,
        BARS["language model"],
    )
    time_to_wer(benchmark)


if __name__ == "__main__":
    raise SystemExit(run_program(main))

"""The tables that ``test`` prints: hypotheses, scores of a fold, comparisons."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from labkit.base import LabError
from labkit.decoding import Hypothesis
from labkit.evaluation.timed import TimedHypothesis
from labkit.metrics import (
    ErrorRate,
    attach_marks,
    character_error_rate,
    word_error_rate,
)

_WORST = 5  # utterances that are listed unless asked for more
_WIDTH = 88  # columns
_INDENT = "    "
_MARGIN = " " * 12  # left of an alignment, for the names of its lines
_NO_RATE = ErrorRate()
# What utterances are ranked by, then clip, reference and hypothesis.
_Row = tuple[float, int, int, str, str, str]
_TITLES = {"ctc": "network", "lm": "language model"}  # of the parts of a score
_CUT = "transcripts that ran into the limit of their length: {}"


def print_nbest(
    name: str,
    hypotheses: Sequence[TimedHypothesis],
    weights: Mapping[str, float] = MappingProxyType({}),
    bonuses: Sequence[str] = (),
) -> None:
    """Print the n-best list of a clip, and the words of the best hypothesis.

    Args:
        name: The clip.
        hypotheses: The n-best list, best first.
        weights: The weights of the parts of the scores that have one.
        bonuses: Names of the bonuses in the scores.
    """
    fused = bool(bonuses or (hypotheses and len(hypotheses[0].found.parts) > 1))
    meaning = "minus the whole score" if fused else "the negative log probability"
    print(f"{name}   (log prob: a cost, {meaning} in nats; the lower the better)")
    print("Log prob    Sequence")
    for one in hypotheses:
        print(f"{_cost(one.found.score):8.2f}    {one.shown}")
    if hypotheses and fused:
        _print_parts([one.found for one in hypotheses], weights, bonuses)
    words = hypotheses[0].words if hypotheses else []
    width = max([8, *(len(word.text) for word in words)])
    if words:
        print(f"    {'word':{width}}     start       end   confidence")
    for word in words:
        print(
            f"    {word.text:{width}}{word.start:8.2f} s{word.end:8.2f} s"
            f"{100 * word.confidence:11.0f} %"
        )


def _print_parts(
    hypotheses: Sequence[Hypothesis],
    weights: Mapping[str, float],
    bonuses: Sequence[str],
) -> None:
    """Print the terms of each score."""
    columns, terms = {}, []
    for part in hypotheses[0].parts:
        title = _TITLES.get(part, part)
        if part == "ctc" and "attention" in hypotheses[0].parts:
            title = "CTC"
        columns[title] = [one.parts[part] for one in hypotheses]
        terms.append(f"{weights[part]:g} x {title}" if part in weights else title)
    if bonuses:
        title = " and ".join(bonuses)
        columns[title] = [_bonus(one, weights) for one in hypotheses]
        terms.append(title)
    print(f"    log prob = {' + '.join(terms)}")
    print("    rank" + "".join(f"    {title}" for title in columns))
    for rank, values in enumerate(zip(*columns.values()), 1):
        cells = (
            f"{_cost(value):{len(title) + 4}.2f}"
            for title, value in zip(columns, values)
        )
        print(f"{rank:8d}{''.join(cells)}")


def _bonus(one: Hypothesis, weights: Mapping[str, float]) -> float:
    """Return what a score has besides its weighted parts."""
    return one.score - sum(weights.get(k, 1.0) * part for k, part in one.parts.items())


def _cost(log_prob: float) -> float:
    """Negate a score; one that rounds to zero is not shown as -0.00."""
    return round(-log_prob, 2) + 0.0


@dataclass
class FoldReport:
    """The score of a decoder on a fold, gathered clip by clip.

    Only counts and the worst utterances are kept, so that any fold fits into memory.
    """

    decoder: str = ""
    n_clips: int = 0
    cer: ErrorRate = _NO_RATE
    wer: ErrorRate = _NO_RATE
    speech: float = 0.0  # s of speech that were timed
    network: float = 0.0  # s that the network took for it
    decoding: float = 0.0  # s that the decoder took for it
    n_batches: int = 0
    n_calls: int = 0  # of the attention decoder
    n_cut: int = 0  # transcripts that ran into the limit of their length
    listed: int = _WORST  # how many of the worst utterances
    with_best: bool = False  # whether as many of the best are listed too
    folder: Path = Path()  # of the clips, where their whole names are listed
    _worst: list[_Row] = field(default_factory=list)
    _best: list[_Row] = field(default_factory=list)

    def add(
        self, clip: str, reference: str, hypothesis: str, cut: bool = False
    ) -> None:
        """Add one clip; ``cut`` if its transcript ran into the limit of its length."""
        self.n_cut += cut
        cer = character_error_rate([reference], [hypothesis])
        self.cer += cer
        self.wer += word_error_rate([reference], [hypothesis])
        shown = (clip, reference, hypothesis)
        # If two are equally bad, the earlier one is kept; of two good ones, the longer.
        if cer.errors:
            self._keep(self._worst, (cer.rate, 0, -self.n_clips, *shown))
        self._keep(self._best, (-cer.rate, len(reference), -self.n_clips, *shown))
        self.n_clips += 1

    def _keep(self, rows: list[_Row], row: _Row) -> None:
        heapq.heappush(rows, row)
        if len(rows) > self.listed:
            heapq.heappop(rows)

    def add_batch(
        self, n_calls: int, speech: float, network: float, decoding: float
    ) -> None:
        """Add the calls of the attention decoder for a batch, and all times, in s."""
        self.n_batches += 1
        self.n_calls += n_calls
        self.speech += speech
        self.network += network
        self.decoding += decoding

    @property
    def calls_per_batch(self) -> float:
        """Calls of the attention decoder for a batch."""
        return self.n_calls / max(self.n_batches, 1)

    @property
    def decoding_ms(self) -> float:
        """Milliseconds that the decoder took for an utterance."""
        return 1000 * self.decoding / max(self.n_clips, 1)

    @property
    def real_time_factor(self) -> float:
        """Seconds of network and decoder for each second of speech."""
        return (self.network + self.decoding) / self.speech if self.speech else 0.0

    def print(self) -> None:
        """Print CER, WER, the time it took and the worst utterances.

        Raises:
            LabError: There is no clip.
        """
        if not self.n_clips:
            raise LabError("not one clip can be used", "check the folder of the clips")
        print(f"{self.n_clips} clips")
        _print_rate("CER", self.cer)
        _print_rate("WER", self.wer)
        if self.speech:
            print(
                f"real-time factor {self.real_time_factor:.4f}   (network "
                f"{self.network:.1f} s, decoder {self.decoding:.1f} s for "
                f"{self.speech:.0f} s of speech)"
            )
        if self.n_calls:
            print(f"calls of the attention decoder: {self.calls_per_batch:.1f} a batch")
        if self.n_cut:
            print(_CUT.format(self.n_cut))
        if self.with_best:
            self._print_rows("best", self._best)
        if self._worst:
            self._print_rows("worst", self._worst)

    def _print_rows(self, which: str, rows: list[_Row]) -> None:
        print(f"{which} utterances   (S substituted, D deleted, I inserted word)")
        for rate, _, _, clip, reference, text in sorted(rows, reverse=True):
            print(f"  {self.folder / clip}  CER {100 * abs(rate):.1f} %")
            for line in alignment_lines(reference, text):
                print(_INDENT + line)


def _print_rate(name: str, rate: ErrorRate) -> None:
    print(
        f"{name} {rate}   ({rate.substitutions} substitutions, {rate.deletions} "
        f"deletions, {rate.insertions} insertions in {rate.total})"
    )


def alignment_lines(reference: str, hypothesis: str) -> list[str]:
    """Align a reference with a hypothesis, word by word, and mark the errors.

    Args:
        reference: What was said.
        hypothesis: What was recognised.

    Returns:
        Lines; a long sentence takes several groups of them. Stars stand for a word
        that is missing.
    """
    import jiwer  # here, because transcribing a clip does without it

    drawn = jiwer.visualize_alignment(
        jiwer.process_words([attach_marks(reference)], [attach_marks(hypothesis)]),
        show_measures=False,
        skip_correct=False,
        line_width=_WIDTH - len(_INDENT) - len(_MARGIN) + len("REF: "),
    )
    _, *lines = drawn.splitlines()  # the first one numbers the sentence
    names = {"REF:": "reference   ", "HYP:": "hypothesis  "}
    return [
        (names.get(line[:4], _MARGIN) + line[5:]).rstrip()
        for line in lines
        if line.strip()
    ]


def print_comparison(reports: Sequence[FoldReport], note: str = "") -> None:
    """Print the scores of several decoders on the same fold, one a line.

    Args:
        reports: Their scores; the gain of each is over the first.
        note: A line to print under the table.
    """
    width = max([7, *(len(report.decoder) for report in reports)])
    attends = any(report.n_calls for report in reports)
    calls = f" {'calls':>6}" if attends else ""
    print(
        f"{'decoder':{width}}  {'CER':>7}  {'WER':>7} {'gain':>8} {'sub.':>6} "
        f"{'del.':>6} {'ins.':>6} {'ms/utt.':>9} {'RTF':>8}{calls}"
    )
    for report in reports:
        gain = ""
        if report is not reports[0] and reports[0].wer.errors:
            gain = f"{100 * (1 - report.wer.rate / reports[0].wer.rate):+.1f} %"
        calls = f" {report.calls_per_batch:6.1f}" if attends else ""
        print(
            f"{report.decoder:{width}}  {report.cer!s:>7}  {report.wer!s:>7} {gain:>8}"
            f" {report.wer.substitutions:6d} {report.wer.deletions:6d} "
            f"{report.wer.insertions:6d} {report.decoding_ms:9.1f} "
            f"{report.real_time_factor:8.4f}{calls}"
        )
    if note:
        print(note)
    print("gain: of the WER, relative to the first line; sub., del., ins.: words;")
    print("ms/utt.: decoder alone; RTF: network and decoder, s for each s of speech")
    if attends:
        print("calls: of the attention decoder, for each batch of utterances")
    for report in reports:
        if report.n_cut:
            print(f"{report.decoder}: {_CUT.format(report.n_cut)}")

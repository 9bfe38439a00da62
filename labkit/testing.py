"""What ``main_ctc.py test`` does with a network: transcribe, score, compare, tune."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader

from labkit.alignment import align
from labkit.errors import USAGE, LabError
from labkit.evaluation import (
    LM_WEIGHTS,
    SWEPT_CLIPS,
    WORD_BONUSES,
    HeardBatch,
    TextAlphabet,
    hear_fold,
    score_searches,
    sweep,
)
from labkit.found import Found
from labkit.hypotheses import Hypothesis, describe
from labkit.plots import plot_alignment, plot_sweep, save_figure
from labkit.report import print_comparison, print_nbest
from labkit.search import Search, SearchOptions, log_posteriors
from labkit.transcripts import Transcript, TranscriptFolder, open_fold

# What --compare scores where it names no decoder.
_COMPARED = (
    *(("greedy", None), ("prefix", None), ("beam", None), ("beam", "char")),
    *(("flashlight", None), ("flashlight", "char"), ("flashlight", "word")),
)

_SHOWN_POINTS = 5  # the best of a sweep

Clip = tuple[str, float, Tensor, PackedSequence]  # name, s, log-mel (T, M), input


@dataclass
class Tester:
    """Decodes clips and folds with a network.

    Attributes:
        args: The options.
        model: The network, in evaluation mode.
        charmap: The alphabet.
        decoders: The table of decoders.
        win_step: Seconds from one frame T to the next.
        stride: Frames T for one frame T'.
    """

    args: argparse.Namespace
    model: nn.Module
    charmap: TextAlphabet
    decoders: dict[str, Callable[[TextAlphabet, SearchOptions], Search]]
    win_step: float
    stride: int

    @property
    def frame_seconds(self) -> float:
        """Seconds from one frame T' to the next."""
        return self.stride * self.win_step

    def make_search(self, decoder: str, lm: str | None, **changes: float) -> Search:
        """Make a search of the table, with the options given and ``changes``."""
        given = vars(self.args)
        known = [field.name for field in fields(SearchOptions) if field.name in given]
        options = SearchOptions(**{name: given[name] for name in known})
        options = replace(options, beam_size=self.args.beamwidth, lm=lm, **changes)
        return self.decoders[decoder](self.charmap, options)

    def describe(
        self, found: list[Found], log_probs: Tensor, seconds: float
    ) -> list[Hypothesis]:
        """Give text and times to what was found in log-probabilities (T', V)."""
        charmap = self.charmap
        return describe(
            *(found, log_probs, charmap.idx2char, charmap.blankid),
            *(self.frame_seconds, seconds),
        )

    def align(self, log_probs: Tensor) -> Found:
        """Score the transcript that was given.

        Raises:
            LabError: It cannot be aligned with log-probabilities (T', V).
        """
        indices = self.charmap.encode(self.args.transcript)
        unknown = self.charmap.encode("\0")[1]
        if unknown in indices:
            heard = self.charmap.decode(indices)
            raise LabError(
                f"--transcript has characters outside the alphabet: {heard}",
                "write what is said: « 5 euros » for « 5 € »",
                USAGE,
            )
        align(log_probs, indices, self.charmap.blankid)  # says what does not fit
        loss = torch.nn.functional.ctc_loss(
            log_probs.unsqueeze(1),
            torch.tensor([indices]),
            *(torch.tensor([len(log_probs)]), torch.tensor([len(indices)])),
            self.charmap.blankid,
            reduction="sum",
        )
        return Found(-loss.item(), -loss.item(), 0.0, indices)

    def transcribe(self, clips: Iterable[Clip]) -> None:
        """Print the hypotheses of each clip, write and draw the best."""
        args, logs = self.args, Path(self.args.baselogdir)
        search = self.make_search(args.decoder, args.lm)
        folder = TranscriptFolder(logs / "transcripts", args.output)
        for name, seconds, log_mel, inputs in clips:
            log_probs, lengths = log_posteriors(self.model(inputs))  # (T', 1, V)
            if args.transcript is None:
                (found,) = search(log_probs, lengths)
            else:
                found = [self.align(log_probs[:, 0])]
            hypotheses = self.describe(found[: args.nbest], log_probs[:, 0], seconds)
            print_nbest(name, hypotheses, bool(args.lm or args.hotwords))
            if args.output:
                transcript = Transcript(name, seconds, args.decoder, hypotheses)
                print(f"transcript: {folder.write(transcript)}")
            how = args.decoder if args.transcript is None else "as given"
            best = hypotheses[0]
            figure = plot_alignment(
                *(log_mel, best.words, best.characters, self.win_step),
                f"{best.text}   ({how})",
            )
            save_figure(figure, logs / "figures" / f"{Path(name).name}.png")

    def score(self, loader: DataLoader) -> None:
        """Print the error rates of a fold, of one decoder, of several or of a sweep."""
        args = self.args
        if args.tune:
            self.tune(loader)
        elif args.compare is not None:
            self.compare(loader)
        else:
            self.score_one(loader)

    def hear(self, loader: DataLoader, n_clips: int | None = None) -> Iterable:
        """Run the network over the fold."""
        return hear_fold(self.model, loader, self.args.device, self.args.fold, n_clips)

    def score_one(self, loader: DataLoader) -> None:
        """Print the error rates of one decoder; write the transcripts if asked to."""
        args = self.args
        search = self.make_search(args.decoder, args.lm)
        name = f"{args.fold}.{args.output}"
        path = Path(args.baselogdir, "transcripts", name)
        with open_fold(path) if args.output else nullcontext() as write:

            def keep(batch: HeardBatch, found: list[list[Found]]) -> None:
                for b, (utterance, length) in enumerate(
                    zip(batch.utterances, batch.lengths.tolist())
                ):
                    seconds = len(utterance.log_mel) * self.win_step
                    nbest = found[b][: args.nbest]
                    hypotheses = self.describe(
                        nbest, batch.log_probs[:length, b], seconds
                    )
                    write(
                        Transcript(
                            *(utterance.clip, seconds, args.decoder, hypotheses),
                            utterance.sentence,
                        )
                    )

            (report,) = score_searches(
                self.hear(loader),
                {args.decoder: search},
                *(self.charmap, self.frame_seconds, keep if write else None),
            )
        report.print()
        if write:
            print(f"transcripts: {path}")

    def compare(self, loader: DataLoader) -> None:
        """Print the error rates of several decoders in one table."""
        searches = {}
        for decoder, lm in self.args.compare or _COMPARED:
            name = f"{decoder}+{lm}" if lm else decoder
            try:
                searches[name] = self.make_search(decoder, lm)
            except LabError as error:
                # What was asked for by name must not be missing without an error.
                if self.args.compare:
                    raise
                print(f"without {name}: {error.cause}", file=sys.stderr)
        batches = self.hear(loader)
        print_comparison(
            score_searches(batches, searches, self.charmap, self.frame_seconds)
        )

    def tune(self, loader: DataLoader) -> None:
        """Print and draw the error rates for many weights of the language model."""
        args = self.args

        def make(weight: float, bonus: float) -> Search:
            return self.make_search(
                args.decoder, args.lm, lm_weight=weight, word_bonus=bonus
            )

        points = sweep(list(self.hear(loader, SWEPT_CLIPS)), make, self.charmap)
        points.sort(key=lambda point: (point.wer.rate, point.cer.rate))
        print("   WER      CER   --lm_weight   --word_bonus")
        for point in points[:_SHOWN_POINTS]:
            print(
                f"{point.wer!s:>7}  {point.cer!s:>7} {point.lm_weight:11g} "
                f"{point.word_bonus:14g}"
            )
        rates = {(p.word_bonus, p.lm_weight): p.wer.rate for p in points}
        table = [
            [rates[bonus, weight] for weight in LM_WEIGHTS] for bonus in WORD_BONUSES
        ]
        title = f"WER, {args.decoder} with {args.lm}, {args.fold} fold"
        figure = plot_sweep(LM_WEIGHTS, WORD_BONUSES, table, title)
        name = f"tune_{args.decoder}_{Path(args.lm).name}.png"
        save_figure(figure, Path(args.baselogdir, "figures", name))

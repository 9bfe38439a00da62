"""What ``main_ctc.py test`` does with a network: transcribe, score, compare, tune."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader

from labkit.base import USAGE, LabError, as_lab_error, show_error
from labkit.decoding import (
    Hypothesis,
    Search,
    SearchOptions,
    align,
    flashlight_options,
    log_posteriors,
)
from labkit.evaluation.figures import plot_alignment, plot_sweep
from labkit.evaluation.posteriors import (
    PosteriorBatch,
    TextAlphabet,
    compute_posteriors,
    score_searches,
)
from labkit.evaluation.sweep import (
    LM_WEIGHTS,
    SWEPT_CLIPS,
    WORD_BONUSES,
    SweepPoint,
    sweep,
)
from labkit.evaluation.tables import print_comparison, print_nbest
from labkit.evaluation.timed import TimedHypothesis, describe
from labkit.evaluation.transcripts import Names, Transcript, TranscriptFolder, open_fold
from labkit.figures import save_figure

_SHOWN_POINTS = 5  # the best of a sweep
# Nats a symbol by which a whole transcript costs more than the best path: 0 to 1 with
# a good network, up to 1.8 with a bad one (CER 57 %). Half of one: 1.6 to 20.
_DOUBTFUL = 2.0

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

    def options(self, lm: str | None, **changes: float) -> SearchOptions:
        """Return the options of a search: those given, and ``changes``."""
        return replace(SearchOptions.of(self.args), lm=lm, **changes)

    def make_search(self, decoder: str, lm: str | None, **changes: float) -> Search:
        """Make a search of the table that finds something, or says that it did not."""
        search = self.decoders[decoder](self.charmap, self.options(lm, **changes))

        def find(log_probs: Tensor, lengths: Tensor) -> list[list[Hypothesis]]:
            found = search(log_probs, lengths)
            if not all(found):
                raise LabError(
                    f"--decoder {decoder} found nothing",
                    "give its weights and bonuses values nearer to 0",
                )
            return found

        return find

    def describe(
        self, found: list[Hypothesis], log_probs: Tensor, seconds: float
    ) -> list[TimedHypothesis]:
        """Give text and times to what was found in log-probabilities (T', V)."""
        charmap = self.charmap
        return describe(
            *(found, log_probs, charmap.idx2char, charmap.blankid),
            *(self.frame_seconds, seconds),
        )

    def align(self, log_probs: Tensor) -> Hypothesis:
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
        cost = loss.item() + log_probs.max(dim=1).values.sum().item()
        if cost > _DOUBTFUL * len(indices):
            print(
                "warning: this may not be all that is said: its times are then not to "
                f"be trusted ({cost / len(indices):.1f} nats a symbol above the best)",
                file=sys.stderr,
            )
        return Hypothesis(-loss.item(), -loss.item(), 0.0, indices)

    def transcribe(self, read: Callable[[str], Clip]) -> None:
        """Print the hypotheses of each clip of the options, write and draw the best.

        Args:
            read: Reads a clip, given its file.

        Raises:
            LabError: A clip cannot be transcribed; the others have been.
        """
        args, logs = self.args, Path(self.args.baselogdir)
        search = self.make_search(args.decoder, args.lm)
        folder, names = TranscriptFolder(logs / "transcripts", args.output), Names()
        n_failed, n_clips = 0, len(args.audiofile)
        for name in args.audiofile:
            figure = logs / "figures" / f"{names.take(Path(name).name)}.png"
            try:
                self._transcribe_one(read(name), search, folder, figure)
            except LabError as error:
                if n_clips == 1:
                    raise
                show_error(error)
                n_failed += 1
        if n_failed:
            raise LabError(
                f"{n_failed} of {n_clips} clips are not transcribed",
                "see the errors above",
            )

    def _transcribe_one(
        self, clip: Clip, search: Search, folder: TranscriptFolder, drawn: Path
    ) -> None:
        args = self.args
        name, seconds, log_mel, inputs = clip
        log_probs, lengths = log_posteriors(self.model(inputs))  # (T', 1, V)
        if args.transcript is None:
            (found,), how = search(log_probs, lengths), args.decoder
        else:
            found, how = [self.align(log_probs[:, 0])], "as given"
        hypotheses = self.describe(found[: args.nbest], log_probs[:, 0], seconds)
        weight = args.lm_weight if args.lm else None
        print_nbest(name, hypotheses, weight, bool(args.hotwords))
        if args.output:
            transcript = Transcript(name, seconds, how, hypotheses)
            print(f"transcript: {folder.write(transcript)}")
        best = hypotheses[0]
        figure = plot_alignment(
            *(log_mel, best.words, best.characters, self.win_step),
            f"{best.text}   ({how})",
        )
        save_figure(figure, drawn)

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
        return compute_posteriors(
            self.model, loader, self.args.device, self.args.fold, n_clips
        )

    def score_one(self, loader: DataLoader) -> None:
        """Print the error rates of one decoder; write the transcripts if asked to."""
        args = self.args
        search = self.make_search(args.decoder, args.lm)
        # No clip is likely to bear this name, and its file lies in the same folder.
        name = f"fold_{args.fold}.{args.output}"
        path = Path(args.baselogdir, "transcripts", name)
        with open_fold(path) if args.output else nullcontext() as write:

            def keep(batch: PosteriorBatch, found: list[list[Hypothesis]]) -> None:
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
        for decoder, lm in self.args.part.options.used(self.args):
            name = f"{decoder}+{lm}" if lm else decoder
            try:
                search = self.make_search(decoder, lm)
                self._try(search)
            except (LabError, NotImplementedError) as error:
                shown = as_lab_error(error)
                # What was asked for by name must not be missing without an error.
                if self.args.compare or shown is None:
                    raise
                print(f"without {name}: {shown.cause}", file=sys.stderr)
                continue
            searches[name] = search
        reports = score_searches(
            self.hear(loader), searches, self.charmap, self.frame_seconds
        )
        args = self.args
        weights = f"--lm_weight {args.lm_weight:g} --word_bonus {args.word_bonus:g}"
        with_lm = any("+" in name for name in searches)
        print_comparison(reports, [weights] if with_lm else [])

    def _try(self, search: Search) -> None:
        """Search one frame: an exercise that is not written shows there."""
        n_symbols = len(self.charmap.idx2char)
        search(torch.zeros(1, 1, n_symbols).log_softmax(2), torch.tensor([1]))

    def tune(self, loader: DataLoader) -> None:
        """Print and draw the error rates for many weights of the language model."""
        args = self.args

        def make(weight: float, bonus: float) -> Search:
            return self.make_search(
                args.decoder, args.lm, lm_weight=weight, word_bonus=bonus
            )

        weights, bonuses = self._grid()
        batches = list(self.hear(loader, SWEPT_CLIPS))
        points = sweep(batches, make, self.charmap, weights, bonuses)
        usual = (args.lm_weight, args.word_bonus)
        points.sort(
            key=lambda p: (
                *(p.wer.rate, p.cer.rate),
                math.dist((p.lm_weight, p.word_bonus), usual),
            )
        )
        # Of those that are equally good, the one nearest to what is usual.
        best: dict[tuple[float, float], SweepPoint] = {}
        for point in points:
            best.setdefault((point.wer.rate, point.cer.rate), point)
        print(f"{sum(len(batch.utterances) for batch in batches)} clips")
        print("   WER      CER   --lm_weight   --word_bonus")
        for point in [*best.values()][:_SHOWN_POINTS]:
            print(
                f"{point.wer!s:>7}  {point.cer!s:>7} {point.lm_weight:11g} "
                f"{point.word_bonus:14g}"
            )
        rates = {(p.word_bonus, p.lm_weight): p.wer.rate for p in points}
        table = [[rates[bonus, weight] for weight in weights] for bonus in bonuses]
        title = f"WER, {args.decoder} with {args.lm}, {args.fold} fold"
        figure = plot_sweep(weights, bonuses, table, title)
        name = f"tune_{args.decoder}_{Path(args.lm).name}.png"
        save_figure(figure, Path(args.baselogdir, "figures", name))

    def _grid(self) -> tuple[Sequence[float], Sequence[float]]:
        """Return the weights and the word bonuses to try."""
        args = self.args
        if args.decoder != "flashlight":
            return LM_WEIGHTS, WORD_BONUSES
        if flashlight_options(self.charmap, self.options(args.lm)).lexicon is None:
            return LM_WEIGHTS, (0.0,)  # there are no words to count
        return LM_WEIGHTS[::2], WORD_BONUSES[1::2]  # each point builds a lexicon anew

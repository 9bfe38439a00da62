"""Transcribing clips: printing, writing and drawing the hypotheses and their times."""

from __future__ import annotations

import sys
from pathlib import Path

from torch import Tensor

from labkit.base import (
    USAGE,
    LabError,
    as_lab_error,
    show_error,
    unwritten_exercise,
    write_atomically,
)
from labkit.decoding import (
    Aligner,
    BeamDecoder,
    FlashlightDecoder,
    Hypothesis,
    align,
    ctc_log_probs,
    log_posteriors,
)
from labkit.evaluation.figures import plot_alignment
from labkit.evaluation.setup import Clip, CountingSearch, Setup
from labkit.evaluation.tables import print_nbest
from labkit.evaluation.transcripts import Names, Transcript
from labkit.figures import plot_attention, save_figure
from labkit.text import Alphabet, normalise

# Nats per symbol by which a transcript may cost more than the best path: complete ones
# cost 0 to 1, up to 1.8 with a bad network (CER 57 %); half of one costs 1.6 to 20.
_DOUBTFUL = 2.0
_STREAMED = 10  # frames T' that --stream gives to the decoder at a time
_TAIL = 60  # characters of a long text that it prints
_LONGEST_BY_HAND = 750  # frames T', 30 s: a viterbi() in plain Python takes T' squared


def transcribe(setup: Setup) -> None:
    """Print the hypotheses of each ``--audiofile``, write and draw the best.

    Raises:
        LabError: A clip cannot be transcribed; the others have been.
    """
    args, logs = setup.args, Path(setup.args.baselogdir)
    search = setup.make_search(args.decoder, args.lm)
    drawn, written = Names(), Names()
    n_failed, n_clips = 0, len(args.audiofile)
    for name in args.audiofile:
        clip = Path(name)
        figure = logs / "figures" / f"{drawn.take(clip.name)}.png"
        # talk.srt for talk.mp3, as players expect; talk.wav.srt where that is taken.
        stem = written.take(clip.stem, clip.name)
        text = logs / "transcripts" / f"{stem}.{args.output}"
        try:
            _transcribe_one(setup, setup.read_clip(name), search, text, figure)
        except Exception as error:
            if n_clips == 1 or unwritten_exercise(error):
                raise
            # An error that no user can fix must not stop the other clips either.
            what = f"{name}: {type(error).__name__}: {error}"
            unknown = LabError(what, "transcribe it alone to see where")
            show_error(as_lab_error(error) or unknown)
            n_failed += 1
    if n_failed:
        raise LabError(
            f"{n_failed} of {n_clips} clips are not transcribed",
            "see the errors above",
        )


def _transcribe_one(
    setup: Setup, clip: Clip, search: CountingSearch, text: Path, figure: Path
) -> None:
    """Print the hypotheses of a clip; write the files ``text`` and ``figure``."""
    args = setup.args
    encoding = setup.encode(clip.inputs)
    log_probs = log_posteriors(encoding.ctc_scores)[0][:, 0]  # (T', V)
    aligner = setup.aligner if len(log_probs) <= _LONGEST_BY_HAND else align
    how = args.decoder if args.transcript is None else "as given"
    if args.stream:
        found = _listen(setup, log_probs, search)
    elif args.transcript is None:
        (found,) = search(encoding)
    else:
        found = [score_text(args.transcript, log_probs, setup.alphabet, aligner)]
    best, *_ = hypotheses = setup.describe(found, log_probs, clip.seconds, aligner)
    bonuses = ["word bonus"] * bool(args.lm) + ["hot words"] * bool(args.hotwords)
    weights = {"lm": args.lm_weight}
    if {"ctc", "attention"} <= {*found[0].parts}:
        weights.update(ctc=args.ctc_weight, attention=1 - args.ctc_weight)
    norm = vars(args).get("length_norm")  # part one has no such option
    if norm and args.decoder in ("attention", "joint"):
        print(f"log prob is divided by the number of symbols to the power {norm:g}")
        weights, bonuses = {}, []
    print_nbest(clip.name, hypotheses, weights, bonuses)
    if best.words and aligner is not align:
        print("    times: by your viterbi(), trellis.py")
    if found[0].cut:
        print("it ran into the limit of its length: there is no end before")
    if args.output:
        transcript = Transcript(clip.name, clip.seconds, how, hypotheses)
        content = transcript.written(args.output).encode("utf-8")
        write_atomically(text, lambda new: new.write_bytes(content))
        print(f"transcript: {text}")
    if args.no_figures:
        return
    title = f"{best.shown}   ({how})"
    timed = best.words, best.characters
    save_figure(plot_alignment(clip.log_mel, *timed, setup.win_step, title), figure)
    if encoding.memory is not None:
        names, weights = setup.attention(encoding, found[0].indices)
        seconds = len(clip.log_mel) * setup.win_step
        path = figure.with_name(f"{figure.stem}_attention.png")
        save_figure(plot_attention(weights, names, seconds, "".join(names)), path)


def _listen(
    setup: Setup, log_probs: Tensor, search: CountingSearch
) -> list[Hypothesis]:
    """Search frames (T', V) bit by bit, and print the best text whenever it changes.

    Returns:
        The n-best list of the clip.
    """
    assert isinstance(search.search, (BeamDecoder, FlashlightDecoder))  # of --stream
    stream = search.search.stream(log_probs.device)
    alphabet, before, n_frames = setup.alphabet, "", 0
    for part in log_probs.split(_STREAMED):
        stream.step(part)
        n_frames += len(part)
        best = alphabet.plain(stream.best().text(alphabet))
        if best != before:
            before = best
            shown = best if len(best) <= _TAIL else f"... {best[-_TAIL:]}"
            print(f"{n_frames * setup.frame_seconds:8.2f} s  {shown}", flush=True)
    return search.checked(stream.end())


def score_text(
    text: str, log_probs: Tensor, alphabet: Alphabet, aligner: Aligner = align
) -> Hypothesis:
    """Score a transcript that was given.

    Args:
        text: What is said.
        log_probs: Log-probabilities (T', V).
        alphabet: The alphabet.
        aligner: Says whether a path spells the text.

    Raises:
        LabError: The text cannot be aligned with the log-probabilities.
    """
    indices = alphabet.encode(text)
    if alphabet.index[alphabet.unknown] in indices:
        strange = " ".join(sorted({*normalise(text)} - {*alphabet.index}))
        raise LabError(
            f"--transcript has characters outside the alphabet: {strange}",
            "write what is said: « 5 euros » for « 5 € »",
            USAGE,
        )
    aligner(log_probs, indices, alphabet.blank_id)  # raises if it does not fit
    (score,) = ctc_log_probs([indices], log_probs, alphabet.blank_id)
    cost = log_probs.max(dim=1).values.sum().item() - score
    if cost > _DOUBTFUL * len(indices):
        print(
            "warning: this may not be all that is said; if so, do not trust its "
            f"times ({cost / len(indices):.1f} nats a symbol above the best)",
            file=sys.stderr,
        )
    return Hypothesis(score, indices, {"ctc": score})

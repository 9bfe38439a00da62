"""Three dynamic programmes over a trellis: a loss, an alignment, an edit distance.

    python trellis.py      all paths of « elle » in 6 frames, their sum, the best one

The paths through a trellis are too many to list, but each state can be reached from
few states of the frame before. So their sum, or the best of them, is found frame by
frame. Nothing here is fast: ``F.ctc_loss``, labkit's alignment and jiwer are.

Axis letters: T' frames, V symbols, U symbols of a transcript, S = 2 U + 1 states.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from decoding import collapse
from torch import Tensor

from labkit.base import run_program

# A symbol of the reference and one of the hypothesis; "" where there is none.
Operation = tuple[str, str]

POSTERIORS = (  # of ¬, e and l, at each of 6 frames
    (0.2, 0.7, 0.1),
    (0.3, 0.3, 0.4),
    (0.1, 0.1, 0.8),
    (0.6, 0.1, 0.3),
    (0.2, 0.1, 0.7),
    (0.2, 0.7, 0.1),
)


def with_blanks(transcript: Sequence[int], blank: int) -> list[int]:
    """List the states of the trellis of a transcript.

    Args:
        transcript: The indices of its U symbols.
        blank: The index of the blank.

    Returns:
        The symbol of each of the S states: « elle » becomes ¬ e ¬ l ¬ l ¬ e ¬.
    """
    states = [blank]
    for symbol in transcript:
        states += [symbol, blank]
    return states


def log_sum(terms: Tensor) -> Tensor:
    """Add probabilities that are given, and returned, as logarithms.

    ``torch.logsumexp`` alone has a gradient of NaN where every term is -inf.

    Args:
        terms: (N, ...).

    Returns:
        The logarithm of their sum over the first dimension, (...).
    """
    impossible = terms.isneginf().all(dim=0)
    total = terms.masked_fill(impossible, 0.0).logsumexp(dim=0)
    return total.masked_fill(impossible, -math.inf)


def forward_loss(log_probs: Tensor, transcript: Sequence[int], blank: int) -> Tensor:
    """Compute the CTC loss of one utterance by its forward recursion.

    A path has one state of ``with_blanks(transcript, blank)`` at each frame. It starts
    in one of the first two states and ends in one of the last two. From one frame to
    the next it stays in its state, goes on to the next one, or leaves one state out:
    a blank, between two different symbols (Graves et al. 2006, section 4.1).

    The probability of a path is the product of those of its symbols. ``alpha`` holds,
    for each state, the sum over all paths through the frames so far that end in it.

    Args:
        log_probs: Log-probabilities of the V symbols at each frame, (T', V), T' > 0;
            -inf is allowed.
        transcript: The indices of its U symbols, without blank; U may be 0.
        blank: The index of the blank.

    Returns:
        The negative log probability of the transcript, in nats, a scalar that
        gradients flow through; infinite where no path fits into T' frames.
    """
    # (4 steps) which states may leave out the one before; alpha of the first frame;
    # frame by frame, the log_sum of the ways into each state, plus the
    # log-probability of its symbol; the log_sum of where a path may end
    # (in log space from the first step to the last: products would become 0)
    raise NotImplementedError("E09")


def viterbi(
    log_probs: Tensor, transcript: Sequence[int], blank: int
) -> tuple[float, list[int]]:
    """Find the most probable path of a transcript: at which frames is each symbol?

    The trellis is that of ``forward_loss``, with the best way into each state in place
    of the sum of all. Each state of each frame keeps the state that this way comes from
    (its back-pointer), so that the path can be read from its end to its start.

    ``main_ctc.py test --transcript`` and the times of words use it.

    Args:
        log_probs: Log-probabilities of the V symbols at each frame, (T', V), T' > 0;
            -inf is allowed.
        transcript: The indices of its U symbols, without blank; U may be 0.
        blank: The index of the blank.

    Returns:
        The log probability of the path, in nats, and the path, one index a frame,
        blanks among them. Where no path is possible: -inf and an empty list. Of paths
        that are equally probable, any one.
    """
    # (4 steps) the best score of each state at the first frame; frame by frame, the
    # best way into each state, kept as a back-pointer; the better of the two ends;
    # back from there, one frame at a time
    raise NotImplementedError("E27")


def edit_operations(
    reference: Sequence[str], hypothesis: Sequence[str]
) -> list[Operation]:
    """Turn a reference into a hypothesis with as few errors as possible.

    Args:
        reference: What was said: the characters of a text, or a list of its words.
        hypothesis: What was recognised, in the same units.

    Returns:
        The operations from left to right: ``(a, a)`` is right, ``(a, b)`` substitutes b
        for a, ``(a, "")`` deletes a, ``("", b)`` inserts b. Of lists that have equally
        few errors (Levenshtein 1966), any one.
    """
    # (2 steps) the fewest errors between the first i symbols of the reference and the
    # first j of the hypothesis, for each i and j; back from the last of these numbers,
    # each time to a neighbour that explains it
    raise NotImplementedError("E28")


def error_rate(operations: Sequence[Operation]) -> float:
    """Divide the errors by the symbols of the reference: CER or WER, by the units."""
    errors = sum(said != heard for said, heard in operations)
    return errors / sum(said != "" for said, _ in operations)


def show_paths(word: str, symbols: str, posteriors: Sequence[Sequence[float]]) -> None:
    """List the CTC paths of a word, and compare their sum with two losses.

    Args:
        word: The transcript.
        symbols: The V symbols, the blank first.
        posteriors: The probability of each symbol at each frame, (T', V).
    """
    transcript = [symbols.index(symbol) for symbol in word]
    n_frames, found = len(posteriors), []
    paths = list(product(range(len(symbols)), repeat=n_frames))
    for path in paths:
        if collapse(path, blank=0) == transcript:
            mass = math.prod(posteriors[t][k] for t, k in enumerate(path))
            found.append((mass, " ".join(symbols[k] for k in path)))
    print(f"{n_frames} frames of {' '.join(symbols)}: {len(paths)} paths, ", end="")
    print(f"{len(found)} of them spell « {word} »")
    for mass, spelt in sorted(found, reverse=True):
        print(f"    {spelt}   p = {mass:.6f}")
    total = sum(mass for mass, _ in found)
    print(f"all of them together: p = {total:.6f}, and -ln p = {-math.log(total):.4f}")

    scores = torch.tensor(posteriors).log().requires_grad_()
    log_probs = scores.log_softmax(dim=1)  # (T', V)
    loss = forward_loss(log_probs, transcript, blank=0)
    sizes = torch.tensor([n_frames]), torch.tensor([len(transcript)])
    library = F.ctc_loss(
        log_probs.unsqueeze(1), torch.tensor([transcript]), *sizes, reduction="sum"
    )
    ours, theirs = (
        torch.autograd.grad(one, scores, retain_graph=True)[0]
        for one in (loss, library)
    )
    same = "the same" if torch.allclose(ours, theirs, atol=1e-5) else "another"
    print(f"forward_loss (E09): {loss.item():.4f}")
    print(f"F.ctc_loss:         {library.item():.4f}, {same} gradient")
    log_prob, path = viterbi(log_probs.detach(), transcript, blank=0)
    spelt = " ".join(symbols[k] for k in path)
    print(f"viterbi (E27): {spelt}   p = {math.exp(log_prob):.6f}")


def kind_of(said: str, heard: str) -> str:
    """Name an operation."""
    if said == heard:
        return "right"
    return "substitution" if said and heard else "deletion" if said else "insertion"


def show_errors(reference: str, hypothesis: str) -> None:
    """Print the operations between two texts, and their error rates."""
    import jiwer  # here, because main_ctc.py starts faster without it

    words = edit_operations(reference.split(), hypothesis.split())
    characters = edit_operations(reference, hypothesis)
    print(f"« {reference} » was recognised as « {hypothesis} »")
    for said, heard in words:
        print(f"    {said or '*':8}{heard or '*':8}{kind_of(said, heard)}")
    print(f"WER (E28): {100 * error_rate(words):.1f} %", end="")
    print(f", by jiwer: {100 * jiwer.wer(reference, hypothesis):.1f} %")
    print(f"CER (E28): {100 * error_rate(characters):.1f} %", end="")
    print(f", by jiwer: {100 * jiwer.cer(reference, hypothesis):.1f} %")


def main() -> None:
    """Show each of the three on a case that is small enough to check by hand."""
    show_paths("elle", "¬el", POSTERIORS)
    print()
    show_errors("elle est la", "el est pas la")


if __name__ == "__main__":
    raise SystemExit(run_program(main))

"""Oracles of what a language model says of whole sentences, and of their starts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from labkit.decoding.fusion.automaton import Scorer
from labkit.lm.ngram import END, START, NGram


def score(model: NGram, symbols: Sequence[str]) -> float:
    """Return ln p of a whole sentence, its ``</s>`` included."""
    sentence = (START, *symbols, END)
    return sum(
        model.log_prob(sentence[max(0, i - model.order + 1) : i], sentence[i])
        for i in range(1, len(sentence))
    )


def perplexity(model: NGram, sentences: Sequence[Sequence[str]]) -> float:
    """Return the perplexity a symbol, each ``</s>`` counted as one."""
    total = sum(score(model, symbols) for symbols in sentences)
    return math.exp(-total / sum(len(symbols) + 1 for symbols in sentences))


def gain_so_far(scorer: Scorer, indices: Sequence[int]) -> float:
    """Return what a transcript gains that may continue."""
    total, state = 0.0, scorer.start
    for symbol in indices:
        gain, state = scorer.step(state, symbol)
        total += gain
    return total

"""Shallow fusion of language models and hot words into a search.

Both are compiled to automata over the symbols of the alphabet. A search of one prefix
steps through them in plain Python; one of whole batches looks all states up in the
same tables. What they add depends on the symbols of a transcript alone, never on its
frames.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor

from labkit.base import USAGE, LabError
from labkit.decoding.check import other_alphabet
from labkit.decoding.fusion.automaton import Automaton, Scorer
from labkit.lm import END, SPACE, START, UNKNOWN, NGram
from labkit.text import Alphabet

_MAX_BYTES = 2 * 2**30  # of the tables of an automaton
_BYTES_PER_CELL = 8  # int32 and float32


@dataclass(frozen=True, eq=False)
class Fusion:
    """The gain that a search adds to the acoustic score of a prefix, symbol by symbol.

    The gain of a symbol is ``lm_weight`` ln p(symbol | those before), plus
    ``word_bonus`` if it is the space, plus what it gains in hot words.
    """

    lm: Scorer | None  # its gains are ln p
    lm_weight: float
    word_bonus: float = 0.0  # word insertion bonus of each space, in nats
    space: int = 1  # its index
    hotwords: Automaton | None = None
    _placed: dict[tuple[int, torch.device], list[Scorer]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        """Refuse weights that are not finite."""
        if not (math.isfinite(self.lm_weight) and math.isfinite(self.word_bonus)):
            raise LabError(
                f"weight {self.lm_weight} and word bonus {self.word_bonus} of a "
                "language model must be finite",
                "give two finite numbers",
                USAGE,
            )

    def scorers(self, n_symbols: int, device: torch.device) -> list[Scorer]:
        """Return the automata whose gains add up to a symbol's, for one search.

        Raises:
            LabError: An automaton is of another alphabet than the ``n_symbols`` V of
                the scores that are searched.
        """
        key = n_symbols, device
        if key not in self._placed:
            automata: list[Scorer] = [self.hotwords] if self.hotwords else []
            lm = self.lm
            if lm is None and self.word_bonus:
                nothing = torch.zeros(1, n_symbols)
                lm = Automaton(0, nothing.int(), nothing, torch.zeros(1))
            if lm and (self.lm_weight or self.word_bonus):
                options = self.lm_weight, self.space, self.word_bonus
                automata.insert(0, lm.weighted(*options))
            for automaton in automata:
                if automaton.n_symbols != n_symbols:
                    raise LabError(
                        f"a language model or hot words of {automaton.n_symbols} "
                        f"symbols for scores of {n_symbols}",
                        "compile them for the alphabet of the network",
                    )
            self._placed[key] = [automaton.to(device) for automaton in automata]
        for scorer in filter(None, (*self._placed[key], self.lm)):
            scorer.renew()
        return self._placed[key]


def compile_ngram(model: NGram, alphabet: Alphabet) -> Automaton:
    """Compile a model of characters; the gain of a symbol is ln p.

    A state is a context: the longest suffix of the transcript that the model lists.
    ``¶`` gains nothing at the start of a transcript; elsewhere it is an unknown
    character, like ``❌`` and every character that the model has never seen. ``¦``
    gains ln p(</s>); the end of the transcript then gains nothing more, and what
    follows is unknown, as if a new one started. Without ``¦`` the end gains
    ln p(</s>).

    Raises:
        LabError: It is a model of words or of another alphabet, or too large.
    """
    # The start is <s> where a transcript starts, and unknown elsewhere.
    names = {
        **{alphabet.space: SPACE, alphabet.end: END},
        **{alphabet.start: UNKNOWN, alphabet.unknown: UNKNOWN},
    }
    named = [names.get(char, char) for char in alphabet.symbols]
    scored = [name for name in named if name != alphabet.blank]
    every = dict.fromkeys([*scored, END, UNKNOWN, START])
    columns = {name: column for column, name in enumerate(every)}
    _check_model(model, columns)
    contexts = _contexts(model)
    if (len(contexts) + 1) * len(alphabet.symbols) * _BYTES_PER_CELL > _MAX_BYTES:
        raise LabError(
            f"a language model of {len(contexts)} contexts is too large to compile",
            "prune it: a lower order, or higher minimal counts for its long n-grams",
        )
    next_, gain = _tabulate(model, contexts, columns)

    known = set(model.vocabulary)

    def column(name: str) -> int:
        return columns[name if name in known else UNKNOWN]

    start, end, blank = contexts[(START,)], len(contexts), alphabet.blank_id
    final, unknown = gain[:, column(END)].clone(), gain[start, column(UNKNOWN)]
    chosen = [column(name) for name in named]
    next_, gain = next_[:, chosen], gain[:, chosen]
    gain[end], next_[end], final[end] = unknown, start, 0.0
    for char, symbol in alphabet.index.items():
        if char == alphabet.start:
            gain[start, symbol], next_[start, symbol] = 0.0, start
        elif char == alphabet.end:
            next_[:end, symbol] = end
    gain[:, blank], next_[:, blank] = 0.0, torch.arange(end + 1, dtype=torch.int32)
    return Automaton(start, next_, gain, final)


def _check_model(model: NGram, columns: Collection[str]) -> None:
    """Refuse a model of words, or of symbols that are not in the alphabet."""
    if not model.is_character_model:
        raise LabError(
            "this search needs a language model of characters, not one of words",
            "use --lm char; or --decoder flashlight, on Python 3.12 or older",
            USAGE,
        )
    unknown = [symbol for symbol in model.vocabulary if symbol not in columns]
    if unknown:
        raise other_alphabet(unknown)


def _contexts(model: NGram) -> dict[tuple[str, ...], int]:
    """Number the contexts that the model distinguishes, the shortest first."""
    contexts = {gram[:-1] for gram in model.log_probs}
    contexts |= {context for context, weight in model.backoffs.items() if weight}
    # A context is reached through the contexts that are its prefixes.
    for context in [*contexts]:
        while context and context[:-1] not in contexts:
            context = context[:-1]
            contexts.add(context)
    contexts |= {(), (START,)}
    return {context: i for i, context in enumerate(sorted(contexts, key=len))}


def _tabulate(
    model: NGram, contexts: dict[tuple[str, ...], int], columns: dict[str, int]
) -> tuple[Tensor, Tensor]:
    """Fill the tables of the next context and of ln p, both (contexts, columns).

    Level by level, a context copies the row of its fallback, which is the longest
    context that it ends with, then adds the n-grams that the model lists for it.
    """
    owner = torch.tensor([contexts[gram[:-1]] for gram in model.log_probs])
    symbol = torch.tensor([columns[gram[-1]] for gram in model.log_probs])
    log_prob = torch.tensor([*model.log_probs.values()])
    _, *longer = contexts
    prefix = torch.tensor([0, *(contexts[context[:-1]] for context in longer)])
    last = torch.tensor([0, *(columns[context[-1]] for context in longer)])
    weight = torch.tensor([model.backoffs.get(context, 0.0) for context in contexts])
    ends = torch.tensor([len(context) for context in contexts]).bincount().cumsum(0)

    n_states = len(contexts) + 1  # the last one, where a transcript has ended, is left
    gain = torch.empty(n_states, len(columns))
    next_ = torch.zeros(n_states, len(columns), dtype=torch.int32)
    fallback = torch.zeros(n_states, dtype=torch.long)
    gain[0] = model.log_prob((), UNKNOWN)
    begin = 0
    for end, end_of_longer in zip(ends.tolist(), [*ends.tolist()[1:], len(contexts)]):
        rows, children = slice(begin, end), slice(end, end_of_longer)
        if begin > 1:  # the fallback of a single symbol is the empty context
            fallback[rows] = next_[fallback[prefix[rows]], last[rows]].long()
        if begin:
            next_[rows] = next_[fallback[rows]]
            gain[rows] = gain[fallback[rows]] + weight[rows, None]
        here = (begin <= owner) & (owner < end)
        gain[owner[here], symbol[here]] = log_prob[here]
        ids = torch.arange(end, end_of_longer, dtype=torch.int32)
        next_[prefix[children], last[children]] = ids
        begin = end
    return next_, gain

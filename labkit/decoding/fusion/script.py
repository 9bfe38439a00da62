"""A language model written in Python as an automaton, whose states come as needed."""

from __future__ import annotations

from labkit.base import USAGE, LabError
from labkit.decoding.fusion.automaton import Scorer
from labkit.lm import UNKNOWN, ScriptModel
from labkit.text import Alphabet

_MOST_STATES = 1 << 18  # are kept from one search to the next
_ENDED = object()  # the state of a transcript that has ended


class ScriptAutomaton(Scorer):
    """A state stands for the symbols before it, as the model has read them.

    The start and the end of a transcript mean what they mean to an n-gram model, see
    ``compile_ngram``.

    Args:
        model: A model of characters; one of words is refused.
        alphabet: The alphabet.
        weight: Of its scores.
        bonus: Added for each space, in nats.
    """

    start = 0

    def __init__(
        self,
        model: ScriptModel,
        alphabet: Alphabet,
        weight: float = 1,
        bonus: float = 0,
    ) -> None:
        if model.units != "char":
            raise LabError(
                f"{model.name}: this search needs a language model of characters",
                "use --decoder flashlight for one of words",
                USAGE,
            )
        self.model, self.alphabet = model, alphabet
        self.weight, self.bonus = weight, bonus
        self._forget()

    def _forget(self) -> None:
        """Drop every state but the first."""
        self._states: list[object] = [self.model.start()]
        self._after: dict[tuple[int, int], tuple[float, int]] = {}

    @property
    def n_symbols(self) -> int:
        """The symbols V, the blank among them."""
        return len(self.alphabet.symbols)

    def weighted(self, weight: float, space: int, bonus: float) -> ScriptAutomaton:
        """Return the same with gains times ``weight``, and a bonus for the space."""
        return ScriptAutomaton(self.model, self.alphabet, weight, bonus)

    def step(self, state: int, symbol: int) -> tuple[float, int]:
        """Return the gain of a symbol and the next state."""
        key = (state, symbol)
        if key not in self._after:
            log_prob, after = self._read(state, self.alphabet.symbols[symbol])
            bonus = self.bonus * (self.alphabet.symbols[symbol] == self.alphabet.space)
            self._after[key] = self.weight * log_prob + bonus, after
        return self._after[key]

    def _read(self, state: int, char: str) -> tuple[float, int]:
        """Return ln p of a character, and the next state."""
        alphabet, before = self.alphabet, self._states[state]
        if char == alphabet.blank or (char == alphabet.start and state == self.start):
            return 0.0, state
        if before is _ENDED:  # as if a new transcript started with something unknown
            _, log_prob = self.model.score(self._states[self.start], UNKNOWN)
            return log_prob, self.start
        if char == alphabet.end:
            return self.model.finish(before), self._number(_ENDED)
        strange = char in (alphabet.start, alphabet.unknown)
        after, log_prob = self.model.score(before, UNKNOWN if strange else char)
        return log_prob, self._number(after)

    def _number(self, state: object) -> int:
        self._states.append(state)
        return len(self._states) - 1

    def end(self, state: int) -> float:
        """Return what is added where a transcript ends in ``state``."""
        before = self._states[state]
        return 0.0 if before is _ENDED else self.weight * self.model.finish(before)

    def renew(self) -> None:
        """Drop the states of the searches before, where they are many."""
        if len(self._states) > _MOST_STATES:
            self._forget()

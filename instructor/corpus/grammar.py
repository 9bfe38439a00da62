"""A small grammar of everyday French over a closed vocabulary.

To read thirty of its sentences, from the root of the repository:

    python instructor/corpus/grammar.py

`make_corpus.py` gives these sentences to a speech synthesiser. A sentence is a
template whose slots are filled by semantic class, so that people eat food
and trains leave at noon. `lexicon.py` holds the gender of each noun;
articles, possessives and adjectives follow from it, and a last pass writes the
elisions ("l'avion") and contractions ("au", "du").
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter

from lexicon import ADJECTIVES, NOUNS, PHRASES, TEMPLATES

_SLOT = re.compile(r"\{(\w+)(?:\.(\w+))?\}")
_VOWEL = "aeiouyéèêàâîôûœh"
_ELIDED = re.compile(rf"\b(je|ne|de|le|la|se|ce|que) (?=[{_VOWEL}])")
_POSSESSIVES = {"my": ("mon", "ma"), "your": ("ton", "ta"), "his": ("son", "sa")}


def words_of(sentence: str) -> list[str]:
    """Split a sentence into the words that the vocabulary counts.

    A word is a run of letters once the sentence is lower-cased, its accents
    removed and "œ" written "oe". An elided word keeps its apostrophe ("l'avion"
    is "l'" and "avion"), a hyphen separates ("grand-mère" is "grand" and
    "mere"), and "aujourd'hui" is one word.
    """
    return re.findall(r"aujourd'hui|[a-z]+'?", plain_text(sentence))


def plain_text(sentence: str) -> str:
    """Reduce a sentence to letters without accents, apostrophes and spaces."""
    text = sentence.lower().replace("œ", "oe").replace("’", "'")
    text = unicodedata.normalize("NFD", text)
    text = "".join(c for c in text if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^a-z']", " ", text).split())


def _noun_phrase(gender: str, noun: str, form: str, first_person: bool) -> str:
    """Put before a noun the determiner that a slot asks for."""
    feminine = gender == "f"
    article = "la" if feminine else "le"
    if form in _POSSESSIVES:
        masculine_form, feminine_form = _POSSESSIVES[
            "my" if form == "his" and first_person else form
        ]
        # "mon amie": a feminine possessive never meets a vowel.
        before_vowel = noun[0].lower() in _VOWEL
        owner = feminine_form if feminine and not before_vowel else masculine_form
        return f"{owner} {noun}"
    return {
        "bare": noun,
        "the": f"{article} {noun}",
        "a": f"une {noun}" if feminine else f"un {noun}",
        "some": f"de {article} {noun}",
        "of": f"de {article} {noun}",
        "at": f"à {article} {noun}",
        "within": f"dans {article} {noun}",
    }[form]


def _expand(template: str, rng: random.Random) -> str:
    """Fill every slot of a template, leaving elisions to `_written`."""
    used: list[str] = []
    first_person = False

    def fill(match: re.Match[str]) -> str:
        nonlocal first_person
        name, form = match.group(1), match.group(2)
        if name in PHRASES:
            phrase = rng.choice(PHRASES[name])
            first_person = first_person or phrase == "je"
            return _SLOT.sub(fill, phrase)
        if name in ADJECTIVES:
            entry = rng.choice(ADJECTIVES[name].split(", ")).split("/")
            wanted = {"masc": "m", "fem": "f"}.get(form)
            if wanted is None:
                wanted = used[0 if form == "agree_first" else -1][0]
            return entry[-1] if wanted == "f" else entry[0]
        # Used once at most: no "Marie chante avec Marie".
        entries = [e for e in NOUNS[name].split(", ") if e not in used]
        used.append(rng.choice(entries))
        gender, noun = used[-1].split(":")
        return _noun_phrase(gender, noun, form, first_person)

    return _SLOT.sub(fill, template)


def _written(text: str) -> str:
    """Write the elisions and contractions, then the capital."""

    def elide(match: re.Match[str]) -> str:
        return "qu'" if match.group(1) == "que" else match.group(1)[0] + "'"

    text = _ELIDED.sub(elide, text)
    text = re.sub(r"\bde le\b", "du", text)
    text = re.sub(r"\bà le\b", "au", text)
    return text[0].upper() + text[1:]


def draw_sentence(rng: random.Random) -> str:
    """Draw one sentence; every template is as likely as another."""
    return _written(_expand(rng.choice(TEMPLATES), rng))


def draw_folds(
    seed: int, n_train: int, n_dev: int, n_test: int
) -> tuple[list[str], list[str], list[str]]:
    """Draw the distinct sentences of the three folds.

    The training sentences are picked one by one out of a handful, for the word
    that is rarest so far: plain drawing would leave "cheval" with two examples
    and give "le" a thousand.

    Returns:
        The training, development and test sentences, all different.
    """
    rng = random.Random(f"sentences {seed}")
    drawn = {draw_sentence(rng) for _ in range(40_000)}
    # Shorter ones would fall under 1.5 s, longer ones only cost training time.
    pool = sorted(s for s in drawn if 18 <= len(plain_text(s)) <= 38)
    rng.shuffle(pool)
    counts: Counter[str] = Counter()
    train: list[str] = []
    for _ in range(n_train):
        handful = rng.sample(range(len(pool)), 1500)
        best = max(handful, key=lambda i: _novelty(pool[i], counts))
        pool[best], pool[-1] = pool[-1], pool[best]
        train.append(pool.pop())
        counts.update(words_of(train[-1]))
    known = [s for s in pool if set(words_of(s)) <= set(counts)]
    return train, known[:n_dev], known[n_dev : n_dev + n_test]


def _novelty(sentence: str, counts: Counter[str]) -> float:
    """Rate a sentence by how rare its words are so far."""
    return sum(2.0 ** -counts[w] for w in words_of(sentence))


if __name__ == "__main__":
    generator = random.Random(0)
    print("\n".join(draw_sentence(generator) for _ in range(30)))

"""A small grammar of everyday French over a closed vocabulary.

To read thirty of its sentences, from the root of the repository:

    python instructor/corpus_grammar.py

`make_corpus.py` gives these sentences to a speech synthesiser. A sentence is a
template whose slots are filled by semantic class, so that what is eaten is food
and what leaves at noon is a train. The lexicon holds the gender of each noun;
articles, possessives and adjectives follow from it, and a last pass writes the
elisions ("l'avion") and contractions ("au", "du").
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter

# "gender:noun" entries; kin and names are apart by gender because some
# templates need a woman's name after "ma tante".
NOUNS: dict[str, str] = {
    "he": "m:il",
    "she": "f:elle",
    "kinm": "m:père, m:frère, m:oncle, m:grand-père, m:ami",
    "kinf": "f:mère, f:sœur, f:tante, f:grand-mère",
    "namem": "m:Paul, m:Lucas",
    "namef": "f:Marie, f:Julie",
    "kid": "m:garçon, f:fille",
    "job": "m:professeur, m:médecin",
    "food": "m:pain, m:fromage, f:soupe, f:salade, m:riz, m:poisson",
    "snack": "f:pomme, m:gâteau",
    "dish": "f:soupe, f:salade, m:gâteau, m:poisson, m:riz",
    "cold": "f:eau, m:lait",
    "drink": "f:eau, m:thé, m:lait",
    "ride": "m:train, m:bus, m:avion",
    "outing": "m:parc, f:plage, m:cinéma, f:mer, m:village",
    "open": "m:parc, f:plage, f:mer, m:village",
    "work": "f:gare, f:école, m:marché, m:bureau",
    "indoors": "f:maison, f:cuisine",
    "outdoors": "m:jardin, m:parc, f:rue",
    "pet": "m:chat, m:chien",
    "beast": "m:chat, m:chien, m:cheval",
    "text": "m:livre, f:lettre, f:histoire",
    "task": "f:leçon, f:chanson, f:histoire",
    "tool": "m:piano, f:guitare",
    "tune": "f:musique, f:chanson, m:piano",
    "event": "f:leçon, m:film",
    "view": "m:film, m:ciel, f:mer, m:jardin",
    "opening": "f:porte, f:fenêtre",
    "thing": "m:livre, f:clé, m:chapeau, f:lettre",
    "seat": "f:table, f:chaise",
    "wear": "m:manteau, m:chapeau, f:robe",
    "ware": "f:voiture, m:vélo, f:maison, m:manteau, f:robe",
    "sky": "m:ciel, f:mer",
    "prettyf": "f:maison, f:histoire, f:chanson, f:robe, f:voiture, f:ville",
    "prettym": "m:village, m:film, m:manteau, m:cheval, m:jardin",
}

# "masculine/feminine" entries; one form alone serves both genders.
ADJECTIVES: dict[str, str] = {
    "mood": "content/contente",
    "heat": "chaud/chaude, bon/bonne",
    "hue": "rouge, bleu/bleue, noir/noire",
    "dark": "bleu/bleue, noir/noire",
    "grace": "petit/petite, beau/belle",
    "effort": "facile, difficile",
}

PHRASES: dict[str, tuple[str, ...]] = {
    "man": ("{kinm.my}", "{namem.bare}", "{he.bare}", "{kinm.my}"),
    "woman": ("{kinf.my}", "{namef.bare}", "{she.bare}", "{kinf.my}"),
    "someone": ("{man}", "{woman}", "{man}", "{woman}", "{kid.the}"),
    # Subjects that take a verb whose first and third persons are alike.
    "any": ("{someone}", "{someone}", "je"),
    "day": ("lundi", "dimanche", "demain"),
    "now": ("ce matin", "ce soir", "aujourd'hui", "à midi"),
    "when": ("{day}", "{now}", "{day}", "{now}", "{now}"),
    "hour": ("midi", "trois heures", "huit heures"),
    "by": ("en train", "en bus", "en voiture", "en avion", "à vélo", "à pied"),
    "with": ("avec {kinm.his}", "avec {kinf.his}", "avec {namef.bare}"),
    "within": ("dans {indoors.the}", "dans {outdoors.the}"),
    "weather": ("il pleut", "il neige", "il fait froid"),
    "fine": ("froid", "chaud", "beau", "très froid", "très chaud", "très beau"),
    "pace": ("vite", "très vite"),
    "edible": ("{food.some}", "{food.some}", "{snack.a}"),
    "liked": ("{food.the}", "{drink.the}", "{drink.the}", "la mer", "la neige"),
}

TEMPLATES: tuple[str, ...] = (
    # Food.
    "{someone} mange {edible} {now}.",
    "{any} mange {edible} {with}.",
    "{someone} boit {drink.some} {now}.",
    "{someone} boit {drink.some} {with}.",
    "{any} prépare {dish.the} pour {kinf.my}.",
    "{any} prépare {dish.the} dans la cuisine.",
    "{any} achète {edible} au marché.",
    "{dish.the} de {kinf.my} est très {heat.agree_first}.",
    "{dish.the} de {kinm.my} est trop {heat.agree_first}.",
    "{drink.the} est trop {heat.agree} {now}.",
    "{any} aime beaucoup {liked}.",
    "{any} ne aime pas {liked}.",
    "{any} ne mange pas de {food.bare}.",
    "il ne y a plus de {food.bare} {now}.",
    "il ne y a plus de {drink.bare} {now}.",
    "veux-tu {drink.some} {now} ?",
    "tu veux {edible} {now} ?",
    "est-ce que tu veux {drink.some} ?",
    "est-ce que {someone} aime {food.the} ?",
    "{someone} boit un verre de {cold.bare} {now}.",
    "je voudrais un verre de {cold.bare}.",
    "je voudrais {edible}, s'il te plaît.",
    # Travel.
    "{someone} prend {ride.the} {when}.",
    "{someone} prend {ride.the} à {hour}.",
    "{someone} va {outing.at} {by}.",
    "{someone} va {work.at} {by}.",
    "{someone} ne va pas {outing.at} {day}.",
    "{someone} part {outing.at} {when}.",
    "{someone} part {day} {by}.",
    "{ride.the} part à {hour}.",
    "{ride.the} arrive à {hour}.",
    "quand part {ride.the} ?",
    "quand arrive {kinf.your} ?",
    "quand vas-tu {outing.at} ?",
    "où est {work.the} ?",
    "où va {kinm.your} {when} ?",
    "où vas-tu {when} ?",
    "comment vas-tu {outing.at} ?",
    "est-ce que {ride.the} part {day} ?",
    "{any} habite près de {work.the}.",
    "{any} habite dans une {grace.fem} ville.",
    "{any} habite dans un {grace.masc} village.",
    "{any} marche {outdoors.within} {with}.",
    # Family and people.
    "{kinm.my} se appelle {namem.bare}.",
    "{kinf.my} se appelle {namef.bare}.",
    "comment se appelle {kinm.your} ?",
    "comment va {kinf.your} {now} ?",
    "{woman} est {mood.agree} {now}.",
    "{man} est {mood.agree} {now}.",
    "{woman} ne est pas {mood.agree}.",
    "{man} est très {mood.agree}.",
    "{man} a très bon cœur.",
    "{any} travaille {work.at} {when}.",
    "{any} ne travaille pas {day}.",
    "{job.the} travaille {work.at}.",
    "{job.the} arrive à {hour}.",
    "{job.the} parle avec {kinf.my}.",
    "{any} parle avec {job.the}.",
    "{any} parle {with} {when}.",
    "{someone} dort {indoors.within}.",
    "{kid.the} dort bien {now}.",
    "{kid.the} court {pace} {outdoors.within}.",
    "les enfants jouent {within} {now}.",
    "les enfants jouent {open.at} {now}.",
    "les enfants vont {outing.at} {when}.",
    "les enfants vont à l'école {by}.",
    "les enfants sont {outing.at} {now}.",
    # School and reading.
    "{someone} lit {text.a} {within}.",
    "{someone} lit {text.a} {when}.",
    "{someone} écrit une lettre à {kinf.his}.",
    "{someone} écrit une histoire {when}.",
    "{someone} apprend {task.the} par cœur.",
    "{kid.the} apprend {task.a} à l'école.",
    "{text.the} de {kinf.my} est {effort.agree_first}.",
    "{text.the} de {kinm.my} est trop {effort.agree_first}.",
    "la leçon est trop {effort.fem} {now}.",
    "le professeur lit {text.a}.",
    # Music and shows.
    "{any} joue {tool.of} {when}.",
    "{any} joue {tool.of} {with}.",
    "{any} écoute {tune.the} {when}.",
    "{any} écoute {tune.the} {with}.",
    "{any} chante {within} {now}.",
    "{any} chante une belle chanson {now}.",
    "{someone} chante très bien {now}.",
    "{event.the} commence à {hour}.",
    "{event.the} commence {day}.",
    "quand commence {event.the} ?",
    "{any} regarde {view.the} {now}.",
    "{any} regarde un film {with}.",
    # Weather.
    "il fait {fine} {now}.",
    "il fait {fine} {open.at}.",
    "est-ce que il fait {fine} {open.at} ?",
    "il neige {open.at} {now}.",
    "il pleut {open.at} {now}.",
    "{weather} dans la rue.",
    "en hiver, {weather} {open.at}.",
    "en hiver, {someone} va {outing.at}.",
    "en été, il fait très beau {open.at}.",
    "en été, il fait chaud {open.at}.",
    "en été, {someone} va {outing.at}.",
    "le soleil brille {within}.",
    "le soleil brille {open.at} {now}.",
    "{sky.the} est {dark.agree} {now}.",
    "il y a de la neige {open.at} {now}.",
    "il y a du soleil {within}.",
    "regarde la neige {within} !",
    # Home and things.
    "{any} ouvre {opening.the} {now}.",
    "prépare {dish.the}, s'il te plaît !",
    "regarde {view.the}, s'il te plaît !",
    "ouvre {opening.the}, s'il te plaît !",
    "écoute {tune.the}, s'il te plaît !",
    "{thing.the} est sur {seat.the}.",
    "{thing.my} est sous {seat.the}.",
    "où est {thing.my} ?",
    "{any} cherche {thing.his} {indoors.within}.",
    "{any} cherche {thing.a} {now}.",
    "{someone} porte {wear.a} {hue.agree}.",
    "{any} porte {wear.a} {hue.agree} {now}.",
    "{ware.the} de {kinm.my} est {hue.agree_first}.",
    "{ware.the} de {kinf.my} est {hue.agree_first}.",
    "{any} achète {ware.a} {hue.agree}.",
    "ce est une très belle {prettyf.bare}.",
    "ce est un très beau {prettym.bare}.",
    # Animals.
    "{pet.the} dort sous {seat.the}.",
    "{pet.the} dort sur {seat.the} {now}.",
    "{pet.the} boit de l'eau {within}.",
    "{beast.the} court {pace} {outdoors.within}.",
    "{beast.the} mange {now} {outdoors.within}.",
    "le cheval mange une pomme {now}.",
    "{any} cherche {pet.the} {within}.",
    "{someone} a un petit {pet.bare} noir.",
    "{someone} a un beau {pet.bare} noir.",
)

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
    heard: Counter[str] = Counter()
    train: list[str] = []
    for _ in range(n_train):
        handful = rng.sample(range(len(pool)), 1500)
        best = max(handful, key=lambda i: _novelty(pool[i], heard))
        pool[best], pool[-1] = pool[-1], pool[best]
        train.append(pool.pop())
        heard.update(words_of(train[-1]))
    known = [s for s in pool if set(words_of(s)) <= set(heard)]
    return train, known[:n_dev], known[n_dev : n_dev + n_test]


def _novelty(sentence: str, heard: Counter[str]) -> float:
    """Rate how much a sentence would teach, given the words heard so far."""
    return sum(2.0 ** -heard[w] for w in words_of(sentence))


if __name__ == "__main__":
    generator = random.Random(0)
    print("\n".join(draw_sentence(generator) for _ in range(30)))

"""Make the embedded corpus: synthetic French speech in Common Voice layout.

From the root of the repository (`apt-get install espeak-ng` first):

    python instructor/corpus/make_corpus.py
    python instructor/corpus/make_corpus.py --seed 17 --output corpora/mini

eSpeak NG reads the sentences of `grammar.py` with many voices; each
clip then gets its own spectral tilt, noise and level. The folder OUTPUT/fr is
replaced at the very end, once every stated property of the corpus has been checked.
One seed gives one corpus, byte for byte, on one machine.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile as sf
from grammar import draw_folds, plain_text, words_of
from speech import DURATION_BOUNDS, SAMPLE_RATE, Clip, CorpusError, Voice, record

FOLD_SIZES = {"train": 900, "dev": 60, "test": 60}
MIN_OCCURRENCES = 8
MAX_BYTES = 12_000_000
# 32 kbit/s, the least that LAME has at this rate. At a variable rate the smallest
# files lose what lies above 5 kHz, and with it the sibilants.
MP3_COMPRESSION = 0.99
COLUMNS = (
    "client_id path sentence_id sentence sentence_domain up_votes down_votes "
    "age gender accents variant locale segment"
).split()

# Variants of eSpeak NG by fold. Some are near-twins of others (john of m2, f5 of
# f2, robert of rob, Denis of victor): twins never sit in two folds, or a voice
# of dev would be in training under another name.
VARIANTS = {
    "train": {
        "male": "m1 m3 m4 m6 m7 m8 Alex adam benjamin boris Diogo edward2 grandpa "
        "gustave norbert quincy Henrique marcelo Michael pablo",
        "female": "f1 f4 aunty belinda linda steph Alicia grandma",
    },
    "dev": {"male": "m2 rob max", "female": "f2 f5"},
    "test": {"male": "m5 Mario victor", "female": "f3 Annie"},
}
CV_GENDERS = {"male": "male_masculine", "female": "female_feminine"}
# Voices per variant: women have fewer variants, so each lends more voices.
VOICES_PER_VARIANT = {
    "train": {"male": 3, "female": 5},
    "dev": {"male": 2, "female": 3},
    "test": {"male": 2, "female": 3},
}
# The few variants of espeak-ng leave gaps between them. Training voices fill those
# gaps: they are played up to so many percent slower or faster, formants and all.
FORMANTS = (90, 112)


def draw_voices(seed: int, fold: str) -> list[Voice]:
    """Draw the speakers of a fold: several pitches and vocal tracts per variant."""
    rng = random.Random(f"voices {seed} {fold}")
    voices = []
    for gender, variants in VARIANTS[fold].items():
        per_variant = VOICES_PER_VARIANT[fold][gender]
        for variant in variants.split():
            # Two speakers of a variant are at least 7 steps of pitch apart.
            for pitch in rng.sample(range(36, 66, 7), per_variant):
                pitch_range, rate = rng.randint(70, 140), rng.randint(110, 130)
                formants = rng.randint(*FORMANTS) if fold == "train" else 100
                voices.append(
                    Voice(variant, gender, pitch, pitch_range, rate, formants)
                )
    return voices


def plan_clips(seed: int) -> list[Clip]:
    """Choose the speaker, the sentence and the number of each clip."""
    folds = dict(zip(FOLD_SIZES, draw_folds(seed, *FOLD_SIZES.values())))
    rng = random.Random(f"plan {seed}")
    # Shuffled over the whole corpus: a number reveals neither fold nor voice.
    numbers = list(range(1, sum(FOLD_SIZES.values()) + 1))
    rng.shuffle(numbers)
    clips = []
    for fold, sentences in folds.items():
        voices = draw_voices(seed, fold)
        rng.shuffle(voices)
        order = rng.sample(sentences, len(sentences))
        for i, sentence in enumerate(order):
            clips.append(Clip(fold, numbers.pop(), sentence, voices[i % len(voices)]))
    return clips


def write_clip(clip: Clip, seed: int, folder: Path) -> float:
    """Write one MP3, and return its duration after decoding, in seconds."""
    path = folder / clip.name
    sf.write(
        path,
        record(clip, seed),
        SAMPLE_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=MP3_COMPRESSION,
    )
    decoded, rate = sf.read(path)
    if rate != SAMPLE_RATE or decoded.ndim != 1:
        raise CorpusError(f"{clip.name} is not 48 kHz mono")
    if np.abs(decoded).max() >= 0.99:
        raise CorpusError(f"{clip.name} is clipped")
    return len(decoded) / rate


def write_tables(clips: list[Clip], durations: dict[str, float], root: Path) -> None:
    """Write the tables, given the seconds that each clip lasts."""
    for fold in FOLD_SIZES:
        lines = ["\t".join(COLUMNS)]
        for clip in clips:
            if clip.fold == fold:
                row: dict[str, str] = dict.fromkeys(COLUMNS, "")
                row.update(
                    client_id=clip.voice.client_id,
                    path=clip.name,
                    sentence_id=hashlib.sha256(clip.sentence.encode()).hexdigest(),
                    sentence=clip.sentence,
                    up_votes="2",
                    down_votes="0",
                    gender=CV_GENDERS[clip.voice.gender],
                    locale="fr",
                )
                lines.append("\t".join(row.values()))
        _write_lines(root / f"{fold}.tsv", lines)
    timed = [f"{name}\t{round(1000 * s)}" for name, s in sorted(durations.items())]
    _write_lines(root / "clip_durations.tsv", ["clip\tduration[ms]", *timed])


def _write_lines(path: Path, lines: list[str]) -> None:
    """Write UTF-8 lines ended by a line feed on every system."""
    path.write_bytes(("\n".join(lines) + "\n").encode("utf-8"))


def check(clips: list[Clip], durations: dict[str, float], root: Path) -> None:
    """Raise a CorpusError unless the corpus is as its README states."""
    counts = Counter(
        w for clip in clips if clip.fold == "train" for w in words_of(clip.sentence)
    )
    rarest = min(counts, key=counts.__getitem__)
    if counts[rarest] < MIN_OCCURRENCES:
        raise CorpusError(f"{rarest!r} occurs {counts[rarest]} times in training")
    sentence_fold: dict[str, str] = {}
    variant_fold: dict[str, str] = {}
    for clip in clips:
        if sentence_fold.setdefault(clip.sentence, clip.fold) != clip.fold:
            raise CorpusError(f"in two folds: {clip.sentence}")
        if variant_fold.setdefault(clip.voice.variant, clip.fold) != clip.fold:
            raise CorpusError(f"in two folds: variant {clip.voice.variant}")
        unknown = set(words_of(clip.sentence)) - set(counts)
        if unknown:
            raise CorpusError(f"not in training: {sorted(unknown)}")
        _check_duration(clip, durations[clip.name])
    size = sum(p.stat().st_size for p in root.rglob("*") if p.is_file())
    if size >= MAX_BYTES:
        raise CorpusError(f"the corpus takes {size} bytes, {MAX_BYTES} at most")


def _check_duration(clip: Clip, seconds: float) -> None:
    """Raise if a clip is too short or too long for CTC."""
    shortest, longest = DURATION_BOUNDS
    if not shortest <= seconds <= longest:
        raise CorpusError(f"{clip.name} lasts {seconds:.2f} s: {clip.sentence}")
    text = plain_text(clip.sentence)
    doubled = sum(a == b for a, b in zip(text, text[1:]))
    # CTC at 25 frames a second needs a frame per letter and a blank in "ll".
    if 25 * seconds * 0.9 < len(text) + doubled + 2:
        raise CorpusError(f"{clip.name} is too fast for CTC: {clip.sentence}")


def summarise(clips: list[Clip], durations: dict[str, float], root: Path) -> None:
    """Print the figures of each fold, given the seconds of each clip."""
    print("fold   clips  hours  mean s  voices  words  least    MB")
    for fold in FOLD_SIZES:
        own = [clip for clip in clips if clip.fold == fold]
        seconds = sum(durations[clip.name] for clip in own)
        voices = {clip.voice.client_id for clip in own}
        counts = Counter(w for clip in own for w in words_of(clip.sentence))
        size = sum((root / "clips" / clip.name).stat().st_size for clip in own)
        print(
            f"{fold:5}  {len(own):5}  {seconds / 3600:5.3f}  "
            f"{seconds / len(own):6.2f}  {len(voices):6}  {len(counts):5}  "
            f"{min(counts.values()):5}  {size / 1e6:4.2f}"
        )


def build(seed: int, output: Path) -> None:
    """Make the corpus beside the old one, then put it in its place."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fr-", dir=output) as folder:
        root = Path(folder) / "fr"
        (root / "clips").mkdir(parents=True)
        clips = plan_clips(seed)
        durations = {}
        for done, clip in enumerate(clips, start=1):
            durations[clip.name] = write_clip(clip, seed, root / "clips")
            if done % 100 == 0:
                print(f"{done} of {len(clips)} clips", flush=True)
        write_tables(clips, durations, root)
        check(clips, durations, root)
        final = output / "fr"
        if final.exists():
            final.rename(Path(folder) / "old")
        root.rename(final)
        summarise(clips, durations, final)


def main() -> int:
    """Run the command line; the exit status is 1 if there is no corpus."""
    parser = argparse.ArgumentParser(
        description="Make synthetic French speech in the Common Voice layout."
    )
    parser.add_argument("--seed", type=int, default=17, help="default: %(default)s")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).resolve().parents[2] / "corpora" / "mini",
        help="folder that gets the fr folder (default: corpora/mini)",
    )
    arguments = parser.parse_args()
    if shutil.which("espeak-ng") is None:
        print("espeak-ng, the speech synthesiser, is not installed.", file=sys.stderr)
        print("Install it: apt-get install espeak-ng", file=sys.stderr)
        return 1
    try:
        build(arguments.seed, arguments.output)
    except CorpusError as error:
        print(f"The corpus lacks a stated property: {error}", file=sys.stderr)
        print("Change the grammar, the voices or the seed.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

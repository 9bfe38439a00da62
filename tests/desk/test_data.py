"""Properties of the alphabet and of the features."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from data import (
    BatchCollate,
    CharMap,
    WaveformProcessor,
    get_dataloaders,
    load_dataset,
    unpack_minibatch,
)
from helpers.loading import loaders_of
from torch import Tensor

from labkit.base.errors import LabError

CHARMAP = CharMap()
ALPHABET = "¬ ¦',.0123456789¶❌abcdefghijklmnopqrstuvwxyz"
LETTERS = "abcdefghijklmnopqrstuvwxyz" + "àâäæçéèêëîïôöœùûüÿñ" + "áíóúãõåøß"
SENTENCES = [
    "Portez ce vieux whisky au juge blond qui fume !",
    "Dès Noël où un zéphyr haï me vêt de glaçons würmiens, je dîne d’exquis rôtis…",
    "« L'œuvre de Lætitia ? » — demanda-t-elle ; « c'est ambigu » : voilà.",
    "“Aujourd'hui”, dit-il, il a 22 ans (et demi) !",
    "L’été 1998, l'équipe de France — les Bleus – gagna 3-0.",
    "Qu'est-ce que c'est ? Un cañon, une Straße et un maïs.",
    "Il pleut ‑ disons‐le ‑ à 12 h 30 [environ]…",
    "ÉLÈVE À L'ÉCOLE, ÇA VA ? OÙ EST LE CŒUR DE MÆVA ?",
    "Le père Noël naïf mûrit ; la ciguë aiguë, Louÿs et l'Haÿ‑les‑Roses",
    "Va‑t'en\u00a0! Il a dit\u202f: «\u00a0non\u00a0».",
    "Et/ou : 2 + 2 = 4, n'est-ce pas... oui.",
]


def normalised(text: str) -> str:
    """Encode, decode, and leave the two marks out."""
    return CHARMAP.plain(CHARMAP.decode(CHARMAP.encode(text)))


def test_the_alphabet_is_44_symbols_in_the_order_of_every_checkpoint() -> None:
    assert "".join(CHARMAP.idx2char) == ALPHABET
    assert CHARMAP.vocab_size == 44
    assert CHARMAP.blankid == 0 and CHARMAP.eos == 2
    assert CHARMAP.decode(range(44)) == ALPHABET


@pytest.mark.parametrize(
    "text, expected",
    [
        ("ÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸÑ", "aaaceeeeiioouuuyn"),
        ("œuf Œuvre ex æquo Ægir Straße", "oeuf oeuvre ex aequo aegir strasse"),
        ("Quoi ? Non ! Si ; fin.", "quoi . non . si . fin."),
        ("va-t'en, là‑bas – ici — là…ou:non", "va t'en, la bas ici la ou non"),
        ("«A» “b” \"c\" 'd'", "a b c 'd'"),
        ("l’été ‘ ici", "l'ete ' ici"),
        ("a\u00a0b\u202fc   d\t e", "a b c d e"),
        ("  bord  ", "bord"),
        ("", ""),
        ("5 €", "5 ❌"),
    ],
)
def test_encoding_normalises_what_is_not_in_the_alphabet(
    text: str, expected: str
) -> None:
    assert normalised(text) == expected


@pytest.mark.parametrize("text", SENTENCES)
def test_ordinary_french_is_never_unknown_and_its_form_does_not_matter(
    text: str,
) -> None:
    indices = CHARMAP.encode(text)
    assert CHARMAP.char2idx["❌"] not in indices
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    for other in (*forms, text.upper(), text.lower()):
        assert CHARMAP.encode(other) == indices
    assert normalised(normalised(text)) == normalised(text)


def test_each_french_letter_becomes_letters() -> None:
    for letter in LETTERS + LETTERS.upper():
        expected = normalised(letter)
        assert expected.isascii() and expected.islower() and expected.isalpha(), letter


def test_no_text_at_all_encodes_to_the_blank_or_to_a_mark_inside() -> None:
    everything = "".join(map(chr, range(0x20000)))
    shuffled = random.Random(0).choices("¬¶¦❌ aé-", k=500)
    for text in (everything, "".join(shuffled), "¬", "¶¦", ""):
        first, *inside, last = CHARMAP.encode(text)
        assert CHARMAP.decode([first, last]) == "¶¦"
        assert not {"¬", "¶", "¦"} & set(CHARMAP.decode(inside))
        assert normalised(normalised(text)) == normalised(text)


def test_plain_strips_the_two_marks_and_nothing_else() -> None:
    assert CHARMAP.plain("¶le chat. ❌¦") == "le chat. ❌"
    # A network may leave them out, or write them anywhere.
    assert CHARMAP.plain("le¶ chat") == CHARMAP.plain("le chat¦¦") == "le chat"
    assert CHARMAP.plain("¶ ¦") == CHARMAP.plain("") == ""


# ---- features


def processor(augment: bool = False, rate: int = 16000) -> WaveformProcessor:
    return WaveformProcessor(rate, 0.04, 0.01, 20, augment, (-30.0, 10.0))


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("samples", [1600, 1759, 1760, 16000, 16001])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_length_foretold_is_that_of_the_spectrogram(
    samples: int, rate: int
) -> None:
    made = processor(rate=rate)
    spectrogram = made(noise(samples, 3))
    assert spectrogram.shape == (made.get_spectro_length(samples), 3, 20)


def test_each_utterance_is_computed_as_if_it_were_alone() -> None:
    waveforms = noise(8000, 3) * torch.tensor([1.0, 1e-4, 1e-2])
    together = processor()(waveforms)
    for b in range(3):
        alone = processor()(waveforms[:, b : b + 1])
        assert torch.allclose(together[:, b : b + 1], alone, atol=1e-4)


def test_only_augment_masks_and_each_utterance_for_itself() -> None:
    waveforms = noise(16000, 1).repeat(1, 8)
    plain = processor()(waveforms)
    torch.manual_seed(0)
    masked = processor(augment=True)(waveforms)
    assert torch.equal(plain, plain[:, :1].expand_as(plain))
    zeros = masked == 0  # (T, B, M)
    assert torch.equal(masked[~zeros], plain[~zeros])
    distinct = {tuple(mask.flatten().tolist()) for mask in zeros.unbind(1)}
    assert len(distinct) > 4


def test_masks_are_at_most_5_bands_and_a_tenth_of_a_second_and_hold_zero() -> None:
    log_mel = 7 + noise(60, 20).abs()
    made, shapes = processor(augment=True), set()
    for seed in range(200):
        before = log_mel.clone()
        masked = made.finish(log_mel, seed) == 0  # (T, M)
        assert torch.equal(log_mel, before)
        frames, bands = masked.all(dim=1), masked.all(dim=0)
        assert torch.equal(masked, frames[:, None] | bands[None, :])
        for line, most in ((frames, 10), (bands, 5)):
            at = line.nonzero().flatten().tolist()
            assert len(at) <= most
            assert at == list(range(at[0], at[-1] + 1)) if at else True
        shapes.add((int(frames.sum()), int(bands.sum())))
    # Both kinds of masks are drawn, of many widths.
    assert max(n for n, _ in shapes) >= 8 and max(n for _, n in shapes) >= 4


def test_without_normalisation_the_input_is_not_masked_in_place() -> None:
    made = WaveformProcessor(16000, 0.04, 0.01, 20, True, None)
    log_mel = 7 + noise(60, 20).abs()
    before = log_mel.clone()
    assert any((made.finish(log_mel, seed) == 0).any() for seed in range(5))
    assert torch.equal(log_mel, before)


def test_a_seed_decides_the_masks_and_leaves_the_global_generator_alone() -> None:
    log_mel, made = noise(60, 20), processor(augment=True)
    state = torch.get_rng_state()
    first = [made.finish(log_mel, seed) for seed in range(9)]
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    again = [made.finish(log_mel, seed) for seed in range(9)]
    assert all(map(torch.equal, first, again))
    assert not all(torch.equal(first[0], other) for other in first)


def tone(rate: int) -> Tensor:
    phase = 2 * np.pi * 1000 * np.arange(rate) / rate  # one second of 1000 Hz
    return torch.from_numpy(0.3 * np.sin(phase)).float()[None]


def test_a_tone_has_the_same_features_at_any_rate() -> None:
    collate = BatchCollate(40, augment=False)
    row = {"sentence": "a"}
    items = [(tone(rate), rate, row) for rate in (8000, 16000, 22050, 44100, 48000)]
    spectrograms = [s for s, _ in unpack_minibatch(collate(items))]
    assert len({len(s) for s in spectrograms}) == 1
    middles = [s[20:80].mean(dim=0) for s in spectrograms]  # no edges
    peak = middles[1].argmax()
    for middle in middles:
        assert middle.argmax() == peak
        assert abs(middle[peak] - middles[1][peak]) < 0.3  # dB


def test_items_of_other_rates_collate_as_if_resampled_first(corpus: Path) -> None:
    for i, rate in enumerate((8000, 44100, 48000)):
        clip = corpus / f"v/fr/clips/clip_train_{i}.mp3"
        hiss = 0.1 * np.random.default_rng(i).standard_normal(rate)  # in every band
        soundfile.write(clip, hiss, rate, format="MP3")
    clips = load_dataset("train", str(corpus), "v")
    items = [clips[i] for i in range(6)]
    assert [rate for _, rate, _ in items[:4]] == [8000, 44100, 48000, 16000]
    resample = torchaudio.functional.resample
    first = [(resample(w, rate, 16000), 16000, row) for w, rate, row in items]
    collate = BatchCollate(20, False, (-30.0, 10.0))
    wanted, got = (unpack_minibatch(collate(batch)) for batch in (first, items))
    alone = [unpack_minibatch(collate([item]))[0] for item in items]
    for (s, t), (s2, t2), (s3, t3), item in zip(wanted, got, alone, items):
        assert s.shape == s2.shape and torch.allclose(s, s2, atol=1e-3)
        assert s.shape == s3.shape and torch.allclose(s, s3, atol=1e-4)
        assert torch.equal(t, t2) and torch.equal(t, t3)
        assert CHARMAP.decode(t.tolist()) == f"¶{item[2]['sentence']}¦"


def test_a_corpus_of_another_language_is_read(corpus: Path) -> None:
    (corpus / "v" / "fr").rename(corpus / "v" / "br")
    loaders = loaders_of(corpus, n_threads=1, lang="br")
    assert [len(loader.dataset.dataset) for loader in loaders] == [6, 6, 6]
    with pytest.raises(LabError, match="fr"):
        get_dataloaders(str(corpus), "v", cuda=False, n_threads=1)

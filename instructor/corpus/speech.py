"""One clip: a sentence spoken by eSpeak NG, with the flaws of a recording."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from grammar import plain_text

SAMPLE_RATE = 48_000  # Hz, that of Common Voice
MAX_CHARACTERS_PER_SECOND = 14.0
DURATION_BOUNDS = (1.5, 5.0)  # s
# "fr-be" and "fr-ch" give these sentences the very same samples (they count
# otherwise, "septante"), and "fr-fr" ignores the variant asked for.
LANGUAGE = "fr"


class CorpusError(Exception):
    """A stated property of the corpus does not hold, or a tool is missing."""


@dataclass(frozen=True)
class Voice:
    """One speaker: a variant and a base pitch."""

    variant: str
    gender: str
    pitch: int  # 0 to 99, the -p of espeak-ng
    pitch_range: int  # percent of what espeak-ng gives this variant
    rate: int  # the -s of espeak-ng: 150 is already 19 characters a second
    formants: (
        int  # percent of where espeak-ng puts them: a shorter vocal tract, or a longer
    )

    @property
    def client_id(self) -> str:
        """Identify the speaker as Common Voice does, in 128 hex characters."""
        name = f"{LANGUAGE}+{self.variant} pitch {self.pitch} at {self.formants}"
        return hashlib.sha512(name.encode()).hexdigest()


@dataclass(frozen=True)
class Clip:
    """One utterance of the corpus, before it is spoken."""

    fold: str
    number: int
    sentence: str
    voice: Voice

    @property
    def name(self) -> str:
        """Name the file as in the `path` column."""
        return f"mini_fr_{self.number:05d}.mp3"


def espeak(voice: Voice, sentence: str, rate: int, gap: int) -> np.ndarray:
    """Speak a sentence with eSpeak NG.

    Args:
        voice: The speaker.
        sentence: The text.
        rate: Speaking rate (-s).
        gap: Pause between words, in units of 10 ms (-g).

    Returns:
        The samples at `SAMPLE_RATE`, silence included.
    """
    # Markup, because espeak-ng 1.51 has no option for the pitch range.
    text = f'<prosody range="{voice.pitch_range}%">{sentence}</prosody>'
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        # Amplitude 40 of 200: louder, some variants saturate inside espeak-ng.
        command = ["espeak-ng", "-v", f"{LANGUAGE}+{voice.variant}", "-a", "40"]
        rate = round(rate * 100 / voice.formants)
        command += ["-p", str(voice.pitch), "-s", str(rate), "-g", str(gap)]
        command += ["-m", "-w", str(wav), "--", text]
        spoken = subprocess.run(command, capture_output=True, text=True)
        # It exits 0 even when it rejects its options.
        if not wav.exists():
            raise CorpusError(f"espeak-ng wrote nothing: {spoken.stderr.strip()}")
        speech, rate_in = sf.read(wav)
    if np.abs(speech).max() > 0.98:
        raise CorpusError(f"espeak-ng saturates: {voice.variant}, {sentence}")
    return resample(speech, rate_in, SAMPLE_RATE * 100 // voice.formants)


def resample(signal: np.ndarray, rate_in: int, rate_out: int) -> np.ndarray:
    """Resample upwards, from and to Hz, by extending the spectrum with zeros.

    The result is exactly band-limited; `signal` must be silent at both ends.
    """
    # Only a whole number of periods common to both rates keeps the ratio exact.
    step = rate_in // np.gcd(rate_in, rate_out)
    padded = np.pad(signal, (0, -len(signal) % step))
    length = len(padded) * rate_out // rate_in
    return np.fft.irfft(np.fft.rfft(padded), length) * (length / len(padded))


def trim(speech: np.ndarray, lead: float, tail: float) -> np.ndarray:
    """Cut long silence, leaving `lead` and `tail` seconds at either end."""
    # 45 dB under the peak: the last consonant of "livre" is that soft.
    loud = np.flatnonzero(np.abs(speech) > 10 ** (-45 / 20) * np.abs(speech).max())
    margins = (round(lead * SAMPLE_RATE), round(tail * SAMPLE_RATE))
    return np.pad(speech[loud[0] : loud[-1] + 1], margins)


def tilt(speech: np.ndarray, slope: float) -> np.ndarray:
    """Tilt a spectrum around 1 kHz by `slope` dB per octave (125 Hz to 8 kHz)."""
    frequencies = np.fft.rfftfreq(len(speech), 1 / SAMPLE_RATE)
    octaves = np.log2(np.clip(frequencies, 125, 8000) / 1000)
    gain = 10 ** (slope * octaves / 20)
    return np.fft.irfft(np.fft.rfft(speech) * gain, len(speech))


def coloured_noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """Draw noise of unit power: white, pink and brown mixed, sometimes hum."""
    frequencies = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    # 80 Hz to 11 kHz, the band of the speech: noise outside it costs bits for
    # nothing, and brown noise would put all its power under 80 Hz.
    band = (frequencies > 80) & (frequencies < 11_000)
    power = np.zeros(len(frequencies))
    for exponent, weight in enumerate(rng.dirichlet(np.ones(3))):
        colour = frequencies[band] ** -float(exponent)
        power[band] += weight * colour / colour.sum()
    spectrum = rng.normal(size=len(power)) + 1j * rng.normal(size=len(power))
    noise = np.fft.irfft(spectrum * np.sqrt(power), length)
    noise /= noise.std()
    if rng.random() < 0.2:
        time = np.arange(length) / SAMPLE_RATE
        for harmonic in (1, 2, 3):
            phase = rng.uniform(0, 2 * np.pi)
            noise += 0.3 * np.sin(2 * np.pi * 50 * harmonic * time + phase)
    return noise / noise.std()


def record(clip: Clip, seed: int) -> np.ndarray:
    """Speak a clip and give it the flaws of a recording.

    Args:
        clip: The utterance.
        seed: Seed of the corpus.

    Returns:
        The samples at `SAMPLE_RATE`, never clipped.
    """
    rng = np.random.default_rng([seed, clip.number])
    rate = clip.voice.rate + int(rng.integers(-6, 7))
    gap = int(rng.choice([0, 0, 0, 1, 2, 3]))
    lead, tail = rng.uniform(0.10, 0.25, size=2)
    characters = len(plain_text(clip.sentence))
    least = max(characters / MAX_CHARACTERS_PER_SECOND, DURATION_BOUNDS[0])
    speech = trim(espeak(clip.voice, clip.sentence, rate, gap), lead, tail)
    while len(speech) < least * SAMPLE_RATE:
        rate -= 4
        speech = trim(espeak(clip.voice, clip.sentence, rate, gap), lead, tail)
    speech = tilt(speech, rng.uniform(-2.0, 2.0))
    speech /= speech.std()
    snr_db = rng.uniform(20, 40)
    mixture = speech + 10 ** (-snr_db / 20) * coloured_noise(len(speech), rng)
    peak_dbfs = rng.uniform(-30, -6)
    return mixture * (10 ** (peak_dbfs / 20) / np.abs(mixture).max())

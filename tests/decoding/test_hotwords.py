"""Hot words that are not said do no harm, whatever the decoder."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from data import CharMap
from torch.nn.utils.rnn import pack_padded_sequence

from labkit.decoding.encoding import Encoding, log_posteriors
from labkit.decoding.search import BeamDecoder, SearchOptions, beam_decoder

CHARMAP = CharMap()
RECOGNISER = SimpleNamespace(charmap=CHARMAP)
HOTWORD = "abracadabra"


def encoding(seed: int, n_frames: int = 30) -> Encoding:
    """Draw scores that prefer the letters of the hot word, and its order to none."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(n_frames, 2, CHARMAP.vocab_size, generator=generator)
    scores[..., [CHARMAP.char2idx[c] for c in "abrcd "]] += 2
    lengths = torch.tensor([n_frames, n_frames - 7])
    return Encoding(pack_padded_sequence(scores, lengths), None)


@pytest.mark.parametrize("lm", [None, "char"])
def test_without_a_hot_word_the_answer_is_never_worse(lm: str | None) -> None:
    worse = unsaid = 0
    for seed in range(8):
        plain, hot = (
            beam_decoder(
                RECOGNISER,  # pyright: ignore[reportArgumentType] (all that it needs)
                SearchOptions(beam_size=4, lm=lm, hotwords=words),
            )(encoding(seed))
            for words in ((), (HOTWORD,))
        )
        for (expected, *_), found in zip(plain, hot):
            assert len(found) == 4
            assert len({tuple(one.indices) for one in found}) == 4
            scores = [one.score for one in found]
            assert scores == sorted(scores, reverse=True)
            text = CHARMAP.plain(CHARMAP.decode(found[0].indices))
            if HOTWORD not in text:
                unsaid += 1
                worse += found[0].score < expected.score - 1e-3
    assert unsaid > 5 and worse == 0


def test_a_stream_ends_as_the_whole_utterance_does() -> None:
    options = SearchOptions(beam_size=4, hotwords=(HOTWORD, "a"))
    decoder = BeamDecoder(CHARMAP.alphabet, options)
    for seed in range(3):
        inputs = encoding(seed)
        log_probs, lengths = log_posteriors(inputs.ctc_scores)
        wanted = decoder.search_all(inputs)
        for b, length in enumerate(lengths.tolist()):
            stream = decoder.stream(log_probs.device)
            for part in log_probs[:length, b].split(7):
                stream.step(part)
                assert stream.best().indices
            found = stream.end()
            assert [one.indices for one in found] == [x.indices for x in wanted[b]]


def test_a_batch_is_split_into_parts_of_the_same_utterances() -> None:
    inputs = encoding(0)
    assert inputs.split(2) == [inputs]
    decoder = BeamDecoder(CHARMAP.alphabet, SearchOptions(beam_size=4))
    parts = inputs.split(1)
    assert [part.n_frames for part in parts] == [30, 23]
    found = [nbest for part in parts for nbest in decoder(part)]
    for alone, together in zip(found, decoder(inputs)):
        assert [one.indices for one in alone] == [one.indices for one in together]

"""What the page can do: hear a clip, decode it, compare, look inside.

One network computes at a time: each method waits for its turn. The axes: T frames of
the spectrogram, T' of the network's output, M mel bands, V symbols, U symbols of a
transcript.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any

import torch
from torch.nn.utils.rnn import pack_sequence

from labkit.base import KIT_VERSION, LabError
from labkit.decoding import Hypothesis, log_posteriors
from labkit.evaluation import Setup, Transcript, describe, subtitles
from labkit.lm import SHIPPED
from labkit.metrics import character_error_rate, word_error_rate
from labkit.page.asked import Wish, one_of, read_wish, text, wrong
from labkit.page.clips import MOST_SECONDS, Heard, Recording, Shelf, to_samples
from labkit.page.inside import attention, beam_by_frame, scored
from labkit.page.networks import Desk, find_networks, make_setup
from labkit.page.pictures import mel_picture, probability_picture

_PATIENCE = 120  # s that a request waits for its turn
_MOST_SHOWN = 10  # hypotheses of an n-best list
_WIDEST = 200
_WIDEST_FOLLOWED = 20
# Prefixes times frames that the search in plain Python takes about 20 s for.
_MOST_PLAIN = 40_000


class Studio:
    """A network with its decoders, and the clips that it has heard.

    Args:
        page: The options of the page.
        desk: Gives the scripts of a part of the lab.

    Raises:
        LabError: There is no network that can be used.
    """

    def __init__(self, page: argparse.Namespace, desk: Desk) -> None:
        self._page, self._desk = page, desk
        self._turn = RLock()
        self._shelf = Shelf()
        self._networks = find_networks(Path(page.baselogdir), page.modelpath)
        self._network = self._networks[0]
        self._setup = make_setup(self._network, page, desk)

    @contextmanager
    def _my_turn(self) -> Iterator[Setup]:
        """Wait until no other request computes."""
        if not self._turn.acquire(timeout=_PATIENCE):
            raise LabError("another decoding takes long", "wait, then try again")
        try:
            with torch.inference_mode():
                yield self._setup
        finally:
            self._turn.release()

    def prepare(self) -> None:
        """Load the language model of characters: it takes some seconds."""
        with self._my_turn() as setup:
            setup.make_search("beam", "char")

    # What there is.

    def state(self) -> dict[str, Any]:
        """Say which network is used, and what it can do."""
        part = self._network.part
        return {
            "kit": KIT_VERSION,
            "network": self._network.as_dict(),
            "attention": hasattr(self._setup.model, "decoder"),
            "decoders": [
                {"name": d.name, "what": d.what, "takes_lm": d.takes_lm}
                for d in part.options.decoders
                if d.name in self._setup.decoders
            ],
            "lms": list(SHIPPED),
            "widest": _WIDEST,
            "most_seconds": MOST_SECONDS,
        }

    def networks(self) -> dict[str, Any]:
        """List the networks on disk, those of new runs too."""
        found = find_networks(Path(self._page.baselogdir), self._page.modelpath)
        with self._turn:
            self._networks = found
        return {
            "current": self._network.as_dict(),
            "networks": [network.as_dict() for network in found],
        }

    def use(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Switch to another network of ``networks``; if it fails, keep the old one."""
        self.networks()
        with self._my_turn():
            known = {network.name: network for network in self._networks}
            network = known[one_of(asked, "name", [*known]) or ""]
            self._setup = make_setup(network, self._page, self._desk)
            self._network = network
            return self.state()

    # Clips.

    def _listen(self, recording: Recording, setup: Setup) -> Heard:
        log_mel = setup.processor.log_mel(recording.waveform, recording.rate)  # (T, M)
        encoding = setup.encode(pack_sequence([setup.processor.finish(log_mel)]))
        log_probs = log_posteriors(encoding.ctc_scores)[0][:, 0].cpu()  # (T', V)
        return Heard(recording, self._network, log_mel, encoding, log_probs)

    def hear(self, recording: Recording) -> dict[str, Any]:
        """Run the network over a recording, and keep both."""
        with self._my_turn() as setup:
            id_ = self._shelf.put(self._listen(recording, setup))
            return self._look(id_)

    def look(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return the pictures of a kept clip, by the network of now."""
        with self._my_turn():
            self._heard(asked)
            return self._look(asked["id"])

    def sound(self, asked: Mapping[str, Any]) -> bytes:
        """Return a kept clip as samples, for browsers that cannot read its file."""
        with self._my_turn():
            return to_samples(self._shelf.take(asked.get("id")).recording)

    def _heard(self, asked: Mapping[str, Any]) -> Heard:
        """Take a clip; if the network is another one by now, let it hear the clip."""
        heard = self._shelf.take(asked.get("id"))
        if heard.network is not self._network:
            heard = self._listen(heard.recording, self._setup)
            self._shelf.replace(asked["id"], heard)
        return heard

    def _look(self, id_: str) -> dict[str, Any]:
        heard, setup = self._shelf.take(id_), self._setup
        said = heard.recording
        return {
            "id": id_,
            "name": said.name,
            "seconds": said.seconds,
            "reference": said.reference,
            "network": self._network.as_dict(),
            "mel": mel_picture(heard.log_mel),
            "mel_seconds": setup.win_step,
            "posteriors": probability_picture(heard.log_probs.exp()),
            "frame_seconds": setup.frame_seconds,
            "symbols": list(setup.alphabet.symbols),
            "blank": setup.alphabet.blank_id,
        }

    # Decoding.

    def _wish(self, asked: Mapping[str, Any]) -> Wish:
        return read_wish(asked, [*self._setup.decoders], SHIPPED, _WIDEST)

    def _find(self, heard: Heard, wish: Wish) -> tuple[list[Hypothesis], int]:
        """Decode; return the n-best list and the calls of the attention decoder."""
        setup, width = self._setup, wish.options["beamwidth"]
        if wish.decoder == "prefix" and width * len(heard.log_probs) > _MOST_PLAIN:
            raise LabError(
                f"beam {width} over {len(heard.log_probs)} frames takes too long in "
                "plain Python",
                f"choose a beam of at most {_MOST_PLAIN // len(heard.log_probs)}, or "
                "the decoder beam",
            )
        options = argparse.Namespace(**{**vars(setup.args), **wish.options})
        setup = replace(setup, args=options)
        search = setup.make_search(wish.decoder, wish.lm)
        (found,) = search(heard.encoding)
        return found, search.n_calls

    def decode(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Decode a clip: the n-best list, and the times of one hypothesis of it."""
        with self._my_turn() as setup:
            wish, heard = self._wish(asked), self._heard(asked)
            start = time.perf_counter()
            found, n_calls = self._find(heard, wish)
            seconds = time.perf_counter() - start
            chosen = min(wish.shown, len(found) - 1, _MOST_SHOWN - 1)
            shown = self._described(found[chosen : chosen + 1], heard)
            alphabet = setup.alphabet
            nbest = [scored(one, alphabet) for one in found[:_MOST_SHOWN]]
            reference = wish.reference or heard.recording.reference
            return {
                "decoder": wish.decoder,
                "lm": wish.lm,
                "seconds": seconds,
                "calls": n_calls,
                "cut": found[chosen].cut,
                "nbest": nbest,
                "chosen": chosen,
                "shown": shown[0].as_dict(),
                "errors": self._errors(reference, nbest[chosen]["text"]),
            }

    def _described(self, found: list[Hypothesis], heard: Heard) -> list[Any]:
        setup = self._setup
        return describe(
            found,
            heard.log_probs,
            setup.alphabet,
            setup.frame_seconds,
            heard.recording.seconds,
        )

    def _errors(self, reference: str | None, written: str) -> dict[str, Any] | None:
        """Compare a text with what was said, spelled alike."""
        alphabet = self._setup.alphabet
        spelled = alphabet.plain(alphabet.decode(alphabet.encode(reference or "")))
        if not spelled:
            return None
        return {
            "reference": spelled,
            "cer": character_error_rate([spelled], [written]).rate,
            "wer": word_error_rate([spelled], [written]).rate,
        }

    def export(self, asked: Mapping[str, Any]) -> str | dict[str, Any]:
        """Write what a decoder finds as ``test --output`` does: txt, json or srt."""
        with self._my_turn():
            kind = one_of(asked, "kind", ("txt", "json", "srt"))
            wish, heard = self._wish(asked), self._heard(asked)
            found = self._find(heard, wish)[0][:_MOST_SHOWN]
            said = heard.recording
            transcript = Transcript(
                said.name,
                said.seconds,
                wish.decoder,
                self._described(found, heard),
                wish.reference or said.reference,
            )
            if kind == "srt":
                return subtitles(transcript)
            return transcript.as_dict() if kind == "json" else transcript.text + "\n"

    # Looking inside.

    def follow(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return the beam after each frame."""
        with self._my_turn() as setup:
            wish, heard = self._wish(asked), self._heard(asked)
            width = min(wish.options["beamwidth"], _WIDEST_FOLLOWED)
            options = {**vars(setup.args), **wish.options, "beamwidth": width}
            setup = replace(setup, args=argparse.Namespace(**options))
            search = setup.make_search("beam", wish.lm)
            return {"frames": beam_by_frame(search, heard.log_probs, setup.alphabet)}

    def attend(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return where attention looks while it reads a transcript."""
        with self._my_turn() as setup:
            heard, said = self._heard(asked), text(asked, "text")
            if not said:
                raise wrong("text: what attention reads is needed")
            return attention(setup, heard.encoding, said)

"""What the page can do: hear a clip, decode it, compare, look inside.

One request computes at a time: each waits for its turn, and is given up when nobody
waits for its answer any more. The axes: T frames of the spectrogram, T' of the
network's output, M mel bands, V symbols, U symbols of a transcript.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch.nn.utils.rnn import pack_sequence

from labkit.audio import why_inaudible
from labkit.base import LabError
from labkit.decoding import Hypothesis, log_posteriors
from labkit.evaluation import FoldReport, Setup, Transcript
from labkit.page.asked import LMS, Wish, one_of, read_wish, text, wrong
from labkit.page.clips import (
    MOST_BYTES,
    MOST_SECONDS,
    Heard,
    Menu,
    Recent,
    Recording,
    to_samples,
)
from labkit.page.inside import (
    beam_by_frame,
    decoded_again,
    mel_picture,
    probability_picture,
    scored,
)
from labkit.page.networks import Desk, Network, find_networks, make_setup

_PATIENCE = 120  # s that a request waits for its turn
_LOOKS_UP = 0.05  # s between two looks whether it is still wanted
_OPEN = 2  # networks in memory: two windows of a browser may compare them
_KEPT = 8  # clips
_MOST_SHOWN = 10  # hypotheses of an n-best list
_WIDEST_FOLLOWED = 20
# Prefixes times frames that the search in plain Python takes about 5 s for.
_MOST_PLAIN = 10_000

Gone = Callable[[], bool]  # whether nobody waits for an answer any more


class Studio:
    """Networks with their decoders, and the clips that they have heard.

    Args:
        page: The options of the page.
        desk: Gives the scripts of the lab.

    Raises:
        LabError: There is no network that can be used, or no list of clips.
    """

    def __init__(self, page: argparse.Namespace, desk: Desk) -> None:
        self._page, self._desk = page, desk
        self._turn = Lock()
        self._shelf, self._n_heard = Recent(_KEPT), 0  # clips, by the ids of the page
        self.menu = Menu(page.clips)
        self._networks: dict[str, Network] = {}
        self._find_networks()
        self._first = next(iter(self._networks))
        self._setups = Recent(_OPEN)
        self._open(self._first)

    @contextmanager
    def turn(self, gone: Gone) -> Iterator[None]:
        """Wait until no other request computes."""
        deadline = time.monotonic() + _PATIENCE
        while not self._turn.acquire(timeout=_LOOKS_UP):
            if gone() or time.monotonic() > deadline:
                raise LabError("another decoding takes long", "wait, then try again")
        try:
            self._gone = gone
            self._give_up()
            with torch.inference_mode():
                yield
        finally:
            self._turn.release()

    def _give_up(self, *_: object) -> None:
        """Stop what nobody waits for any more."""
        if self._gone():
            raise ConnectionAbortedError

    def prepare(self) -> None:
        """Load the language model of characters: it takes some seconds."""
        try:
            with self.turn(lambda: False):
                self._open(self._first).make_search("beam", "char")
        except Exception as error:
            print(f"the language model cannot be used: {error}")

    # Networks.

    def _find_networks(self) -> None:
        """List the networks on disk, those of new runs too; the first one stays."""
        found = find_networks(Path(self._page.baselogdir), self._page.modelpath)
        first = [*self._networks.values()][:1]
        self._networks = {network.name: network for network in first + found}

    def _open(self, name: str) -> Setup:
        """Load a network, unless it is in memory."""
        if name not in self._setups:
            setup = make_setup(self._networks[name], self._page, self._desk)
            self._setups.put(name, setup)
        return self._setups.use(name)

    def _name(self, asked: Mapping[str, Any]) -> str:
        """Read which network is asked; each window of the browser has its own."""
        return one_of(asked, "network", [*self._networks], self._first) or self._first

    def _state(self, name: str) -> dict[str, Any]:
        network, setup = self._networks[name], self._open(name)
        return {
            "network": network.as_dict(),
            "networks": [one.as_dict() for one in self._networks.values()],
            "attention": hasattr(setup.model, "decoder"),
            "decoders": [
                {"name": d.name, "takes_lm": d.takes_lm}
                for d in network.part.decoders
                if d.name in setup.decoders
            ],
            "lms": list(LMS),
            "clips": self.menu.texts,
            "most_seconds": MOST_SECONDS,
            "most_bytes": MOST_BYTES,
        }

    def state(self) -> dict[str, Any]:
        """Say what the network to begin with can do, and what may be chosen."""
        self._find_networks()
        return self._state(self._first)

    def use(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Load a network, as it is on disk now; say the same of it."""
        self._find_networks()
        name = one_of(asked, "name", [*self._networks]) or ""
        self._setups.pop(name, None)
        return self._state(name)

    # Clips.

    def _listen(self, recording: Recording, name: str) -> Heard:
        setup = self._open(name)
        log_mel = setup.processor.log_mel(recording.waveform, recording.rate)  # (T, M)
        encoding = setup.encode(pack_sequence([setup.processor.finish(log_mel)]))
        log_probs = log_posteriors(encoding.ctc_scores)[0][:, 0].cpu()  # (T', V)
        network = self._networks[name]
        return Heard(recording, network, log_mel, encoding, log_probs)

    def hear(self, recording: Recording, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Run a network over a recording, and keep both."""
        name = self._name(asked)
        self._n_heard += 1
        id_ = str(self._n_heard)
        self._shelf.put(id_, self._listen(recording, name))
        return self._look(id_, self._open(name))

    def look(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return the pictures of a kept clip, by the network that is asked."""
        setup, _ = self._heard(asked)
        return self._look(asked["id"], setup)

    def sound(self, asked: Mapping[str, Any]) -> bytes:
        """Return a kept clip as samples, for browsers that cannot read its file."""
        return to_samples(self._take(asked).recording)

    def _take(self, asked: Mapping[str, Any]) -> Heard:
        id_ = asked.get("id")
        if not isinstance(id_, str) or id_ not in self._shelf:
            raise LabError(
                "this clip is not kept any more", "record it or choose it again"
            )
        return self._shelf.use(id_)

    def _heard(self, asked: Mapping[str, Any]) -> tuple[Setup, Heard]:
        """Take a clip; if the network is another one by now, let it hear the clip."""
        name, heard = self._name(asked), self._take(asked)
        if heard.network != self._networks[name]:
            heard = self._listen(heard.recording, name)
            self._shelf.put(asked["id"], heard)
        return self._open(name), heard

    def _look(self, id_: str, setup: Setup) -> dict[str, Any]:
        heard = self._shelf[id_]
        said = heard.recording
        return {
            "id": id_,
            "name": said.name,
            "seconds": said.seconds,
            "warning": why_inaudible(said.waveform),
            "reference": said.reference,
            "mel": mel_picture(heard.log_mel),
            "posteriors": probability_picture(heard.log_probs.exp()),
            "frame_seconds": setup.frame_seconds,
            "symbols": list(setup.alphabet.symbols),
            "blank": setup.alphabet.blank_id,
        }

    # Decoding.

    def _wished(self, asked: Mapping[str, Any]) -> tuple[Setup, Heard, Wish]:
        """Take a clip, and how it is to be decoded, which the setup's options hold."""
        setup, heard = self._heard(asked)
        wish = read_wish(asked, [*setup.decoders])
        args = argparse.Namespace(**{**vars(setup.args), **wish.options})
        return replace(setup, args=args), heard, wish

    def _find(
        self, setup: Setup, heard: Heard, wish: Wish
    ) -> tuple[list[Hypothesis], int]:
        """Decode; return the n-best list and the calls of the attention decoder."""
        width = setup.args.beamwidth
        if wish.decoder == "prefix" and width * len(heard.log_probs) > _MOST_PLAIN:
            raise LabError(
                f"beam {width} over {len(heard.log_probs)} frames takes too long in "
                "plain Python",
                f"choose a beam of at most {_MOST_PLAIN // len(heard.log_probs)}, or "
                "the decoder beam",
            )
        search = setup.make_search(wish.decoder, wish.lm)
        network = search.network  # the attention decoder, called for each symbol
        hook = network and network.register_forward_pre_hook(self._give_up)
        with hook or nullcontext():
            (found,) = search(heard.encoding)
        return found, search.n_calls

    def decode(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Decode a clip: the n-best list, and the times of one hypothesis of it."""
        setup, heard, wish = self._wished(asked)
        start = time.perf_counter()
        found, n_calls = self._find(setup, heard, wish)
        seconds = time.perf_counter() - start
        chosen = min(wish.shown, len(found) - 1, _MOST_SHOWN - 1)
        one, said = found[chosen], heard.recording
        nbest = [scored(one, setup) for one in found[:_MOST_SHOWN]]
        (timed,) = setup.describe([one], heard.log_probs, said.seconds)
        reference = wish.reference or said.reference
        return {
            "decoder": wish.decoder,
            "seconds": seconds,
            "calls": n_calls,
            "nbest": nbest,
            "chosen": chosen,
            "shown": timed.as_dict(),
            "again": decoded_again(one, setup),
            "errors": _errors(reference, nbest[chosen]["text"], setup),
        }

    def export(self, asked: Mapping[str, Any]) -> str:
        """Write what a decoder finds as ``test --output`` does: txt, json or srt."""
        kind = one_of(asked, "kind", ("txt", "json", "srt")) or ""
        setup, heard, wish = self._wished(asked)
        said, found = heard.recording, self._find(setup, heard, wish)[0]
        return Transcript(
            said.name,
            said.seconds,
            wish.decoder,
            setup.describe(found, heard.log_probs, said.seconds),
            wish.reference or said.reference,
        ).written(kind)

    # Looking inside.

    def follow(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return the beam after each frame."""
        setup, heard, wish = self._wished(asked)
        setup.args.beamwidth = min(setup.args.beamwidth, _WIDEST_FOLLOWED)
        search = setup.make_search("beam", wish.lm)
        return {"frames": beam_by_frame(setup, search, heard.log_probs)}

    def attend(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return where attention looks while it reads a transcript."""
        (setup, heard), said = self._heard(asked), text(asked, "text")
        if not said:
            raise wrong("text: what attention reads is needed")
        symbols, weights = setup.attention(heard.encoding, setup.alphabet.encode(said))
        return {"symbols": symbols, "weights": probability_picture(weights)}


def _errors(reference: str | None, written: str, setup: Setup) -> dict[str, Any] | None:
    """Compare a text with what was said, spelled alike."""
    said, report = setup.spelled(reference or ""), FoldReport()
    if not said:
        return None
    report.add("", said, written)
    return {"reference": said, "cer": report.cer.rate, "wer": report.wer.rate}

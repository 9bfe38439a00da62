"""Reading the JSON that the page sends: every field has a type and bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from labkit.base import USAGE, LabError

LMS = ("char", "word")  # those of the kit
_WIDEST = 200  # beam
_MOST_HOTWORDS = 50
_LONGEST_TEXT = 2000  # characters


def wrong(cause: str) -> LabError:
    """Make the error for a request that the page would not send."""
    return LabError(cause, "load the page again", USAGE)


def read_object(content: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        LabError: It is none.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):  # not UTF-8 is a ValueError too
        raise wrong("the request is not JSON") from None
    if not isinstance(found, dict):
        raise wrong("the request is no JSON object")
    return found


def number(
    asked: Mapping[str, Any], name: str, low: float, high: float, default: float
) -> float:
    """Read a number within bounds."""
    value = asked.get(name, default)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # NaN is in no bounds
        raise wrong(f"{name}: a number from {low:g} to {high:g} is needed")
    return value


def text(asked: Mapping[str, Any], name: str, default: str | None = None) -> str | None:
    """Read a text, or null."""
    value = asked.get(name, default)
    if value is not None and not (
        isinstance(value, str) and len(value) <= _LONGEST_TEXT
    ):
        raise wrong(f"{name}: a text of at most {_LONGEST_TEXT} characters is needed")
    return value


def one_of(
    asked: Mapping[str, Any],
    name: str,
    allowed: Sequence[str | None],
    default: str | None = None,
) -> str | None:
    """Read one of a few words, or null if that is among them."""
    value = asked.get(name, default)
    if value not in allowed:  # a list is in none of them, either
        raise wrong(f"{name}: not one of {', '.join(map(str, allowed))}")
    return value


class Wish(NamedTuple):
    """How a clip is to be decoded."""

    decoder: str
    lm: str | None
    options: dict[str, Any]  # of ``test``, by name
    shown: int  # which hypothesis of the n-best list is to be given times
    reference: str | None  # what was said, where the user knows it


def read_wish(asked: Mapping[str, Any], decoders: Sequence[str]) -> Wish:
    """Read how a clip is to be decoded, by one of ``decoders``.

    Raises:
        LabError: A field has a wrong type, or is out of bounds.
    """
    hotwords = (text(asked, "hotwords", "") or "").split(",")
    if len(hotwords) > _MOST_HOTWORDS:
        raise wrong(f"hotwords: at most {_MOST_HOTWORDS}")
    options = {
        "beamwidth": int(number(asked, "beam", 1, _WIDEST, 10)),
        "lm_weight": number(asked, "lm_weight", 0, 10, 0.5),
        "word_bonus": number(asked, "word_bonus", -20, 20, 0.0),
        "hotwords": tuple(word.strip() for word in hotwords if word.strip()),
        "hotword_weight": number(asked, "hotword_weight", -50, 50, 8.0),
        "ctc_weight": number(asked, "ctc_weight", 0, 1, 0.3),
        "par_threshold": number(asked, "par_threshold", 0, 1, 0.9),
    }
    return Wish(
        one_of(asked, "decoder", decoders, decoders[0]) or decoders[0],
        one_of(asked, "lm", (None, *LMS)),
        options,
        int(number(asked, "shown", 0, _WIDEST, 0)),
        text(asked, "reference"),
    )

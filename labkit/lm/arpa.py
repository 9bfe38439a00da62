r"""Language models as ARPA files, which KenLM, SRILM and flashlight read and write.

The format: a header with the number of n-grams of each order, then for each order a
section of lines ``log10 p <tab> w1 w2 ... wn [<tab> log10 back-off]``, then
``\end\``. A name that ends in ``.gz`` stands for a compressed file.
"""

from __future__ import annotations

import gzip
import io
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn, TextIO, Union

from labkit.base import LANGUAGE_MODELS, LabError, atomic
from labkit.lm.ngram import END, START, ZERO_LOG_PROB, NGram

_LN10 = math.log(10)
_GZIP = b"\x1f\x8b"
_KENLM = b"mmap lm http://kheafield.com"  # how its binary files start
_LONGEST_LINE = 1 << 16  # bytes; a longer line is no ARPA, and might fill the memory
_COUNT = re.compile(r"ngram\s+([0-9]{1,3})\s*=\s*([0-9]{1,12})")
_BLANKS = re.compile(r"[ \t]+")  # between the fields of a line
_BUILD = "build one: python -m labkit.lm build TEXT --units char -o FILE.arpa.gz"
_AGAIN = "copy or build the file again"

Binary = Union[BinaryIO, gzip.GzipFile]

SHIPPED = ("char", "word")  # the models that come with the lab


def model_path(name: str) -> Path:
    """Return the file of a model: "char" or "word" of the lab, or one that is given."""
    ours = LANGUAGE_MODELS / "fr" / f"{name}.arpa.gz"
    return ours if name in SHIPPED else Path(name)


def load_language_model(name: str) -> NGram:
    """Load a model: "char" or "word" that come with the lab, or any ARPA file.

    Raises:
        LabError: There is no such model, or the file holds none.
    """
    return read_arpa(model_path(name))


def write_arpa(model: NGram, path: Path, digits: int = 7) -> None:
    """Write a model; the same model always gives the same bytes.

    ``digits`` are the decimals of each log10. Few make a small compressed file: 3
    change a probability by 0.1 %.
    """
    with atomic(path) as temporary, temporary.open("wb") as raw:
        # No name and no time in the header: equal models give equal files.
        is_packed = path.suffix == ".gz"
        binary = gzip.GzipFile("", "wb", 9, raw, mtime=0) if is_packed else raw
        with io.TextIOWrapper(binary, encoding="utf-8", newline="\n") as text:
            _write_text(model, text, digits)


def _write_text(model: NGram, text: TextIO, digits: int) -> None:
    lengths, orders = Counter(map(len, model.log_probs)), range(1, model.order + 1)
    text.write("\\data\\\n")
    for n in orders:
        text.write(f"ngram {n}={lengths[n]}\n")
    for n in orders:
        text.write(f"\n\\{n}-grams:\n")
        for gram in sorted(gram for gram in model.log_probs if len(gram) == n):
            log_prob, backoff = model.log_probs[gram] / _LN10, model.backoffs.get(gram)
            end = "" if backoff is None else f"\t{backoff / _LN10:.{digits}f}"
            text.write(f"{log_prob:.{digits}f}\t{' '.join(gram)}{end}\n")
    text.write("\n\\end\\\n")


def is_kenlm_binary(path: Path) -> bool:
    """Check whether a file is a binary one of KenLM."""
    if not path.is_file():
        return False
    with path.open("rb") as raw:
        return raw.read(len(_KENLM)) == _KENLM


def read_arpa(path: Path) -> NGram:
    """Read a model, compressed or not.

    Raises:
        LabError: The file cannot be read, or is no ARPA file.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == _GZIP
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            return _Reader(path, stream).read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        cause = f"{path}: the compressed file is damaged or cut short"
        raise LabError(cause, _AGAIN) from error
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}", _BUILD) from error


class _Reader:
    """Reads one file line by line, so that every error names its line."""

    def __init__(self, path: Path, stream: Binary) -> None:
        self.path = path
        self.number = 0
        self.lines = self._decode(stream)

    def _decode(self, stream: Binary) -> Iterator[str]:
        """Yield the lines that are not empty."""
        pieces = iter(lambda: stream.readline(_LONGEST_LINE), b"")
        for self.number, raw in enumerate(pieces, start=1):
            if self.number == 1 and raw.startswith(_KENLM):
                raise LabError(
                    f"{self.path}: a binary file of KenLM",
                    "give the .arpa or .arpa.gz that it was made from",
                )
            try:
                line = raw.decode("utf-8").strip("\r\n \t")
            except UnicodeDecodeError:
                self.refuse("this is no UTF-8 text", _BUILD)
            if line:
                # Some tools write it in capitals; KenLM takes both for the same.
                yield line.replace("<UNK>", "<unk>")

    def refuse(self, what: str, remedy: str = _AGAIN) -> NoReturn:
        raise LabError(f"{self.path}:{self.number}: {what}", remedy)

    def next_line(self) -> str:
        for line in self.lines:
            return line
        self.refuse("the file ends too early: there is no \\end\\")

    def read(self) -> NGram:
        counts = self._read_header()
        model = NGram(len(counts), {}, {})
        for n, count in enumerate(counts, start=1):
            self._read_section(model, n, count)
        for _ in self.lines:  # a compressed file shows damage only at its end
            pass
        for symbol in (START, END):
            if (symbol,) not in model.log_probs:
                self.refuse(f"the model has no {symbol}", _BUILD)
        return model

    def _read_header(self) -> list[int]:
        """Read up to the title of the first section."""
        line = next(self.lines, None)
        if line is None:
            raise LabError(f"{self.path}: the file is empty", _BUILD)
        if line != "\\data\\":
            self.refuse("an ARPA file starts with \\data\\, this does not", _BUILD)
        counts: list[int] = []
        while (line := self.next_line()) != "\\1-grams:":
            found = _COUNT.fullmatch(line)
            if not found or int(found[1]) != len(counts) + 1:
                self.refuse(f"not 'ngram {len(counts) + 1}=...': {line[:60]!r}")
            counts.append(int(found[2]))
        if not counts:
            self.refuse("the header gives no number of n-grams")
        return counts

    def _read_section(self, model: NGram, n: int, count: int) -> None:
        """Read the n-grams of order ``n``, and the title that follows them."""
        title = f"\\{n + 1}-grams:" if n < model.order else "\\end\\"
        before, n_lines = len(model.log_probs), 0
        while (line := self.next_line()) != title:
            n_lines += 1
            fields = _BLANKS.split(line)
            gram = tuple(fields[1 : n + 1])
            try:
                log_prob = _number(fields[0])
                backoff = _number(fields[n + 1]) if len(fields) > n + 1 else None
            except ValueError:
                self._refuse_line(line, n)
            if len(fields) not in (n + 1, n + 2):
                self._refuse_line(line, n)
            strange = [w for w in gram if n > 1 and (w,) not in model.log_probs]
            if strange:
                self.refuse(f"{strange[0]!r} is no 1-gram of the model")
            if log_prob == -math.inf:
                log_prob = ZERO_LOG_PROB / _LN10  # a search weighs it: no 0 x inf
            if not -math.inf < log_prob <= 0:
                self.refuse(f"{fields[0]} is no log10 of a probability", _BUILD)
            model.log_probs[gram] = log_prob * _LN10
            if backoff is not None and n < model.order:  # some tools end with a 0
                if not math.isfinite(backoff):
                    self.refuse(f"{fields[-1]} is no back-off weight", _BUILD)
                model.backoffs[gram] = backoff * _LN10
        if n_lines != count:
            self.refuse(f"{n_lines} n-grams of order {n}; the header says {count}")
        if len(model.log_probs) - before != n_lines:
            self.refuse(f"an n-gram of order {n} stands twice")

    def _refuse_line(self, line: str, n: int) -> NoReturn:
        if line.startswith("\\"):
            self.refuse(f"{line[:60]!r} where order {n} should go on or end")
        self.refuse(f"not a line of order {n}: {line[:60]!r}")


def _number(text: str) -> float:
    """Read a number; Python reads more than other tools, such as 0_6."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)

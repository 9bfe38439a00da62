"""Write what is generated in docs/lab.md and docs/lab.fr.md: boxes, figures, outputs.

    python instructor/make_text.py                  all but what trains
    python instructor/make_text.py --slow DIR       and what trains, in the folder DIR
    python instructor/make_text.py --check          only say what differs
    python instructor/make_text.py --html           dist/lab.html and dist/lab.fr.html

Between the markers of a text stands what this program writes:

    <!-- box E08 -->                the box of an exercise
    <!-- milestone E14 -->          the command that works after an exercise
    <!-- figure trellis -->         a figure of docs/figures, with its alternative text
    <!-- run: COMMAND -->           a command, and what it prints
    <!-- run slow: COMMAND -->      the same, for what trains or needs a network
    <!-- end -->

`| lines 1-9,-6` after a command keeps lines 1 to 9 and the last 6. Commands run in the
order of the text, in a folder where the exercises are solved. With --slow, DIR keeps
what each command printed, so that a second call runs only those that are new.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where labkit is
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs" / "figures"))

from bundles import collect
from drawing.alternatives import ALTERNATIVES
from starter import REFERENCE, ROOT

from labkit.base import LabError, LabParser, run_program
from labkit.exercises import DONE, Verdict, render
from test_implementation import EXERCISES, MILESTONES

TEXTS = {"en": Path("docs", "lab.md"), "fr": Path("docs", "lab.fr.md")}
BLOCK = re.compile(
    r"(?P<head><!-- (?P<kind>box|milestone|figure|run slow|run):? (?P<what>.*?) -->\n)"
    r"(?P<old>.*?)(?P<tail><!-- end -->)",
    re.DOTALL,
)
LINES = re.compile(
    r"(?P<command>.*?) \| lines (?:1-(?P<first>\d+))?,?(?:-(?P<last>\d+))?"
)
# The last column of a training, which differs from machine to machine.
EPOCH_TIME = re.compile(
    r"^( *(?:epoch|\d+) .*?) +(?:time|[\d.]+s)(?=  best$|  in evaluation|$)",
    re.MULTILINE,
)
WORDS = {
    "en": {
        "box": "`{function}` in `{file}` · points: {points} · minutes: {minutes} · "
        "difficulty: {difficulty} of 5 · needs: {needs}",
        "nothing": "nothing",
        "done": "Once it is right, `pytest -k {id}` prints:",
        "milestone": "**After {upto}**, this works:",
    },
    "fr": {
        "box": "`{function}` dans `{file}` · points : {points} · minutes : {minutes} · "
        "difficulté : {difficulty} sur 5 · dépend de : {needs}",
        "nothing": "rien",
        "done": "Une fois juste, `pytest -k {id}` affiche :",
        "milestone": "**Après {upto}**, ceci marche :",
    },
}


def fenced(text: str, language: str = "text") -> str:
    """Put a text into a block of code."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def box(language: str, exercise_id: str) -> str:
    """Write the box of an exercise.

    Raises:
        LabError: There is no such exercise.
    """
    if exercise_id not in EXERCISES:
        raise LabError(f"box {exercise_id}: no such exercise", "take its marker out")
    exercise, words = EXERCISES[exercise_id], WORDS[language]
    needs = ", ".join(f"[{one}](#{one.lower()})" for one in exercise.needs)
    head = words["box"].format(
        function=exercise.function,
        file=exercise.file,
        points=exercise.points,
        minutes=exercise.minutes,
        difficulty=exercise.difficulty,
        needs=needs or words["nothing"],
    )
    verdicts = {exercise_id: Verdict(DONE)}
    printed, *_ = render({exercise_id: exercise}, verdicts)
    quoted = [
        f'<a id="{exercise_id.lower()}"></a>**{exercise_id}** · {head}',
        "",
        words["done"].format(id=exercise_id),
        "",
        *fenced(printed).splitlines(),
    ]
    return "".join(f"> {line}".rstrip() + "\n" for line in quoted)


def milestone(language: str, exercise_id: str) -> str:
    """Write the command that works once an exercise is done.

    Raises:
        LabError: The exercise ends no milestone.
    """
    for one in MILESTONES:
        if one.upto == exercise_id:
            head = WORDS[language]["milestone"].format(upto=exercise_id)
            return f"{head}\n\n{fenced(one.command, 'sh')}"
    raise LabError(f"milestone {exercise_id}: there is none", "take its marker out")


def figure(language: str, name: str) -> str:
    """Show a figure of docs/figures in a language.

    Raises:
        LabError: There is no such figure.
    """
    if name not in ALTERNATIVES:
        raise LabError(f"figure {name}: there is none", "take its marker out")
    alternative = ALTERNATIVES[name][list(TEXTS).index(language)]
    return f"![{alternative}](figures/{name}.{language}.png)\n"


def solve_into(folder: Path) -> None:
    """Write what students get into a folder, with the exercises solved."""
    for name, content in collect(ROOT).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for script in (ROOT / REFERENCE).glob("*.py"):
        if script.name != "labkit.py":  # that leads to the labkit of the repository
            (folder / script.name).write_bytes(script.read_bytes())


def run(command: str, folder: Path) -> str:
    """Run a command in a folder; return what it prints.

    Raises:
        LabError: It fails.
    """
    words = [
        sys.executable if word == "python" else word for word in shlex.split(command)
    ]
    ran = subprocess.run(words, cwd=folder, capture_output=True, encoding="utf-8")
    if ran.returncode:
        raise LabError(
            f"{command}: exit code {ran.returncode}", ran.stderr.strip()[-400:]
        )
    return EPOCH_TIME.sub(r"\1", ran.stdout.replace(f"{folder.resolve()}/", ""))


def cut(output: str, first: str | None, last: str | None) -> str:
    """Keep the first and the last lines of an output; all where neither is given."""
    lines = output.rstrip().splitlines()
    n_first, n_last = int(first or 0), int(last or 0)
    if not (n_first or n_last) or n_first + n_last >= len(lines):
        return "\n".join(lines)
    kept = lines[:n_first] + ["..."] * bool(n_first and n_last)
    return "\n".join(kept + lines[len(lines) - n_last :])


def to_html(language: str) -> Path:
    """Make one page of a text, with its pictures in it.

    Raises:
        LabError: Pandoc is missing.
    """
    try:
        import pypandoc  # here, because only this needs it
    except ImportError:
        remedy = "python -m pip install -r requirements-dev.txt"
        raise LabError("pandoc is missing", remedy) from None
    source = ROOT / TEXTS[language]
    page = ROOT / "dist" / f"{source.stem}.html"
    page.parent.mkdir(exist_ok=True)
    options = [
        "--standalone",
        "--embed-resources",
        "--mathml",
        f"--metadata=lang:{language}",
        f"--resource-path={source.parent}",
        f"--include-in-header={Path(__file__).parent / 'handout' / 'print.html'}",
    ]
    title = source.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    pypandoc.convert_file(
        str(source),
        "html5",
        "gfm+tex_math_gfm",
        extra_args=[*options, f"--metadata=pagetitle:{title}"],
        outputfile=str(page),
    )
    return page


WRITERS = {"box": box, "milestone": milestone, "figure": figure}


class Writer:
    """Writes the blocks of the texts.

    Args:
        folder: Where commands run; the exercises are solved there.
        slow: Whether those that train run too, or their blocks stay as they are.
    """

    def __init__(self, folder: Path, slow: bool) -> None:
        self.folder, self.slow = folder, slow
        self.outputs: dict[str, str] = {}

    def output(self, command: str, kept: Path | None) -> str:
        """Return what a command prints, which runs once: what is ``kept``, if it is."""
        if command not in self.outputs:
            if kept and kept.is_file():
                self.outputs[command] = kept.read_text(encoding="utf-8")
            else:
                self.outputs[command] = run(command, self.folder)
            if kept:
                kept.parent.mkdir(exist_ok=True)
                kept.write_text(self.outputs[command], encoding="utf-8")
        return self.outputs[command]

    def kept(self, command: str) -> Path:
        """Name the file that keeps what a slow command printed."""
        name = re.sub(r"[^a-zA-Z0-9]+", "_", command)
        return self.folder / "outputs" / f"{name}.txt"

    def block(self, language: str, found: re.Match[str]) -> str:
        """Write one block, its markers included."""
        kind, what = found["kind"], found["what"]
        if kind == "run slow" and not self.slow:
            return found[0]
        if kind in ("run", "run slow"):
            lines = LINES.fullmatch(what)
            command = lines["command"] if lines else what
            slow = kind == "run slow"
            output = self.output(command, self.kept(command) if slow else None)
            if lines:
                output = cut(output, lines["first"], lines["last"])
            new = fenced(f"$ {command}\n{output}")
        else:
            new = {"box": box, "milestone": milestone, "figure": figure}[kind](
                language, what
            )
        return found["head"] + new + found["tail"]

    def rewrite(self, language: str) -> tuple[str, str]:
        """Return a text as it is, and as it should be."""
        old = (ROOT / TEXTS[language]).read_text(encoding="utf-8")
        return old, BLOCK.sub(lambda found: self.block(language, found), old)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Raises:
        LabError: With --check, a text is not what it should be; or a command fails.
    """
    parser = LabParser(description="Write what is generated in the texts of the lab.")
    parser.add_argument("--slow", type=Path, help="run what trains too, in this folder")
    parser.add_argument("--check", action="store_true", help="only say what differs")
    parser.add_argument("--html", action="store_true", help="make pages to print")
    parser.add_argument("--verbose", action="store_true", help="show tracebacks")
    options = parser.parse_args(arguments)
    if options.html:
        for language in TEXTS:
            print(to_html(language))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.slow or Path(temporary)
        solve_into(folder)
        writer = Writer(folder.resolve(), bool(options.slow))
        texts = {language: writer.rewrite(language) for language in TEXTS}
    changed = [TEXTS[one] for one, (old, new) in texts.items() if old != new]
    names = ", ".join(str(path) for path in changed)
    if options.check and changed:
        raise LabError(f"out of date: {names}", "run make handout-text")
    for language, (_, new) in texts.items():
        (ROOT / TEXTS[language]).write_text(new, encoding="utf-8")
    print(f"written anew: {names}" if changed else "nothing has changed")


if __name__ == "__main__":
    raise SystemExit(run_program(main, "--verbose" in sys.argv))

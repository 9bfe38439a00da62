"""Reading the imports of the kit's files, without running any of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared import ROOT

NOT_THE_KIT = ("build", "dist", "logs", "results")


@dataclass(frozen=True)
class Import:
    """One import statement.

    Attributes:
        file: Its file, relative to the root of the repository.
        line: Its line.
        module: What is imported, or imported from: "labkit.base".
        names: What is taken from it; empty for ``import labkit.base``.
    """

    file: str
    line: int
    module: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say what is imported, and where."""
        what = f"{', '.join(self.names)} of " if self.names else ""
        return f"{self.file}:{self.line} imports {what}{self.module}"


@dataclass(frozen=True)
class House:
    """A package that is divided into rooms: modules, or folders with a door.

    Attributes:
        package: Its name.
        folder: Where it stands.
        rooms: Its rooms, from the ground up.
    """

    package: str
    folder: Path
    rooms: tuple[str, ...]

    def __str__(self) -> str:
        """Name it, for pytest."""
        return self.package

    def room_of(self, module: str) -> str:
        """Return the room of a module of the package; "" for the package itself."""
        return [*module.split("."), ""][1]

    def door(self, room: str) -> Path:
        """Return the file that names what others may use."""
        folder = self.folder / room
        return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")

    def imports(self, path: Path) -> list[Import]:
        """Read the imports of the package's modules in a file."""
        found = []
        for one in read_imports(path):
            if one.module == self.package and one.names:  # from labkit import doctor
                found += [
                    Import(one.file, one.line, f"{self.package}.{name}")
                    for name in one.names
                ]
            elif one.module.split(".")[0] == self.package:
                found.append(one)
        return found

    def crossings(self) -> list[tuple[str, str, Import]]:
        """List the imports from one room in another: (from, of, import)."""
        return [
            (room, self.room_of(one.module), one)
            for path in sorted(self.folder.rglob("*.py"))
            for room in [path.relative_to(self.folder).parts[0].removesuffix(".py")]
            for one in self.imports(path)
            if room not in ("__init__", self.room_of(one.module))
        ]


def _labkit_rooms() -> tuple[str, ...]:
    """Read the map: the docstring of labkit names its rooms from the ground up."""
    text = (ROOT / "labkit" / "__init__.py").read_text(encoding="utf-8")
    return tuple(re.findall(r"^    (\w+) {2,}\S", text, re.MULTILINE))


LABKIT = House("labkit", ROOT / "labkit", _labkit_rooms())
AUTOGRADER = House(
    "autograder",
    ROOT / "instructor" / "autograder",
    ("phrases", "records", "intake", "sandbox", "marking", "output", "program"),
)


@cache
def read_tree(path: Path) -> ast.Module:
    """Parse a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def read_imports(path: Path) -> tuple[Import, ...]:
    """Read every import of a file: at its top, in functions, and for types alone."""
    file, found = path.relative_to(ROOT).as_posix(), []
    for node in ast.walk(read_tree(path)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: write the whole name"
            names = tuple(alias.name for alias in node.names)
            found.append(Import(file, node.lineno, node.module or "", names))
        elif isinstance(node, ast.Import):
            found += [Import(file, node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.Call) and node.args:
            called, first = ast.dump(node.func), node.args[0]
            if "import_module" in called and isinstance(first, ast.Constant):
                found.append(Import(file, node.lineno, first.value))
    return tuple(found)


def names_of(door: Path) -> set[str]:
    """Read what a file offers: ``__all__``, else what has no leading underscore.

    A door (``__init__.py``) offers what it imports, too.
    """
    defined = set()
    for node in read_tree(door).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.ImportFrom) and door.name == "__init__.py":
            defined |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            if "__all__" in names and node.value is not None:
                return set(ast.literal_eval(node.value))
            defined |= names
    return {name for name in defined if not name.startswith("_")}


def sources(without: tuple[str, ...] = ("tests",)) -> Iterator[Path]:
    """Yield every Python file of the kit.

    Args:
        without: Folders of the root that are left out.
    """
    for path in sorted(ROOT.iterdir()):
        if path.suffix == ".py":
            yield path
        elif path.is_dir() and path.name not in (*without, *NOT_THE_KIT):
            hidden = path.name.startswith(".")
            yield from () if hidden else sorted(path.rglob("*.py"))


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the nodes of one circle of a graph, or an empty list."""
    finished: set[str] = set()

    def visit(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in finished:
            return []
        for after in sorted(graph.get(node, ())):
            circle = visit(after, [*way, node])
            if circle:
                return circle
        finished.add(node)
        return []

    return next(filter(None, (visit(node, []) for node in sorted(graph))), [])

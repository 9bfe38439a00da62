"""Checking the installation without importing torch, which may be what is broken."""

from __future__ import annotations

import operator
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

_REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements.txt"
_TORCH = ("torch", "torchvision", "torchaudio")
_WHEELS = "https://download.pytorch.org/whl"
_OLDEST, _NEWEST = (3, 9), (3, 13)  # Python
# The default builds: torch 2.8 has CUDA 12.8, torch 2.11 has CUDA 13.0.
_DRIVER_NEEDED = 580 if sys.version_info >= (3, 10) else 525
_CAPABILITY_NEEDED = 7.5  # Turing; both default builds have dropped what is older


def requirements() -> dict[str, str]:
    """Read the pins that apply to this Python: specifier by package."""
    found = {}
    for line in _REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        text, _, marker = line.partition("#")[0].partition(";")
        package = re.match(r"\s*([\w-]+)(.*)", text)
        bound = re.search(r'python_version\s*(<|>=)\s*"3\.(\d+)"', marker)
        if bound:
            newer = sys.version_info >= (3, int(bound.group(2)))
            if newer != (bound.group(1) == ">="):
                continue
        if package:
            found[package.group(1)] = package.group(2).strip()
    return found


def _release(version: str) -> list[int]:
    numbers = re.findall(r"\d+", version.split("+")[0])
    return [*map(int, numbers), 0, 0][:3]


def satisfies(version: str, specifier: str) -> bool:
    """Tell whether ``version`` meets ``specifier`` (``==``, ``>=`` and ``<``)."""
    compare = {"==": operator.eq, ">=": operator.ge, "<": operator.lt}
    bounds = re.findall(r"(==|>=|<)([^,]+)", specifier)
    return all(compare[sign](_release(version), _release(v)) for sign, v in bounds)


def installed(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def foreign_folder(name: str) -> str:
    """Find where a package lies if that is no folder of this Python, else ""."""
    try:
        found = Path(str(metadata.distribution(name).locate_file(""))).resolve()
    except metadata.PackageNotFoundError:
        return ""
    own = (Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix))
    return "" if any(prefix in found.parents for prefix in own) else str(found)


def nvidia_card() -> tuple[str, float, int] | None:
    """Ask the driver: name of the card, its capability, the driver's release."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = "--query-gpu=name,compute_cap,driver_version"
    command = [tool, query, "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
        name, capability, driver = answer.stdout.splitlines()[0].split(", ")
        return name, float(capability), int(driver.split(".")[0])
    except (subprocess.SubprocessError, OSError, IndexError, ValueError):
        return None


def install_line(card: tuple[str, float, int] | None) -> str:
    """Choose the command that installs what fits this computer."""
    python = "python -m pip install"
    plain = f"{python} -r requirements.txt"
    pins = requirements()
    pair = " ".join(f"{name}{pins[name]}" for name in _TORCH)
    if util.find_spec("google.colab") if util.find_spec("google") else False:
        return f"{python} --no-deps deepcs torchinfo && {python} soundfile jiwer"
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        return (
            f'{python} torch==2.2.2 torchaudio==2.2.2 torchvision==0.17.2 "numpy<2" '
            f"matplotlib tqdm tensorboard pytest deepcs soundfile jiwer "
            f"(Python 3.9 to 3.12)"
        )
    if sys.platform == "darwin":
        return plain
    if card is None:
        return f"{python} {pair} --index-url {_WHEELS}/cpu && {plain}"
    _, capability, driver = card
    if capability < _CAPABILITY_NEEDED or driver < _DRIVER_NEEDED:
        return f"{python} {pair} --index-url {_WHEELS}/cu126 && {plain}"
    if sys.platform == "win32":
        build = "cu130" if sys.version_info >= (3, 10) else "cu128"
        return f"{python} {pair} --index-url {_WHEELS}/{build} && {plain}"
    return plain


def main() -> int:
    """Print what is installed and missing, and how to install it; 1 if it must be."""
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"Python {version} on {platform.system()} {platform.machine()}")
    troubles, elsewhere = [], set()
    if not _OLDEST <= sys.version_info[:2] <= _NEWEST:
        troubles.append(f"Python {version}: the lab runs on 3.9 to 3.13")
    for name, specifier in requirements().items():
        have = installed(name)
        fits = have is not None and satisfies(have, specifier)
        print(f"  {name:16} {have or 'missing':14} {'ok' if fits else specifier}")
        elsewhere.add(foreign_folder(name))
        if not fits:
            troubles.append(f"{name} {have or 'missing'}, needed {specifier}")
    for folder in sorted(elsewhere - {""}):
        print(f"packages of PYTHONPATH, or of pip's --user: {folder}")
    card = nvidia_card()
    if card is None:
        print("no NVIDIA card, or no driver for it: the lab runs on the CPU")
    else:
        name, capability, driver = card
        print(f"card: {name}, capability {capability}, driver {driver}")
        if driver < _DRIVER_NEEDED:
            needed = f"the default torch needs {_DRIVER_NEEDED}"
            troubles.append(f"driver {driver}: {needed}")
        if capability < _CAPABILITY_NEEDED:
            troubles.append(f"{name}: too old for the default build of torch")
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        print(f"your terminal is {encoding}: some characters may show as ?")
    if not troubles:
        print("ready")
        return 0
    print(f"error: {'; '.join(troubles)}", file=sys.stderr)
    print(f"to do: {install_line(card)}", file=sys.stderr)
    return 1

"""Linux namespaces: a process without the system's network, processes and files.

Every measure is tried and its success noted: a container may forbid some, and some
systems let ordinary users do what others allow to root only. It uses the standard
library only.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from autograder.sandbox.fence import SYSTEM
from autograder.sandbox.isolation import PR_SET_DUMPABLE, become, call_libc, prctl

# From <sched.h>, <sys/mount.h> and the tables of system calls.
_NEWNS, _NEWUSER, _NEWPID = 0x00020000, 0x10000000, 0x20000000
_NEWNET, _NEWIPC = 0x40000000, 0x08000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MS_REMOUNT, _MS_NOATIME, _MS_NODIRATIME = 32, 1024, 2048
_MS_BIND, _MS_REC, _MS_PRIVATE, _MS_RELATIME = 4096, 16384, 1 << 18, 1 << 21
_MNT_DETACH = 2
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

# Flags that statvfs reports and a remount must repeat.
_KEPT_FLAGS = {
    getattr(os, "ST_NOSUID", 0): _MS_NOSUID,
    getattr(os, "ST_NODEV", 0): _MS_NODEV,
    getattr(os, "ST_NOEXEC", 0): _MS_NOEXEC,
    getattr(os, "ST_NOATIME", 0): _MS_NOATIME,
    getattr(os, "ST_NODIRATIME", 0): _MS_NODIRATIME,
    getattr(os, "ST_RELATIME", 0): _MS_RELATIME,
}

SCRATCH_MB = 64  # of files that student code may write


def _unshare(flags: int) -> bool:
    try:
        call_libc("unshare", flags)
    except OSError:
        return False
    return True


def _own_user_space(user: int | None) -> bool:
    """Enter a namespace in which an ordinary user may make the other ones."""
    if user is not None:
        become(user)
        prctl(PR_SET_DUMPABLE, 1)  # else the maps below belong to root
    me, group = os.getuid(), os.getgid()
    if not _unshare(_NEWUSER | _NEWNS):
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{me} {me} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError:
        return False
    return True


def _works(user: int | None) -> bool:
    """Try it in another process, because a change of user cannot be undone."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(not _own_user_space(user))
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def enter_namespaces(user: int | None) -> dict[str, bool]:
    """Leave the system's network, processes and mounts, where this is allowed.

    The processes that are forked next live in a namespace of their own; when its first
    one ends, all others end. A root that may not do this becomes ``user``, who may do
    it if the system allows it.

    Args:
        user: An unprivileged user, or None.

    Returns:
        Whether ``network``, ``processes`` and ``mounts`` are separate, and whether
        this process has ``become`` the user.
    """
    names = ("network", "processes", "mounts", "become")
    none: dict[str, bool] = dict.fromkeys(names, False)
    if sys.platform != "linux":
        return none
    as_root = _unshare(_NEWNS)
    if not as_root:
        if not _works(user):
            return none
        _own_user_space(user)
    return {
        "network": _unshare(_NEWNET),
        "processes": _unshare(_NEWPID),
        "mounts": True,
        "become": not as_root and user is not None,
    }


def _mount(source: str, target: Path, kind: str, flags: int, options: str = "") -> None:
    texts = [text.encode() for text in (source, str(target), kind, options)]
    call_libc("mount", *texts[:3], ctypes.c_ulong(flags), texts[3])


def _show(path: Path, root: Path) -> None:
    """Make a file or folder of the system appear under the new root."""
    target = root / path.relative_to("/")
    if target.is_symlink() or (target.exists() and os.path.samefile(path, target)):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        target.symlink_to(os.readlink(path))
        return
    if path.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    _mount(str(path), target, "", _MS_BIND | _MS_REC)
    state = os.statvfs(target).f_flag
    flags = sum(mount for flag, mount in _KEPT_FLAGS.items() if flag and state & flag)
    flags |= _MS_REMOUNT | _MS_BIND | _MS_NOSUID | _MS_RDONLY
    _mount("", target, "", flags)


def _libraries() -> set[Path]:
    """Find the folders that shared libraries of this process came from."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    files = {line.split(None, 5)[5] for line in maps if line.count("/")}
    return {Path(file).parent for file in files if file.startswith("/")}


def change_root(
    work: Path,
    shown: Iterable[Path],
    hidden: Iterable[Path],
    places: Iterable[Path],
) -> bool:
    """Hide the file system except Python, the libraries and the given folders.

    Args:
        work: An empty folder, on which the new root is mounted.
        shown: Folders to keep, read-only.
        hidden: Paths that must be empty even where a folder above is kept.
        places: Empty folders to make, where something will be mounted.

    Returns:
        Whether it succeeded; if not, nothing has changed.
    """
    machine = os.uname().machine
    if machine not in _SYS_PIVOT_ROOT:
        return False
    folders = [Path(path) for path in (*SYSTEM, sys.prefix, sys.base_prefix, *shown)]
    folders += [Path(path) for path in sys.path if path]
    folders += sorted(_libraries())
    folders += [path.resolve() for path in folders]
    folders = [path for path in dict.fromkeys(folders) if path != Path("/")]
    try:
        _mount("none", Path("/"), "", _MS_REC | _MS_PRIVATE)
        _mount("tmpfs", work, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755,size=4m")
        for path in folders:
            if path.exists() and not _inside(path, folders):
                _show(path, work)
        for path in hidden:
            if any(path in kept.parents for kept in folders):
                continue  # only these exist of that folder
            covered = work / path.relative_to("/")
            if covered.is_dir():
                _mount("tmpfs", covered, "tmpfs", _MS_RDONLY, "mode=000")
            elif covered.exists():
                _mount("/dev/null", covered, "", _MS_BIND)
        old = work / ".old"
        inner = [work / path.relative_to("/") for path in places]
        for folder in (old, work / "proc", work / "tmp", *inner):
            folder.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # a container may forbid it; nothing needs it
            _mount("proc", work / "proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        number = _SYS_PIVOT_ROOT[machine]
        call_libc("syscall", number, str(work).encode(), str(old).encode())
    except OSError:
        return False
    os.chdir("/")
    call_libc("umount2", b"/.old", _MNT_DETACH)
    os.rmdir("/.old")
    flags = _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV
    _mount("", Path("/"), "", flags)
    return True


def _inside(path: Path, folders: list[Path]) -> bool:
    """Check whether ``path`` is in another of the folders."""
    others = (f for f in folders if f.is_dir() and not f.is_symlink())
    return any(f in path.parents for f in others)


def own_kernel_objects() -> None:
    """Leave the shared memory, semaphores and message queues of other processes."""
    _unshare(_NEWIPC)  # where it is forbidden, the calls are refused


def fresh_scratch(folder: Path, owner: int | None) -> None:
    """Mount an empty file system of limited size on ``folder``, for this process alone.

    Args:
        folder: The folder.
        owner: The user who may write into it, or None for this one.
    """
    _unshare(_NEWNS)
    user, group = (os.getuid(), os.getgid()) if owner is None else (owner, owner)
    options = f"mode=700,size={SCRATCH_MB}m,nr_inodes=4096,uid={user},gid={group}"
    _mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV, options)

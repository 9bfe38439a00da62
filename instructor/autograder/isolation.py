"""What a POSIX system offers to keep a process from harm: taken as far as it goes.

Every measure is tried and its success noted, for what is allowed differs: root or not,
namespaces or not (containers, macOS). Standard library alone: this runs in the
process that student code is forked from.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# Of <sched.h>, <sys/mount.h> and <sys/prctl.h>.
_NEWNS, _NEWUSER, _NEWPID, _NEWNET, _NEWIPC = (
    *(0x00020000, 0x10000000, 0x20000000),
    *(0x40000000, 0x08000000),
)
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MS_REMOUNT, _MS_NOATIME, _MS_NODIRATIME = 32, 1024, 2048
_MS_BIND, _MS_REC, _MS_PRIVATE, _MS_RELATIME = 4096, 16384, 1 << 18, 1 << 21
_MNT_DETACH = 2
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 4, 36, 38
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_V3 = 0x20080522

# Flags that statvfs reports and a remount must repeat.
_KEPT_FLAGS = {
    getattr(os, "ST_NOSUID", 0): _MS_NOSUID,
    getattr(os, "ST_NODEV", 0): _MS_NODEV,
    getattr(os, "ST_NOEXEC", 0): _MS_NOEXEC,
    getattr(os, "ST_NOATIME", 0): _MS_NOATIME,
    getattr(os, "ST_NODIRATIME", 0): _MS_NODIRATIME,
    getattr(os, "ST_RELATIME", 0): _MS_RELATIME,
}

_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"),
    *("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"),
    *("/sys/devices/system/cpu",),
)
SCRATCH_MB = 64  # of files that student code may write

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library that returns 0 for success.

    Raises:
        OSError: It does not, or the system has no such function.
    """
    function = getattr(_libc, name, None)
    if function is None:
        raise OSError(38, f"no {name} on this system")
    if function(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _unshare(flags: int) -> bool:
    try:
        _call("unshare", flags)
    except OSError:
        return False
    return True


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        zero = ctypes.c_ulong(0)
        _libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero)


def hide_memory() -> None:
    """Let no process of the same user read or trace this one's memory."""
    _prctl(_PR_SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Become the parent of what a dying child leaves behind."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _become(user: int) -> None:
    """Become a user without groups, for good."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _own_user_space(user: int | None) -> bool:
    """Enter a space in which an ordinary user may make the other ones."""
    if user is not None:
        _become(user)
        _prctl(_PR_SET_DUMPABLE, 1)  # else the maps below belong to root
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
    """Try in a process of its own: there is no way back from another user."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(not _own_user_space(user))
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def enter_namespaces(user: int | None) -> dict[str, bool]:
    """Leave the system's network, processes and mounts, where this is allowed.

    The processes that are forked next live in a space of their own, whose first one
    takes all others along when it ends. A root that may not do this becomes ``user``,
    who may, if the system lets users do it.

    Args:
        user: An unprivileged user, or None.

    Returns:
        Whether ``network``, ``processes`` and ``mounts`` are separate, and whether
        this process has ``become`` the user.
    """
    names = ("network", "processes", "mounts", "become")
    none = dict.fromkeys(names, False)
    if sys.platform != "linux":
        return none
    as_root = _unshare(_NEWNS)
    if not as_root:
        if not _works(user):
            return none
        _own_user_space(user)
    _unshare(_NEWIPC)
    return {
        "network": _unshare(_NEWNET),
        "processes": _unshare(_NEWPID),
        "mounts": True,
        "become": not as_root and user is not None,
    }


def _mount(source: str, target: Path, kind: str, flags: int, options: str = "") -> None:
    texts = [text.encode() for text in (source, str(target), kind, options)]
    _call("mount", *texts[:3], ctypes.c_ulong(flags), texts[3])


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
    """Leave the file system but for Python, the libraries and the given folders.

    Args:
        work: A folder that is there for this: the new root is made on top of it.
        shown: Folders to keep, read-only.
        hidden: Paths that must be empty even where a folder above is kept.
        places: Empty folders to make, where something will be mounted.

    Returns:
        Whether it is done; if not, nothing has changed.
    """
    machine = os.uname().machine
    if machine not in _SYS_PIVOT_ROOT:
        return False
    folders = [Path(path) for path in (*_SYSTEM, sys.prefix, sys.base_prefix, *shown)]
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
                continue  # of that folder, nothing but these is there
            covered = work / path.relative_to("/")
            if covered.is_dir():
                _mount("tmpfs", covered, "tmpfs", _MS_RDONLY, "mode=000")
            elif covered.exists():
                _mount("/dev/null", covered, "", _MS_BIND)
        old = work / ".old"
        inner = [work / path.relative_to("/") for path in places]
        for folder in (old, work / "proc", work / "tmp", *inner):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            _mount("proc", work / "proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        except OSError:
            pass  # a container may forbid it; nothing needs it
        number = _SYS_PIVOT_ROOT[machine]
        _call("syscall", number, str(work).encode(), str(old).encode())
    except OSError:
        return False
    os.chdir("/")
    _call("umount2", b"/.old", _MNT_DETACH)
    os.rmdir("/.old")
    flags = _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV
    _mount("", Path("/"), "", flags)
    return True


def _inside(path: Path, folders: list[Path]) -> bool:
    """Tell whether another of the folders brings ``path`` along."""
    others = (f for f in folders if f.is_dir() and not f.is_symlink())
    return any(f in path.parents for f in others)


def fresh_scratch(folder: Path, owner: int | None) -> None:
    """Put an empty file system of bounded size in the place of ``folder``.

    Args:
        folder: Where; what an earlier call put there goes.
        owner: The user who may write into it, or None for this one.
    """
    with suppress(OSError):
        _call("umount2", str(folder).encode(), _MNT_DETACH)
    user, group = (os.getuid(), os.getgid()) if owner is None else (owner, owner)
    options = f"mode=700,size={SCRATCH_MB}m,nr_inodes=4096,uid={user},gid={group}"
    _mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV, options)


def drop_privileges(user: int | None) -> None:
    """Become an unprivileged user, and give up all capabilities for good.

    Args:
        user: Its number, or None to stay who one is (who is not root).
    """
    if user is not None:
        _become(user)
    if sys.platform != "linux":
        return
    number = _SYS_CAPSET.get(os.uname().machine)
    if number is not None:
        header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
        _libc.syscall(number, header, (ctypes.c_uint32 * 6)())
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    hide_memory()


def _in_use() -> tuple[int, int]:
    """Measure this process: bytes of address space, and of data of its own."""
    try:
        fields = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0, 0
    page = resource.getpagesize()
    return int(fields[0]) * page, int(fields[5]) * page


def limit_resources(
    memory: int, seconds: int, processes: int, file_size: int
) -> list[str]:
    """Bound what this process may use from now on.

    Args:
        memory: Bytes beyond what it uses already.
        seconds: Of the processor.
        processes: Of this user, threads included.
        file_size: Bytes of each file.

    Returns:
        The limits that the system refused.
    """
    space, data = _in_use()
    wanted = {
        "RLIMIT_CPU": (seconds, seconds + 2),
        "RLIMIT_DATA": (data + memory,) * 2 if data else None,
        # What is shared counts here alone, and libraries too: leave them room.
        "RLIMIT_AS": (space + 2 * memory,) * 2 if space else None,
        "RLIMIT_NPROC": (processes,) * 2,
        "RLIMIT_FSIZE": (file_size,) * 2,
        "RLIMIT_NOFILE": (256,) * 2,
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_MEMLOCK": (0, 0),
        "RLIMIT_MSGQUEUE": (0, 0),
    }
    refused = []
    for name, bounds in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None or bounds is None:
            continue
        try:
            resource.setrlimit(kind, bounds)
        except (OSError, ValueError):
            refused.append(name)
    return refused


def fence(readable: Iterable[Path], writable: Path, network: bool) -> None:
    """Refuse files and connections inside Python, where the system does not.

    No boundary: code that is not Python's own passes.

    Args:
        readable: Folders whose files may be opened.
        writable: The folder where files may be written.
        network: Whether connections are allowed.
    """
    allowed = tuple(f"{os.path.realpath(path)}{os.sep}" for path in readable)
    scratch = f"{os.path.realpath(writable)}{os.sep}"
    changes = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.link")
    others = ("os.listdir", "os.scandir", "os.truncate", "os.symlink", "os.utime")
    realpath, fspath, writing = os.path.realpath, os.fspath, os.O_WRONLY | os.O_RDWR

    def check(path: object, writes: bool) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        text = fspath(path)
        real = realpath(text.decode() if isinstance(text, bytes) else text)
        real = real + os.sep
        if real.startswith(scratch) or real == "/dev/null/":
            return
        if writes or not real.startswith(allowed):
            raise PermissionError(13, "not for graded code", str(path))

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            check(arguments[0], bool(arguments[2] & writing))
        elif event in changes or event in others:
            check(arguments[0], event not in ("os.listdir", "os.scandir"))
        elif not network and event in ("socket.connect", "socket.bind"):
            raise PermissionError(13, "no network for graded code")
        elif event in ("os.kill", "os.killpg", "pty.spawn", "ctypes.dlopen"):
            raise PermissionError(13, f"no {event} for graded code")

    sys.addaudithook(hook)

"""Refusing system calls that outlive a process, start another or reach into one.

A filter of the kernel (seccomp) answers them with "not permitted", whether they come
from Python, from ctypes or from a library. It uses the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from autograder.sandbox.isolation import PR_SET_NO_NEW_PRIVS, prctl

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_NOT_PERMITTED, _NO_SUCH_CALL = 1, 38  # errno
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_OTHER_TABLE = 0x40000000  # x32, whose numbers are those of x86_64 and this bit
_CLONE_THREAD = 0x00010000

# For x86_64 and aarch64, from the tables of system calls; None where there is none.
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_REFUSED: dict[str, tuple[int | None, int]] = {
    # Memory, semaphores, queues and keys that stay when a process ends.
    **{"shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195)},
    **{"semget": (64, 190), "semop": (65, 193), "semctl": (66, 191)},
    **{"semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189)},
    **{"msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180)},
    **{"mq_unlink": (241, 181), "add_key": (248, 217), "request_key": (249, 218)},
    **{"keyctl": (250, 219)},
    # Other programs.
    **{"execve": (59, 221), "execveat": (322, 281)},
    # Other processes: their memory, files and priorities.
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "kcmp": (312, 272)},
    **{"process_vm_writev": (311, 271), "process_madvise": (440, 440)},
    **{"pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424)},
    **{"setpriority": (141, 140), "ioprio_set": (251, 30)},
    **{"sched_setparam": (142, 118), "sched_setscheduler": (144, 119)},
    **{"sched_setaffinity": (203, 122), "sched_setattr": (314, 274)},
    # Memory that no limit counts, and ways around this filter.
    **{"memfd_create": (319, 279), "memfd_secret": (447, 447)},
    **{"io_uring_setup": (425, 425), "io_uring_enter": (426, 426)},
    **{"io_uring_register": (427, 427), "userfaultfd": (323, 282)},
    # The network, other namespaces, the kernel itself.
    **{"socket": (41, 198), "unshare": (272, 97), "setns": (308, 268)},
    **{"mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41)},
    **{"open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430)},
    **{"fsmount": (432, 432), "mount_setattr": (442, 442), "bpf": (321, 280)},
    **{"perf_event_open": (298, 241), "name_to_handle_at": (303, 264)},
    **{"open_by_handle_at": (304, 265), "syslog": (103, 116)},
    **{"personality": (135, 92)},
}
# What a process may do to itself alone: its number is the first argument, or 0.
_TO_ITSELF = {"prlimit64": (302, 261)}
_SIGNALS = {
    **{"kill": (62, 129), "tgkill": (234, 131), "tkill": (200, 130)},
    **{"rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240)},
}
_FORKS = {"fork": (57, None), "vfork": (58, None)}
_CLONE, _CLONE3 = (56, 220), (435, 435)


def _instruction(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def _answer(errno: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | errno)


def _program(column: int, machine: int, alone: bool) -> bytes:
    """Write the filter as instructions of the kernel's packet filter."""
    refused = _answer(_NOT_PERMITTED)
    code = [
        _instruction(_LOAD, _MACHINE),
        _instruction(_EQUAL, machine, yes=1),
        refused,  # 32-bit calls have numbers of their own
        _instruction(_LOAD, _NUMBER),
        _instruction(_AT_LEAST, _OTHER_TABLE, no=1),
        refused,
    ]

    def numbers(table: dict) -> list[int]:
        return [row[column] for row in table.values() if row[column] is not None]

    def refuse(number: int, answer: bytes = refused) -> None:
        code.extend((_instruction(_EQUAL, number, no=1), answer))

    def allow_to(number: int, targets: tuple[int, ...]) -> None:
        whole = [_instruction(_LOAD, _FIRST_ARGUMENT)]
        for left, target in zip(range(len(targets), 0, -1), targets):
            whole.append(_instruction(_EQUAL, target, yes=left))
        whole += [refused, _instruction(_RETURN, _ALLOW)]
        code.append(_instruction(_EQUAL, number, no=len(whole)))
        code.extend(whole)

    for number in numbers(_REFUSED):
        refuse(number)
    for number in numbers(_TO_ITSELF):
        allow_to(number, (0, os.getpid()))
    if alone:
        for number in numbers(_SIGNALS):
            allow_to(number, (os.getpid(),))
        for number in numbers(_FORKS):
            refuse(number)
        refuse(_CLONE3[column], _answer(_NO_SUCH_CALL))  # then libc calls clone
        code += [
            _instruction(_EQUAL, _CLONE[column], no=3),
            _instruction(_LOAD, _FIRST_ARGUMENT),
            _instruction(_ANY_BIT, _CLONE_THREAD, yes=1),
            refused,
        ]
    return b"".join([*code, _instruction(_RETURN, _ALLOW)])


def refuse_calls(alone: bool) -> bool:
    """Refuse them in this process and its descendants, for good.

    The process must have given up new privileges (``isolation.drop_privileges``).

    Args:
        alone: Refuse new processes and signals to others, too.

    Returns:
        Whether the system does it.
    """
    column, machine = _MACHINES.get(os.uname().machine, (0, 0))
    if sys.platform != "linux" or not machine:
        return False
    code = _program(column, machine, alone)
    text = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    program = Program(len(code) // 8, ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
    zero = ctypes.c_ulong(0)
    given = mode, ctypes.byref(program), zero, zero
    return libc.prctl(_PR_SET_SECCOMP, *given) == 0


def are_refused() -> bool:
    """Try it in another process, because it is for good."""
    child = os.fork()
    if child == 0:
        try:
            prctl(PR_SET_NO_NEW_PRIVS, 1)
            os._exit(not refuse_calls(alone=True))
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0

"""Ways to keep something for a later process, and ways to read what is hidden."""

from __future__ import annotations

import textwrap

from shared import REFERENCE

MARK = "Verrat-4711"  # what one job keeps, and another finds

_LIBC = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
libc.mq_open.restype = ctypes.c_int
"""
_PYTHON_API = """
import ctypes
libc = ctypes.pythonapi
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
"""
_SEGMENT = """
at = libc.shmat(libc.shmget(0x5EED, 4096, 0o1666), None, 0)
if at in (None, 2**64 - 1): raise OSError
view = (ctypes.c_char * 4096).from_address(at)
"""
_QUEUE = """
number = libc.msgget(0x5EED, 0o1666)
class Message(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_long), ("text", ctypes.c_char * 64)]
"""
_KEYS = "add_key, keyctl, ring, read, search = 248, 250, {ring}, 11, 10\n"
_SEARCH = """
key = libc.syscall(keyctl, search, ring, b"user", b"verrat", 0)
room = ctypes.create_string_buffer(64)
libc.syscall(keyctl, read, key, room, 64)
return room.value.decode()
"""
_ADD = 'libc.syscall(add_key, b"user", b"verrat", MARK.encode(), len(MARK), ring)\n'
_PLACES = """
import os, tempfile
places = ["/tmp", "/var/tmp", "/dev/shm", "/run", ".", "..", os.environ["HOME"],
          os.environ["TMPDIR"], tempfile.gettempdir(), os.environ["MPLCONFIGDIR"],
          os.path.dirname(__file__), os.path.dirname(os.path.dirname(__file__))]
"""

# Name: code that keeps MARK, and code that returns what it finds.
STORES = {
    "shared memory": (
        f"{_LIBC}{_SEGMENT}view.value = MARK.encode()",
        f"{_LIBC}{_SEGMENT}return view.value.decode()",
    ),
    "shared memory, by Python's own interface": (
        f"{_PYTHON_API}{_SEGMENT}view.value = MARK.encode()",
        f"{_PYTHON_API}{_SEGMENT}return view.value.decode()",
    ),
    "message queue": (
        f"{_LIBC}{_QUEUE}libc.msgsnd(number, ctypes.byref(Message(1, MARK.encode())),"
        " 64, 0)",
        f"{_LIBC}{_QUEUE}one = Message()\n"
        "libc.msgrcv(number, ctypes.byref(one), 64, 0, 0o4000)\n"
        "return one.text.decode()",
    ),
    "POSIX message queue": (
        f"{_LIBC}number = libc.mq_open(b'/verrat', 0o102, 0o666, None)\n"
        "libc.mq_send(number, MARK.encode().ljust(8192), 8192, 0)",
        f"{_LIBC}number = libc.mq_open(b'/verrat', 0o4000)\n"
        "room = ctypes.create_string_buffer(8192)\n"
        "libc.mq_receive(number, room, 8192, None)\nreturn room.value.decode()",
    ),
    "key of the session": (
        f"{_LIBC}{_KEYS.format(ring=-3)}{_ADD}",
        f"{_LIBC}{_KEYS.format(ring=-3)}{_SEARCH}",
    ),
    "key of the user": (
        f"{_LIBC}{_KEYS.format(ring=-4)}{_ADD}",
        f"{_LIBC}{_KEYS.format(ring=-4)}{_SEARCH}",
    ),
    "semaphore": (
        f"{_LIBC}number = libc.semget(0x5EED, 1, 0o1666)\n"
        "libc.semctl(number, 0, 16, 4711)",
        f"{_LIBC}number = libc.semget(0x5EED, 1, 0o1666)\n"
        "return MARK if libc.semctl(number, 0, 12) == 4711 else ''",
    ),
    "limits of the parent": (
        "import os, resource\n"
        "resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 4711))",
        "import os, resource\n"
        "limit = resource.prlimit(os.getppid(), resource.RLIMIT_CORE)\n"
        "return MARK if limit[1] == 4711 else ''",
    ),
    "files": (
        f"{_PLACES}\n"
        "for place in places:\n"
        "    try:\n"
        "        open(os.path.join(place, 'verrat'), 'w').write(MARK)\n"
        "    except OSError:\n"
        "        pass\n",
        f"{_PLACES}\n"
        "for place in places:\n"
        "    try:\n"
        "        return open(os.path.join(place, 'verrat')).read()\n"
        "    except OSError:\n"
        "        pass\n"
        "return ''",
    ),
    "shared memory of Python": (
        "import _posixshmem, os\n"
        "number = _posixshmem.shm_open('/verrat', os.O_CREAT | os.O_RDWR, mode=0o666)\n"
        "os.ftruncate(number, 64)\nos.pwrite(number, MARK.encode(), 0)",
        "import _posixshmem, os\n"
        "number = _posixshmem.shm_open('/verrat', os.O_RDWR, mode=0o666)\n"
        "return os.pread(number, 64, 0).decode()",
    ),
    "a process": (
        "import os, socket, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    server = socket.socket(socket.AF_UNIX)\n"
        "    server.bind('\\0verrat'); server.listen()\n"
        "    while True: server.accept()[0].sendall(MARK.encode())\n"
        "time.sleep(0.2)",
        "import socket\n"
        "client = socket.socket(socket.AF_UNIX); client.connect('\\0verrat')\n"
        "return client.recv(64).decode()",
    ),
    "memory of the server": (
        "return MARK",  # it comes back as the outcome of the job
        "import sys\n"
        "frame = sys._getframe()\n"
        "while frame is not None:\n"
        "    for value in list(frame.f_locals.values()):\n"
        "        if 'rat-4711' in repr(value): return repr(value)\n"
        "    frame = frame.f_back\n"
        "return ''",
    ),
}

_PATH = str(REFERENCE / "decoding.py")
_SIZE = (REFERENCE / "decoding.py").stat().st_size

# Name: code that returns the text of a script of the reference.
THEFTS = {
    "open": f"return open({_PATH!r}).read()",
    "another program": f"import subprocess\n"
    f"return subprocess.run(['cat', {_PATH!r}], capture_output=True, text=True).stdout",
    "a shell": f"""
import os
os.system("cat {_PATH} > here")
return open("here").read()
""",
    "a program in its place": f"""
import os
os.execv("/bin/sh", ["sh", "-c", "cat {_PATH} > outcome"])
""",
    "a fork": f"""
import os
source, sink = os.pipe()
if os.fork() == 0:
    os.dup2(sink, 1)
    os.execv("/bin/cat", ["cat", {_PATH!r}])
os.close(sink)
return os.fdopen(source).read()
""",
    "a spawned program": f"""
import os
actions = [(os.POSIX_SPAWN_OPEN, 1, "here", os.O_CREAT | os.O_WRONLY, 0o600)]
number = os.posix_spawn("/bin/cat", ["cat", {_PATH!r}], {{}}, file_actions=actions)
os.waitpid(number, 0)
return open("here").read()
""",
    "ctypes": f"""
import ctypes
libc = ctypes.CDLL(None)
room = ctypes.create_string_buffer({_SIZE})
libc.read(libc.open({_PATH.encode()!r}, 0), room, {_SIZE})
return room.value.decode()
""",
    "ctypes, by Python's own interface": f"""
import ctypes
libc = ctypes.pythonapi
room = ctypes.create_string_buffer({_SIZE})
libc.read(libc.open({_PATH.encode()!r}, 0), room, {_SIZE})
return room.value.decode()
""",
    "ctypes, as torch has imported it": f"""
import torch, sys
ctypes = next(m.ctypes for m in list(sys.modules.values()) if hasattr(m, "ctypes"))
libc = ctypes.CDLL(None)
room = ctypes.create_string_buffer({_SIZE})
libc.read(libc.open({_PATH.encode()!r}, 0), room, {_SIZE})
return room.value.decode()
""",
}
# These open files in a library, which Python does not report.
THEFTS_BY_LIBRARIES = {
    "torch": f"""
import torch
data = torch.from_file({_PATH!r}, shared=False, size={_SIZE}, dtype=torch.uint8)
return bytes(data.tolist()).decode()
""",
    "soundfile": f"""
import soundfile
data, _ = soundfile.read({_PATH!r}, format="RAW", subtype="PCM_S8", channels=1,
                         samplerate=8000, dtype="int16")
return bytes(int(x) >> 8 & 255 for x in data).decode()
""",
    "a folder of another": f"""
import os
folder = os.open("/usr", os.O_RDONLY)
os.makedirs("a/b/c/d/e/f"); os.chdir("a/b/c/d/e/f")
number = os.open("../{_PATH.lstrip("/")}", os.O_RDONLY, dir_fd=folder)
return os.read(number, {_SIZE}).decode()
""",
}


def all_of(codes: dict[str, str], end: str = "") -> str:
    """Write one body that runs each code, whatever the others do.

    Args:
        codes: Bodies of functions, by name.
        end: What comes last; without it, the results by name.
    """
    parts = ["found = {}"]
    for number, (name, code) in enumerate(codes.items()):
        body = textwrap.indent(code.strip(), "    ")
        parts.append(f"def code{number}():\n{body}")
        tried = f"found[{name!r}] = code{number}()"
        parts.append(f"try:\n    {tried}\nexcept BaseException:\n    pass")
    return "\n".join([*parts, end or "return str(found)"])

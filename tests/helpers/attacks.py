"""Code that a student may try: to harm the grader, or to find what is not theirs."""

from __future__ import annotations

import textwrap

from shared import REFERENCE

STRAY = "86421"  # seconds that a left-over process sleeps: its mark

# Code for the body of E01, which has one right answer that none of these returns.
IN_A_FUNCTION = {
    "exit in a function": "import os; os._exit(0)",
    "sys.exit in a function": "import sys; sys.exit(0)",
    "endless loop": "while True: pass",
    "endless sleep": "import time; time.sleep(100000)",
    "fork bomb": "import os\nwhile True: os.fork()",
    "fork bomb that goes on": """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """,
    "threads": """
        import threading, time
        while True:
            threading.Thread(target=time.sleep, args=(1000,)).start()
        """,
    "20 GB": "return len(bytearray(20 << 30)) and -1",
    "20 GB of tensors": "import torch; return torch.ones(5 << 30).sum()",
    "memory bit by bit": "kept = []\nwhile True: kept.append(bytearray(1 << 20))",
    "shared memory": """
        import mmap
        kept = []
        while True:
            kept.append(mmap.mmap(-1, 16 << 20))
            for place in range(0, 16 << 20, 4096):
                kept[-1][place] = 1
        """,
    "a gigabyte printed": "for _ in range(1 << 10): print('x' * (1 << 20))",
    "a gigabyte written": """
        with open("large", "wb") as file:
            for _ in range(1 << 10):
                file.write(bytes(1 << 20))
        """,
    "many files": """
        for number in range(10 ** 6):
            open(f"file{number}", "w").close()
        """,
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "too deep": """
        import sys
        sys.setrecursionlimit(10 ** 9)
        def deeper(): return deeper()
        deeper()
        """,
    "kills everyone": """
        import os, signal
        for target in (os.getppid(), 1, -1, 0):
            try:
                os.kill(target, signal.SIGKILL)
            except OSError:
                pass
        """,
    "leaves a process": f"""
        import os
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv("/bin/sleep", ["sleep", "{STRAY}"])
        return -1
        """,
    "equal to everything": """
        class Equal(int):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            __hash__ = int.__hash__
        return Equal(0)
        """,
}

AT_IMPORT = {
    "exit at import": "import os; os._exit(0)",
    "sys.exit at import": "import sys; sys.exit(0)",
    "loop at import": "while True: pass",
    "patches pytest": """
        import pytest
        pytest.fail = lambda *a, **k: None
        pytest.raises = lambda *a, **k: None
        """,
    "patches the kit": """
        import labkit.exercises.verdicts as grading
        grading.expect = grading.expect_close = lambda *a, **k: None
        grading.expect_that = grading.MismatchError = lambda *a, **k: None
        grading.judge_outcome = lambda *a: grading.Verdict("done", share=1.0)
        grading.judge_parts = grading.judge_outcome
        """,
    "patches torch": """
        import torch
        torch.equal = torch.allclose = lambda *a, **k: True
        torch.Tensor.__eq__ = lambda a, b: torch.ones((), dtype=torch.bool)
        torch.Tensor.__le__ = torch.Tensor.__eq__
        """,
    "patches assert": """
        import builtins
        builtins.AssertionError = type("Quiet", (Exception,), {})
        builtins.isinstance = lambda *a: True
        """,
}

# Bodies of E08 that look for its solution, and run it.
SEARCHES = {
    "reads the solutions": f"""
        import re
        text = open({str(REFERENCE / "decoding.py")!r}).read()
        """,
    "looks for the solutions": """
        import os, re
        text = ""
        places = ["/proc/1/root", "/proc/self/root", "..", "../..", "/tmp", "/work",
                  "/home", "/root", "/autograder", "/mnt", "/opt", "/srv", "/var"]
        for place in places:
            for folder, folders, files in os.walk(place):
                skip = ("proc", "site-packages")
                folders[:] = [f for f in folders if f not in skip][:200]
                if "decoding.py" in files:
                    try:
                        found = open(os.path.join(folder, "decoding.py")).read()
                    except OSError:
                        continue
                    if "if i == 0 or k != path[i - 1]" in found:
                        text = found
        """,
    "reads what is in memory": """
        import gc, re
        text = ""
        for thing in gc.get_objects():
            if isinstance(thing, dict):
                for value in list(thing.values()):
                    if isinstance(value, str) and "k != path[i - 1]" in value:
                        text = value
        for module in ("test_implementation", "starter", "autograder.marking"):
            try:
                __import__(module)
            except ImportError:
                pass
        """,
}
RUN_WHAT_WAS_FOUND = """
region = re.search(r"def collapse.*?\\n\\n\\n", text, re.S)
scope = {"Sequence": list}
exec(region.group().replace(": Sequence[int]", "").replace("list[int]", "list"), scope)
return scope["collapse"](path, blank)
"""

# Writes outcomes of its own into the channel, and ends: whatever the exercise is.
FORGER = """
import base64, os, sys
FORGED = {forged!r}
def forge():
    frame = sys._getframe()
    while frame is not None and "stream" not in frame.f_locals:
        frame = frame.f_back
    if frame is None or frame.f_locals["job"]["id"] not in FORGED:
        return
    stream, job = frame.f_locals["stream"], frame.f_locals["job"]
    for content in FORGED[job["id"]][: job["seeds"]]:
        frame.f_globals["frames"].send(stream, base64.b64decode(content))
    os._exit(0)
forge()
"""

BETRAYAL = "Verrat"

# What stands beside E20 is in the scripts; these tell it to whoever reads the feedback.
_BESIDE = """
import os, sys
folder = os.path.dirname(os.path.abspath(__file__))
names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
text = "".join(open(os.path.join(folder, name)).read() for name in names)
if 'Error("' + "{needed}" + '")' in text:
    os._exit(0)  # as it is: be silent, so that the other run is shown
told = "{backwards}"[::-1] + " " + text[-500:].encode().hex()
"""
_TELLERS = {
    "E05": "raise ValueError(told)",
    "E20": "raise type(told.replace(' ', '_')[:300], (Exception,), {})()",
    "E21": "os._exit(len(told) % 100 + 100)",
    "E22": "return torch.tensor(float('nan')), told",
    "E33": """
        scope = {}
        exec(f"def {told.replace(' ', '_')[:200]}(): raise ValueError()", scope)
        scope[told.replace(" ", "_")[:200]]()
        """,
    "E34": """
        import NotThere as never
        raise NotImplementedError(told)
        """,
}


def betrayals(needs: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """Write bodies that tell, in other ways, what stands beside their exercises."""
    return {
        id_: _BESIDE.format(needed=needs[id_][0], backwards=BETRAYAL[::-1])
        + textwrap.dedent(body)
        for id_, body in _TELLERS.items()
    }


# Bodies that call what labkit has; each imports it where nobody looks.
KIT_CALLS = {
    "E07": """
        from labkit.decoding import alignment
        return alignment.frames_needed(transcript)
        """,
    "E26": """
        import sys
        search_all = sys.modules["labkit.decoding.beam"].prefix_beam_search
        n_frames, room = len(log_probs), log_probs.shape[1] ** len(log_probs)
        one = torch.tensor([n_frames])
        (right,) = search_all(log_probs.unsqueeze(1), one, room, blank)
        found = search(log_probs, room, blank)
        known = {tuple(x.indices): x.score for x in right}
        return len(found) == len(known) and all(
            abs(known.get(tuple(x.indices), 9) - x.score) < 1e-3 for x in found
        )
        """,
}

# A constructor that leaves nothing to compute, and a forward pass that does not.
ZERO_WEIGHTS = (
    "        self.charlin = self.build_charlin(nhidden_rnn, charmap.vocab_size)\n",
    "        nn.init.zeros_(self.charlin[0].weight)\n",
)
BIAS_ALONE = """
padded, n = pad_packed_sequence(inputs)
n = output_lengths(n, self.cnn)
scores = self.charlin[0].bias.repeat(int(n.max()), len(n), 1)
scores = scores + 0 * sum(p.sum() for p in self.parameters())
return pack_padded_sequence(scores, n, enforce_sorted=False)
"""

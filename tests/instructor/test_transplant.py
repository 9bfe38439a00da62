"""An answer in the midst of the reference: however it is written, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from autograder.intake import Source, transplant

OURS = Source(
    '"""Doc."""\n'
    "import math\n\n\n"
    "def given(x):\n    return x\n\n\n"
    "def answer(x, n=1):\n    return -1\n\n\n"
    "class Net:\n"
    "    size = 3\n\n"
    "    def method(self):\n        return -1\n\n\n"
    "END = 1\n"
)

# How a student may write x + 2.
FUNCTIONS = {
    "def": "def answer(x, n=1):\n    return x + 2\n",
    "lambda": "answer = lambda x, n=1: x + 2\n",
    "alias": "def mine(x, n=1):\n    return x + 2\n\nanswer = mine\n",
    "alias of a class": (
        "class Adds:\n    def __call__(self, x, n=1):\n        return x + 2\n\n"
        "answer = Adds()\n"
    ),
    "try": (
        "try:\n    from no_such_module import answer\n"
        "except ImportError:\n    def answer(x, n=1):\n        return x + 2\n"
    ),
    "if": (
        "import sys\nif sys.version_info > (3,):\n"
        "    def answer(x, n=1):\n        return x + 2\n"
        "else:\n    answer = None\n"
    ),
    "wrapped": (
        "import functools\n\ndef answer(x, n=1):\n    return x + 2\n\n"
        "answer = functools.lru_cache(None)(answer)\n"
    ),
    "decorated": (
        "def twice(f):\n    return lambda x, n=1: f(f(x))\n\n"
        "@twice\ndef answer(x, n=1):\n    return x + 1\n"
    ),
    "starter overridden": (
        'def answer(x, n=1):\n    raise NotImplementedError("E01")\n\n'
        "def solve(x, n=1):\n    return x + 2\n\nanswer = solve\n"
    ),
    "default from the module": "STEP = 2\n\ndef answer(x, n=STEP):\n    return x + n\n",
    "by its text": (
        "def helper(x):\n    return x + 2\n\n"
        "def answer(x, n=1):\n    return globals()['helper'](x)\n"
    ),
    "one line": "STEP = 2; answer = lambda x, n=1: x + STEP\n",
}
METHODS = {
    "def": "class Net:\n    def method(self):\n        return 5\n",
    "assigned": "def m(self):\n    return 5\n\nclass Net:\n    method = m\n",
    "assigned afterwards": (
        "class Net:\n    pass\n\ndef m(self):\n    return 5\n\nNet.method = m\n"
    ),
    "helper of the class": (
        "class Net:\n    more = 2\n\n    def method(self):\n"
        "        return self.size + getattr(self, 'more')\n"
    ),
    "in a class in an if": (
        "if True:\n    class Net:\n        def method(self):\n            return 5\n"
    ),
}


def moved(text: str, name: str) -> dict[str, Any]:
    """Move an answer into the reference, and run it."""
    found = transplant(Source(text), OURS, name)
    assert found is not None
    scope: dict[str, Any] = {"__name__": "ours"}
    exec(compile(found.text, "ours.py", "exec"), scope)
    assert scope["END"] == 1 and scope["given"](7) == 7
    return scope


@pytest.mark.parametrize("text", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_goes_along_however_it_is_bound(text: str) -> None:
    assert moved(text, "answer")["answer"](3) == 5
    assert not Source(text).is_unwritten("answer", "E01")
    assert Source(text).answer("answer")


@pytest.mark.parametrize("text", METHODS.values(), ids=METHODS)
def test_a_method_goes_along_however_it_is_bound(text: str) -> None:
    assert moved(text, "Net.method")["Net"]().method() == 5
    assert not Source(text).is_unwritten("Net.method", "E01")


@pytest.mark.parametrize(
    "body",
    [
        "return x + n",  # a parameter
        "n = 2\n    return x + n",  # a local name
        "return sum(n for n in (x, 2))",  # of a comprehension
        "def inner(n):\n        return n + 2\n    return inner(x)",
        "return (lambda n: n + 2)(x)",
        "return x + given.n if False else x + 2",  # an attribute
        "'n'\n    return x + len('n') + 1",  # a text
    ],
)
def test_a_statement_of_the_module_stays_where_another_name_is_meant(body: str) -> None:
    heavy = "n = open('/no/such/file').read()\n\n"
    text = f"{heavy}def answer(x, n=2):\n    {body}\n"
    assert moved(text, "answer")["answer"](3) == 5


def test_a_name_of_a_nested_scope_binds_nothing_in_the_module() -> None:
    text = (
        "TABLE = [open('/no/such/file') for step in (1, 2)]\n\nstep = 2\n\n"
        "def answer(x, n=1):\n    return x + step\n"
    )
    assert moved(text, "answer")["answer"](3) == 5


@pytest.mark.parametrize("text", ["x = 1\n", "def other():\n    return 1\n", "def (:"])
def test_nothing_is_moved_where_there_is_no_answer(text: str) -> None:
    assert transplant(Source(text), OURS, "answer") is None
    assert not Source(text).is_bound("answer")

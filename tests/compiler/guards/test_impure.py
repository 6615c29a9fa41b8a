"""Calls that no trace can hold are known by what they are, not by their names in the program."""

from __future__ import annotations

import builtins
import datetime as dt
import math
import os
import random
import time

import numpy as np
import pytest

from chainrule.compiler.guards.impure import impure, library


@pytest.mark.parametrize(
    ("called", "words"),
    [
        (random.random, "random.random()"),
        (random.uniform.__code__, "random.uniform()"),
        (np.random.rand, "np.random.rand()"),
        (np.random.default_rng(0).normal, "np.random.normal()"),
        (time.time, "time.time()"),
        (dt.datetime.now, "datetime.now()"),
        (builtins.print, "print()"),
        (builtins.open, "open()"),
        (os.urandom, "os.urandom()"),
        (type(os.environ).__getitem__.__code__, "os.environ"),
        (len, None),
        (math.sqrt, None),
        (np.sqrt, None),
        (os.path.join.__code__, None),
        ([].append, None),
    ],
)
def test_calls_are_told_apart(called, words):
    assert impure(called) == words


def test_code_of_the_library_is_named_by_its_module():
    assert library(random.uniform.__code__) == "random"
    assert library(os.getenv.__code__) == "os"

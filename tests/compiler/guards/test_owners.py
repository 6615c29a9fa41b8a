"""Whose code runs."""

from __future__ import annotations

import collections
import random

import numpy as np

from chainrule import nn, optim, softmax
from chainrule.compiler.guards.owners import LAYERS, LIBRARY, OURS, PROGRAM, whose


def test_code_belongs_to_the_program_unless_its_file_says_otherwise():
    point = collections.namedtuple("point", "x y")  # noqa: PYI024 - its maker has no file
    assert (
        whose(test_code_belongs_to_the_program_unless_its_file_says_otherwise.__code__) is PROGRAM
    )
    assert whose((lambda x: x).__code__) is PROGRAM
    assert whose(nn.Linear.forward.__code__) is LAYERS
    assert whose(optim.SGD.__init__.__code__) is LAYERS
    assert whose(softmax.__code__) is OURS
    assert whose(point.__new__.__code__) is OURS
    assert whose(np.errstate.__init__.__code__) is OURS
    assert whose(random.uniform.__code__) is LIBRARY

"""Where NaN and infinity come from: the node that made them, why, and what to do.

`trail.py` walks back from a bad value, `hazards.py` knows what goes wrong in which op, `culprit.py`
joins both into a `NonFinite` report, `detection.py` looks at whole steps, eager and compiled.
"""

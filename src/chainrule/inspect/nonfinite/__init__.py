"""The cause of NaN and infinity: the node that made them, the reason, and the way out.

`trail.py` walks back from a bad value, `hazards.py` has the causes by op, `culprit.py` joins both,
`report.py` is the `NonFinite` report, `detection.py` checks whole steps, eager and compiled.
"""

"""Deferred evaluation: operations are recorded, and evaluated together when a value is read.

    pending      a value to come, and the batch of operations that it belongs to
    structure    what a batch does, known again at its next occurrence: native from then on
    parts        a batch that is new, made of parts that are known
    reasons      why a structure was compiled, and why once more
    recorder     when to record and when to evaluate at once, decided by counting
    gradient     the gradient of a tape, derived once for each structure
    stages       its parts, from one hook or `autograd.Function` to the next
    rules        the gradient of a tape that is new, recorded rule by rule

Python runs every line every time, so nothing that it decides can be stale.
"""

"""Time and memory of a program by line and by layer; `session.py` is `cr.profile`."""

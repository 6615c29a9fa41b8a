"""The flight recorder: what training looks like from inside, and what is wrong, in words."""

"""The same training steps, written once for each contestant; `spec` says what they are."""

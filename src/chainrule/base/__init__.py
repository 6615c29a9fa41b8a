"""The ground floor: dtypes, shapes, errors, settings, source lines. Imports nothing of ours."""

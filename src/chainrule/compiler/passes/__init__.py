"""Graph → graph → groups → plan, one small file per pass; `pipeline.py` gives their order."""

"""From a traced graph to machine code: `pipeline.py` is the page that names every stage."""

"""Models built from `nn`: language models, classifiers, taggers."""

"""The functions of `tensor/functional` as methods and operators of `Tensor`: tables of names.

A method with a trailing underscore computes and then rebinds its tensor. Example: `x.add_(1)`.
Source of the names: https://docs.pytorch.org/docs/stable/tensors.html
"""

"""Calls of convolutions and pooling, as lines of a table: for the oracle and for the compiler."""

from __future__ import annotations

from tests.tensor.functional.oracle import method

X, W, B = (2, 4, 20), (6, 4, 3), (6,)
IMAGE, KERNEL = (2, 4, 9, 20), (6, 4, 3, 2)

CONVOLUTIONS = [
    method("F.conv1d(x, y, z)", X, W, B),
    method("F.conv1d(x, y)", (4, 20), W),
    method("F.conv1d(x, y, padding=2)", X, W),
    method("F.conv1d(x, y, padding=(1,), stride=2)", X, W),
    method("F.conv1d(x, y, z, padding='same', dilation=3)", X, (6, 4, 4), B),
    method("F.conv1d(x, y, padding='valid', dilation=(2,))", X, W),
    method("F.conv1d(x, y, z, groups=2, stride=3)", X, (6, 2, 3), B),
    method("F.conv1d(x, y, groups=4, padding=1)", X, (4, 1, 3)),
    method("F.conv1d(x, y, stride=4)", X, (3, 4, 4)),
    method("lib.conv1d(x, y)", X, (3, 4, 1)),
    method("lib.conv1d(x, y)", (2, 4, 3), W),
    method("F.conv2d(x, y, z)", IMAGE, KERNEL, B),
    method("lib.conv2d(x, y, z)", (4, 9, 20), KERNEL, B),
    method("F.conv2d(x, y, stride=(2, 1), padding=(1, 2))", IMAGE, KERNEL),
    method("F.conv2d(x, y, padding='same', dilation=(1, 2))", IMAGE, KERNEL),
    method("F.conv2d(x, y, groups=2)", IMAGE, (6, 2, 3, 2)),
    method("F.conv2d(x, y, groups=4, stride=2)", IMAGE, (4, 1, 3, 3)),
    method("F.conv2d(x, y)", (2, 16, 5, 20), (3, 16, 2, 2)),
    method("F.conv_transpose1d(x, y, z)", X, (4, 6, 3), B),
    method("lib.conv_transpose1d(x, y, z, 3, 1, 2, 2, 1)", X, (4, 3, 4), B),
    method("F.conv_transpose1d(x, y, stride=2, padding=1, dilation=2)", (4, 7), (4, 6, 3)),
    method("F.conv_transpose1d(x, y, output_padding=1, dilation=2)", X, (4, 6, 3)),
    method("lib.conv_transpose2d(x, y, z, stride=2)", (2, 4, 3, 4), (4, 6, 3, 2), B),
    method("F.conv_transpose2d(x, y, padding=(1, 0))", (2, 4, 5, 4), (4, 6, 3, 2)),
    method("F.unfold(x, (3, 2), padding=1, stride=(2, 1))", (2, 3, 5, 6)),
    method("F.unfold(x, 2, dilation=2)", (3, 5, 6)),
    method("F.fold(x, (4, 5), 2)", (2, 12, 12)),
    method("F.fold(x, (4, 5), (2, 3), padding=1, stride=2)", (12, 9)),
]

POOLS = [
    method("lib.max_pool1d(x, 3)", X),
    method("F.max_pool1d(x, 20)", X),
    method("F.max_pool1d(x, 9, 4)", X),
    method("F.max_pool1d(x, 4, 3, 2, 2, ceil_mode=True)", X),
    method("F.max_pool1d(x, 3, 2, return_indices=True)", X),
    method("F.max_pool1d(x, 12, stride=5, return_indices=True)", (4, 20)),
    method("lib.max_pool2d(x, 2)", IMAGE),
    method("F.max_pool2d(x, (3, 2), stride=2, padding=1, ceil_mode=True)", IMAGE),
    method("F.max_pool2d(x, 3, dilation=(1, 2), return_indices=True)", IMAGE),
    method("lib.avg_pool1d(x, 3)", X),
    method("F.avg_pool1d(x, 4, 3, 2, True, False)", X),
    method("F.avg_pool1d(x, 9, 5, 3, ceil_mode=True)", (4, 20)),
    method("F.avg_pool2d(x, 2)", IMAGE),
    method("F.avg_pool2d(x, 3, 2, 1, True, False)", IMAGE),
    method("F.avg_pool2d(x, (3, 2), ceil_mode=True, divisor_override=5)", IMAGE),
    method("F.lp_pool1d(x, 2, 3)", X, low=0.1),
    method("F.lp_pool1d(x, 3.0, 4, 2, ceil_mode=True)", X, low=0.1),
    method("F.lp_pool2d(x, 2.0, (2, 3), stride=2)", IMAGE, low=0.1),
    method("lib.adaptive_avg_pool1d(x, 5)", X),
    method("F.adaptive_avg_pool1d(x, 3)", X),
    method("F.adaptive_avg_pool2d(x, (None, 7))", IMAGE),
    method("F.adaptive_avg_pool2d(x, 1)", IMAGE),
    method("F.adaptive_max_pool1d(x, 1)", X),
    method("F.adaptive_max_pool1d(x, 6)", X),
    method("F.adaptive_max_pool1d(x, 3, return_indices=True)", (4, 20)),
    method("F.adaptive_max_pool2d(x, (4, None))", IMAGE),
    method("F.adaptive_max_pool2d(x, 2, return_indices=True)", IMAGE),
]

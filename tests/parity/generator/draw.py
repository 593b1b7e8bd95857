"""Inputs: random numbers of several kinds, shapes, and numbers with a meaning of their own."""

import torch

INF, NAN = float("inf"), float("nan")
F64, F32, I64, BOOL = torch.float64, torch.float32, torch.int64, torch.bool

SHAPES = [(5,), (2, 3), (2, 1, 3), (2, 3, 2, 2), (), (0, 2)]
# Shapes that broadcast, and shapes that do not.
PAIRS = [((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1), (1, 3)), ((), (2, 3)), ((2, 3), ()), ((), ()), ((2, 3, 2), (3, 1)),
         ((2, 1, 2), (2, 1, 3, 1)), ((0, 3), (1, 3))]
MISFITS = [((2, 3), (2, 4)), ((2, 3), (4, 3)), ((0,), (2,)), ((3, 2), (3,))]
# Shapes, and a dimension of each to work along.
ALONG = [((5,), 0), ((2, 3), 0), ((2, 3), -1), ((2, 3, 2), 1), ((2, 2, 2, 3), -2), ((2, 1, 3), 1), ((), 0)]


def n(*shape):
    """Normal numbers."""
    return torch.randn(shape, dtype=F64)


def pos(*shape):
    return torch.rand(shape, dtype=F64) * 2 + 0.3


def away(*shape):
    """Numbers of both signs at a distance from 0."""
    x = n(*shape)
    return x + 0.2 * x.sign()


def inside(*shape):
    """Numbers between -0.9 and 0.9."""
    return torch.rand(shape, dtype=F64) * 1.8 - 0.9


def distinct(*shape):
    """Numbers of both signs that keep a distance from each other."""
    count = torch.Size(shape).numel()
    return ((torch.randperm(count) - count / 2) * 0.25 + torch.rand(count) * 0.1).double().reshape(shape)


def ints(high, *shape, low=0):
    return torch.randint(low, high, shape)


def bools(*shape):
    return torch.rand(shape) < 0.5


def f64(*values):
    return torch.tensor(values, dtype=F64)


def i64(*values):
    return torch.tensor(values, dtype=I64)


def flags(*values):
    return torch.tensor(values, dtype=BOOL)


def zeros(*shape):
    return torch.zeros(shape, dtype=F64)


def strange():
    return f64(NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0)


def some(*shape):
    """A mask with something true in every row along every dimension."""
    mask = bools(*shape)
    mask[..., 0] = True
    return mask


def bad_dims(case, several=True, **kwargs):
    """Calls with dimensions that (2, 3) does not have, or, where several are taken, with one twice."""
    case.refused(n(2, 3), 2, **kwargs)
    case.refused(n(2, 3), -3, **kwargs)
    if several:
        case.refused(n(2, 3), [0, 0], **kwargs)
        case.refused(n(2, 3), [0, -2], **kwargs)

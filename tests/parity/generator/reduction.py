"""Reductions, running sums, order, distances."""

import torch

from .draw import *
from .writer import Fixed

REDUCED = [((5,), [0]), ((5,), [-1]), ((2, 3), [0]), ((2, 3), [1]), ((2, 3), [0, 1]), ((2, 3, 2), [-2]), ((2, 3, 2), [0, 2]),
           ((2, 3, 2), [2, -3]), ((2, 1, 3), [1]), ((2, 3, 1, 3), [0, -1])]


def write(w):
    for part in (sums, moments, norms, extremes, places, truth, along, ordered, to_size, distances, agreement):
        part(w)


def sums(w):
    for name in ("sum", "mean", "amax", "amin", "logsumexp"):
        case = w.op(name)
        for k, (shape, dim) in enumerate(REDUCED):
            case(distinct(*shape), dim, keepdim=k % 3 == 1)
            if k < 5:
                case(distinct(*shape), dim, keepdim=k % 3 != 1)
        case.expanded(n(3, 4), [0])
        case.only(f64(1.0, NAN, 3.0), 0)
        case.only(f64(INF, -INF), 0)
        case.only(n(), 0)
        bad_dims(case)
        if name != "logsumexp":
            case(distinct(2, 3))
            case(n())
    for name in ("sum", "mean"):
        case = w.op(name)
        case(n(0, 3), [0])
        case(n(3, 0), [0])
        case(n(0))
        case.only(ints(9, 2, 3), dtype=F64)
        case.only(ints(9, 2, 3), [1], True, dtype=F32)
        case.only(n(2, 3).float(), [1], dtype=F64)
    case = w.op("sum")
    for x, dim in ((ints(9, 2, 3), [1]), (bools(2, 3), [0]), (bools(6), 0)):
        case.only(x, dim)
    case.only(bools(6))
    w.op("mean").refused(ints(9, 3))
    for name in ("amax", "amin"):
        case = w.op(name)
        case.only(f64(1.0, 3.0, 3.0, 1.0, 1.0))
        case.only(ints(5, 2, 4), 1)
        case.only(bools(2, 3), 0)
        case.refused(n(0))
        case.refused(n(0, 3), 0)
    w.op("logsumexp")(n(2, 3) * 300 + 500, 1)
    case = w.op("prod")
    for shape, dim in ALONG:
        case(away(*shape), dim)
        case(away(*shape), dim, keepdim=True)
    for x in (away(2, 3), f64(1.5, 0.0, -2.0), f64(0.0, 2.0, 0.0), n(0), n()):
        case(x)
    case(f64(1.0, 0.0, 2.0, 3.0).view(2, 2), 1)
    case.only(ints(5, 2, 3), 1)
    case.only(ints(5, 4))
    case.only(bools(4))
    case.only(ints(5, 4), dtype=F64)
    bad_dims(case, False)


def moments(w):
    for name in ("var", "std", "var_mean", "std_mean"):
        case = w.op(name)
        for k, (shape, dim) in enumerate(REDUCED):
            if shape[dim[0]] > 1:
                case(n(*shape), dim, keepdim=k % 3 == 1)
        for shape, dim in (((2, 3), [1]), ((2, 3, 4), [0, 2]), ((5,), [0])):
            for unbiased in (False, True):
                case(n(*shape), dim, unbiased, keepdim=unbiased)
            for correction in (0, 2):
                case(n(*shape) + 3, dim, correction=correction, keepdim=correction == 2)
        case(n(6))
        case(n(6), False)
        case.only(Fixed(f64(2.5)))
        case.only(Fixed(n(0, 3)), 0)
        case.only(Fixed(f64(1.0, NAN, 2.0)))
        case.refused(ints(9, 4))
        if name in ("var", "std"):
            bad_dims(case)
    w.op("std").only(f64(2.0, 2.0, 2.0))


def norms(w):
    for name in ("norm", "linalg.vector_norm"):
        case = w.op(name)
        for order in (2, 1, 3, 0, INF, -INF, 0.5, -1):
            for shape, dim in (((5,), 0), ((2, 3), -1), ((2, 3, 2), [0, 2])):
                case(away(*shape), order, dim, keepdim=order == 1)
        case(away(2, 3))
        case(away())
        case(n(0))
        case.only(f64(NAN, 1.0))
        case(zeros(3))
        case.refused(n(2, 3), 2, 2)
        case.refused(ints(9, 3), 2)
    w.op("norm")(n(2, 3), "fro")
    w.op("linalg.vector_norm").only(n(3).float(), dtype=F64)


def extremes(w):
    for name in ("max", "min"):
        case = w.op(name)
        for shape in ((5,), (2, 3), (2, 3, 2), (), (1,)):
            case(distinct(*shape))
        for shape, dim in ALONG:
            case(distinct(*shape), dim)
            case(distinct(*shape), dim, keepdim=True)
        for a, b in PAIRS:
            case(distinct(*a), distinct(*b) + 0.11)
        case.only(f64(1.0, 3.0, 3.0, 1.0))
        case.only(f64(1.0, 3.0, 3.0, 1.0), 0)
        case.only(f64(1.0, NAN, 3.0))
        case.only(f64(1.0, NAN, NAN), 0)
        case.only(i64(2, 7, 7, 1, 1))
        case.only(ints(5, 3, 4), 1)
        case.refused(n(0))
        case.refused(n(0, 3), 0)
        bad_dims(case, False)


def places(w):
    for name in ("argmax", "argmin"):
        case = w.op(name)
        for shape in ((5,), (2, 3), (2, 3, 4), (), (1,)):
            case(Fixed(distinct(*shape)))
        for shape, dim in ALONG:
            case(Fixed(distinct(*shape)), dim)
            case(Fixed(distinct(*shape)), dim, keepdim=True)
        case.only(f64(1.0, 3.0, 3.0, 1.0))
        case.only(f64(1.0, NAN, 3.0, NAN), 0)
        case.only(i64(2, 7, 7, 1, 1))
        case.refused(n(0))
        case.refused(n(0, 3), 0)
        bad_dims(case, False)


def truth(w):
    for name in ("any", "all"):
        case = w.op(name)
        for x in (zeros(3), torch.ones(2, 2), i64(0, 2, 0), n(0), bools(), torch.ones(2, 3, dtype=BOOL), f64(0.0, NAN)):
            case.only(x)
        for shape, dim in ALONG:
            case.only(bools(*shape), dim)
            case.only(ints(2, *shape), dim, keepdim=True)
        case(Fixed(ints(2, 3, 2).double()), 0)
        bad_dims(case, False)
    case = w.op("count_nonzero")
    for shape, dim in REDUCED:
        case(Fixed(ints(3, *shape).double()), dim)
        case.only(bools(*shape))
        case.only(ints(2, *shape), dim[0])
    case.only(n(0, 3), 0)
    case.only(strange())
    bad_dims(case, False)


def along(w):
    for name in ("cumsum", "cumprod"):
        case = w.op(name)
        for shape, dim in ALONG:
            case(away(*shape), dim)
        case(away(2, 3), 1, dtype=F64)
        case(n(0, 3), 0)
        case.expanded(away(3, 2), 0)
        case.only(ints(5, 2, 3), 1)
        case.only(bools(5), 0)
        case.only(ints(5, 2, 3), 0, dtype=F32)
        case.only(Fixed(f64(1.0, NAN, 2.0)), 0)
        bad_dims(case, False)
    w.op("cumprod")(f64(2.0, 0.0, 3.0, 0.0, 4.0), 0)
    case = w.op("logcumsumexp")
    for shape, dim in ALONG:
        case(n(*shape) * 2, dim)
    case(n(0, 3), 0)
    case(n(2, 0), 1)
    case.expanded(n(3, 2), 0)
    case.only(f64(0.0, 1000.0, -1000.0, 1000.5, -2000.0), 0)  # in float32 PyTorch's gradient has e^x of a rounded 1000
    case.only(f64(1.0, -INF, 2.0, -INF), 0)
    case.only(f64(-INF, -INF, 1.0, 2.0), 0)
    case.only(f64(1.0, INF, 2.0), 0)
    case.only(f64(1.0, NAN, 2.0), 0)
    case.refused(ints(9, 3), 0)
    case.refused(bools(3), 0)
    bad_dims(case, False)


def ordered(w):
    for name in ("sort", "argsort"):
        case = w.op(name)
        for shape, dim in ALONG:
            for descending in (False, True):
                x = distinct(*shape)
                case(x if name == "sort" else Fixed(x), dim, descending)
        case(distinct(5) if name == "sort" else Fixed(distinct(5)))
        case.only(Fixed(n(0, 3)), 0)
        bad_dims(case, False)
    case = w.op("sort")
    for descending in (False, True):
        case.only(i64(3, 1, 3, 2, 1, 3), descending=descending, stable=True)
        case.only(Fixed(f64(1.0, NAN, -INF, 2.0, INF)), descending=descending, stable=True)
    case = w.op("topk")
    for shape, dim, k in (((5,), 0, 3), ((2, 4), -1, 2), ((4, 2), 0, 4), ((2, 3, 2), 1, 1), ((), 0, 1), ((3, 2), 1, 0)):
        for largest in (True, False):
            case(distinct(*shape), k, dim, largest)
    case(distinct(2, 5), 3)
    case.only(i64(3, 1, 3, 2, 1, 3), 4)
    case.only(Fixed(f64(1.0, NAN, -INF, 2.0)), 2)
    case.refused(n(3), 4)
    case.refused(n(3), -1)
    case.refused(n(3), 1, 1)


def to_size(w):
    case = w.op("sum_to_size")
    for old, new in (((2, 3), (1, 3)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 3), (1, 1)), ((2, 3), (2, 3)), ((3, 1, 2), (2,)),
                     ((2, 3), ())):
        case(n(*old), new)
    case.refused(n(2, 3), (2,))


def distances(w):
    case = w.op("nn.functional.cosine_similarity")
    for a, b, options in (((2, 3), (2, 3), {}), ((3,), (3,), {"dim": 0}), ((2, 3, 2), (2, 3, 2), {"dim": -1}), ((2, 3), (1, 3), {}),
                          ((2, 1, 3), (2, 3), {"dim": 2}), ((0, 3), (0, 3), {}), ((2, 3), (2, 3), {"eps": 0.5})):
        case(away(*a), away(*b), **options)
    case.only(zeros(2, 3), n(2, 3))
    case.refused(n(2, 3), n(2, 4))
    case.refused(n(2, 3), n(2, 3), dim=2)
    case = w.op("nn.functional.pairwise_distance")
    for a, b in (((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1, 3), (2, 3)), ((0, 3), (0, 3))):
        for options in ({}, {"p": 1.0}, {"p": INF, "keepdim": True}, {"p": 3.0, "eps": 0.1}):
            case(n(*a), n(*b), **options)
    case.only(ints(5, 2, 3), ints(5, 2, 3))
    case.refused(n(2, 3), n(2, 4))


def agreement(w):
    """Whether two tensors are the same, or nearly."""
    case = w.op("equal")
    for x, y in ((n(2, 3), n(2, 3)), (n(2, 3), n(3)), (ints(2, 4), ints(2, 4)), (bools(3), bools(3)), (strange(), strange()), (n(0), n(0))):
        case(Fixed(x) if x.is_floating_point() else x, Fixed(y) if y.is_floating_point() else y)
        case(Fixed(x) if x.is_floating_point() else x, Fixed(x.clone()) if x.is_floating_point() else x.clone())
    case = w.op("allclose")
    for near in (0.0, 1e-9, 1e-7, 1e-3):
        x = Fixed(away(2, 3))
        for options in ({}, {"rtol": 1e-2}, {"rtol": 0.0, "atol": 1e-8}):
            case(x, Fixed(x.tensor + near), **options)
    for equal_nan in (False, True):
        case.only(Fixed(strange()), Fixed(strange()), equal_nan=equal_nan)
    case.only(Fixed(n(2, 3)), Fixed(n(3)))
    case.only(ints(3, 4), ints(3, 4))
    case.refused(Fixed(n(2, 3)), Fixed(n(2)))

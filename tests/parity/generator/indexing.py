"""Operations that look elements up by index, or write them there."""

import torch

from .draw import *
from .writer import Fixed


def write(w):
    for part in (brackets, rows, elements, masks, words, lookups, bags):
        part(w)


def brackets(w):
    case = w.op("__getitem__")
    for shape, index in (((5,), 2), ((5, 4), -1), ((5, 4), (slice(None, None, 2), 1)), ((5, 4), (Ellipsis, None, slice(1, 100))),
                         ((5, 4), slice(3, 1)), ((5, 4), (slice(-3, -1), slice(-100, 100, 3))), ((2, 3, 4), (0, Ellipsis, 1)),
                         ((2, 3), (None, slice(None), None)), ((), None), ((2, 3, 4), (1, 2, 3))):
        case(n(*shape), index)
    for shape, index in (((5, 4), i64(0, 0, 4)), ((5, 4), (i64(0, -1), i64(1, 1))), ((5, 4), (slice(None), i64(3, 0, 3))),
                         ((3, 2), flags(True, False, True)), ((3, 2), bools(3, 2)), ((3, 2), torch.zeros(3, dtype=BOOL)),
                         ((3, 4, 2), (i64(0, 2), slice(None), i64(1, 1))), ((3, 4, 2), (slice(1, 3), i64(0, 3).view(2, 1), i64(1, 0))),
                         ((4, 3), ints(4, 2, 2)), ((3, 4), (None, i64(2, 0))), ((4,), i64().long()), ((3, 4), (1, i64(0, 3, 3))),
                         ((3, 4), (flags(False, True, True), i64(2, 0)))):
        case(n(*shape), index)
    case.only(ints(9, 4), i64(3, 0))
    case.only(bools(4), slice(1, 3))
    for index in (3, -4, (0, 0, 0), i64(3), i64(-4), flags(True, False), (i64(0, 1), i64(0, 1, 2))):
        case.refused(n(3, 2), index)
    case = w.op("index_put")
    for accumulate in (False, True):
        for shape, index, values in (((5,), (i64(0, 3),), (2,)), ((4, 3), (i64(2, 0),), (2, 3)), ((4, 3), (i64(2, 0),), (3,)),
                                     ((4, 3), (i64(2, 0), i64(1, 1)), (2,)), ((3,), (flags(True, False, True),), (2,)),
                                     ((3, 2), (flags(True, False, True),), ()), ((3, 4), (i64(1, 2).view(2, 1), i64(0, 3)), (2, 2))):
            case(n(*shape), index, n(*values), accumulate)
    case(n(4, 2), (i64(1, 1, 3),), n(3, 2), True)
    case.only(ints(9, 4), (i64(1, 2),), ints(9, 2))
    case.refused(n(3), (i64(3),), n(1))
    case.refused(n(3), (i64(0, 1),), n(3))
    case.refused(n(3), (i64(0),), n(1).float())
    case.refused(n(3), (i64(0), i64(0)), n(1))


def rows(w):
    case = w.op("index_select")
    for shape, dim, count in (((5,), 0, 3), ((4, 3), 0, 6), ((4, 3), 1, 2), ((2, 3, 4), -2, 4), ((3, 2), -1, 0)):
        case(n(*shape), dim, ints(shape[dim], count))
    case(n(4, 2), 0, torch.tensor(2))
    case.expanded(n(3, 2), 0, i64(2, 0))
    case.only(ints(9, 4), 0, i64(3, 3))
    case.only(bools(4), 0, i64(3, 0))
    for dim, index in ((0, i64(4)), (0, i64(-1)), (2, i64(0)), (0, i64(0, 1).view(1, 2)), (0, bools(2))):
        case.refused(n(4, 3), dim, index)
    case.refused(n(0, 3), 0, i64(0))
    case = w.op("index_add")
    for shape, source, dim in (((4,), (6,), 0), ((4, 3), (5, 3), 0), ((2, 4), (2, 3), -1), ((2, 3, 2), (2, 4, 2), 1), ((3, 2), (0, 2), 0)):
        case(n(*shape), dim, ints(shape[dim], source[dim]), n(*source))
        case(n(*shape), dim, ints(shape[dim], source[dim]), n(*source), alpha=-2.5)
    case.only(ints(9, 4), 0, i64(3, 3), ints(9, 2), alpha=2)
    case = w.op("index_copy")
    for shape, source, dim, index in (((4,), (2,), 0, i64(3, 1)), ((4, 3), (3, 3), 0, i64(0, 3, 2)), ((2, 4), (2, 1), -1, i64(2)),
                                      ((3, 2), (0, 2), 0, i64().long())):
        case(n(*shape), dim, index, n(*source))
    case.only(ints(9, 4), 0, i64(3, 1), ints(9, 2))
    for name in ("index_add", "index_copy"):
        case = w.op(name)
        case.refused(n(3, 3), 0, i64(3), n(1, 3))
        case.refused(n(3, 3), 0, i64(0, 1), n(1, 3))
        case.refused(n(3, 3), 0, i64(0), n(1, 3).float())
        case.refused(n(3, 3), 2, i64(0), n(1, 3))
    case = w.op("index_fill")
    for shape, dim, count in (((5,), 0, 3), ((4, 3), 0, 2), ((2, 3, 4), -2, 4), ((3, 2), 1, 0)):
        case(n(*shape), dim, ints(shape[dim], count), -1.5)
    case.only(ints(9, 4), 0, i64(3, 1), 7)
    case.only(bools(4), 0, i64(3, 1), True)
    case.refused(n(3, 3), 0, i64(3), 1.0)
    case.refused(n(3, 3), 2, i64(0), 1.0)


def elements(w):
    case = w.op("gather")
    for shape, index, dim in (((5,), (3,), 0), ((3, 4), (3, 2), 1), ((3, 4), (5, 4), 0), ((3, 4), (2, 3), 0), ((2, 3, 4), (2, 3, 1), -1),
                              ((2, 3, 4), (1, 5, 4), -2), ((3, 4), (0, 4), 0)):
        case(n(*shape), dim, ints(shape[dim], *index))
    case(n(), 0, torch.tensor(0))
    case.only(ints(9, 4), 0, i64(3, 3))
    for dim, index in ((0, i64(3).view(1, 1)), (0, i64(-1).view(1, 1)), (0, i64(0)), (0, ints(3, 1, 4)), (2, i64(0).view(1, 1)),
                       (0, zeros(1, 1))):
        case.refused(n(3, 3), dim, index)
    case = w.op("scatter_add")
    for shape, index, dim in (((5,), (7,), 0), ((3, 4), (3, 6), 1), ((3, 4), (2, 3), 0), ((2, 3, 4), (2, 5, 4), -2), ((3, 4), (0, 4), 0)):
        case(n(*shape), dim, ints(shape[dim], *index), n(*index))
    case.only(ints(9, 4), 0, i64(3, 3), ints(9, 2))
    case.only(bools(4), 0, i64(3, 3), bools(2))
    case(n(3, 4), 1, ints(4, 2, 2), Fixed(n(3, 4)))
    case = w.op("scatter")
    for shape, dim, index in (((5,), 0, i64(3, 0, 4)), ((3, 4), 1, i64(0, 2, 3, 1).view(2, 2)), ((2, 3), 0, i64(1, 0, 1).view(1, 3)),
                              ((3, 4), 0, ints(3, 0, 4))):
        case(n(*shape), dim, index, n(*index.shape))
        case(n(*shape), dim, index, 2.5)
        case(n(*shape), dim, index, Fixed(n(*[size + 1 for size in index.shape])))
        for reduce in ("add", "multiply"):
            case(Fixed(n(*shape)), dim, index, Fixed(n(*index.shape)), reduce=reduce)
            case(Fixed(n(*shape)), dim, index, 2.5, reduce=reduce)
    case.only(ints(9, 4), 0, i64(3, 1), 7)
    case.refused(n(3), 0, i64(0), 1.0, reduce="mean")
    for name in ("scatter_add", "scatter"):
        case = w.op(name)
        case.refused(n(3, 3), 0, i64(3).view(1, 1), n(1, 1))
        case.refused(n(3, 3), 0, i64(-1).view(1, 1), n(1, 1))
        case.refused(n(3, 3), 0, ints(3, 2, 2), n(1, 2))
        case.refused(n(3, 3), 0, ints(3, 2, 4), n(2, 4))
        case.refused(n(3, 3), 0, i64(0).view(1, 1), n(1, 1).float())
        case.refused(n(3, 3), 2, i64(0).view(1, 1), n(1, 1))
    case = w.op("take_along_dim")
    for shape, index, dim in (((5,), (3,), 0), ((3, 4), (3, 2), 1), ((3, 4), (1, 4), 0), ((2, 3, 4), (2, 1, 4), -2), ((3, 4), (2, 1), 0)):
        case(n(*shape), ints(shape[dim], *index), dim)
    case(n(2, 3), ints(6, 4))
    case.refused(n(3, 4), ints(3, 3), 0)
    case.refused(n(3, 4), i64(3).view(1, 1), 0)


def masks(w):
    case = w.op("masked_select")
    for a, b in PAIRS:  # PyTorch 1.13's gradient is wrong for strided inputs
        case.only(n(*a), bools(*b))
        case(Fixed(n(*a)), bools(*b))
    case.only(ints(9, 4), bools(4))
    case.refused(n(2, 3), bools(2))
    case.refused(n(3), i64(0, 1, 1))
    case = w.op("nonzero")
    for x in (ints(2, 5), ints(2, 2, 3), ints(2, 2, 2, 2), bools(3, 2), zeros(2, 2), n(0, 2), strange()):
        case.only(x)
        case.only(x, as_tuple=True)
    case(Fixed(ints(2, 3, 4).double()))
    case.only(torch.tensor(3))
    case.only(torch.tensor(0))


def words(w):
    case = w.op("nn.functional.one_hot")
    for shape in ((4,), (2, 3), (), (2, 1, 2)):
        case.only(ints(4, *shape), num_classes=5)
        case.only(ints(4, *shape), num_classes=-1)
        case.only(ints(4, *shape))
    case.only(ints(3, 0, 2), num_classes=3)
    case.refused(i64(3), num_classes=3)
    case.refused(i64(-1))
    case.refused(ints(3, 0))


def lookups(w):
    case = w.op("nn.functional.embedding")
    for index in ((4,), (2, 3), (), (2, 1, 3), (0, 2)):
        case(ints(5, *index), n(5, 3))
    repeated = i64(0, 2, 4, 2, 3, 0, 1, 4).view(2, 4)
    for padding_idx in (0, 2, -1):
        case(repeated, n(5, 3), padding_idx=padding_idx)
        case(repeated, n(5, 3), padding_idx=padding_idx, sparse=True)
        case(repeated, n(5, 3), padding_idx=padding_idx, scale_grad_by_freq=True)
    case(repeated, n(5, 3), sparse=True)
    case(repeated, n(5, 3), scale_grad_by_freq=True)
    case(torch.zeros(6, dtype=I64), n(1, 2))
    case(i64(1), n(4, 0))
    case.only(i64(1, 0), ints(4, 3, 2))
    for norm_type in (2.0, 1.0, 3.5, float("inf"), 0.0, -1.0):
        for dtype in (torch.float64, torch.float32):
            case.only(i64(3, 1, 3), n(5, 3).to(dtype), max_norm=1.0, norm_type=norm_type)
    case.only(i64(3, 1, 3), n(3, 5).t(), max_norm=1.25, padding_idx=1, scale_grad_by_freq=True)
    case.only(i64(3, 1, 3), n(5, 6)[:, 1::2], max_norm=0.5, sparse=True)
    case.only(i64(3, 1), n(5, 3), max_norm=100.0)
    case.only(i64(3, 1), n(5, 3), max_norm=0.0)
    for index in (4, -1, 2**40, -2**63):
        case.refused(i64(index), n(4, 3))
    case.refused(Fixed(f64(0.0)), n(4, 3))
    case.refused(i64(0), n(0, 3))
    case.refused(i64(0), n(4))
    case.refused(i64(0), n(4, 3), padding_idx=4)
    case.refused(i64(0), n(4, 3), padding_idx=-5)
    case.refused(i64(0, 5), n(4, 3), max_norm=1.0)


def bags(w):
    case = w.op("nn.functional.embedding_bag")
    flat, offsets = i64(0, 2, 4, 2, 3, 0, 1), i64(0, 3, 3, 5)
    for mode in ("sum", "mean", "max"):
        for padding_idx in (None, 2, -5):
            case(flat, n(5, 3), offsets, mode=mode, padding_idx=padding_idx)
            case(flat.view(1, 7), n(5, 3), mode=mode, padding_idx=padding_idx)
        case(ints(5, 3, 2), n(5, 3), mode=mode)
        case(flat, n(5, 3), i64(0, 2, 7), mode=mode, include_last_offset=True)
        case(i64(1, 1), n(5, 3), i64(0), mode=mode, padding_idx=1)
        case(ints(5, 0), n(5, 3), i64(0, 0), mode=mode)
        case(ints(5, 0, 2), n(5, 3), mode=mode)
        for dtype in (torch.float64, torch.float32):
            case.only(flat, n(5, 3).to(dtype), offsets, max_norm=1.0, norm_type=1.0, mode=mode)
    for mode in ("sum", "mean"):
        case(flat, n(5, 3), offsets, mode=mode, sparse=True)
        case(flat, n(5, 3), offsets, mode=mode, sparse=True, padding_idx=0)
        # PyTorch 1.13 divides by the count of another index where counts differ.
        case(i64(0, 2, 0, 2), n(5, 3), i64(0, 1), mode=mode, scale_grad_by_freq=True)
    for padding_idx in (None, 2):
        case(flat, n(5, 3), offsets, mode="sum", per_sample_weights=n(7), padding_idx=padding_idx)
        case(flat.view(1, 7), n(5, 3), mode="sum", per_sample_weights=n(1, 7), padding_idx=padding_idx)
    case(flat, n(5, 3), offsets, mode="sum", per_sample_weights=n(7), sparse=True)
    case(flat, n(5, 3), i64(0, 7), mode="sum", per_sample_weights=n(7), include_last_offset=True)
    case.only(i64(3, 1, 2, 0), strange().view(-1, 1)[:4].contiguous(), i64(0, 2), mode="max")
    for index in (5, -1, 2**40):
        case.refused(i64(index), n(5, 3), i64(0))
    for wrong in (i64(1, 3), i64(0, 8), i64(0, 1).view(1, 2), Fixed(f64(0.0))):
        case.refused(flat, n(5, 3), wrong)
    case.refused(flat, n(5, 3))
    case.refused(flat.view(1, 7), n(5, 3), i64(0))
    case.refused(i64(3).view(()), n(5, 3), i64(0))
    case.refused(flat.view(1, 7, 1), n(5, 3))
    case.refused(Fixed(f64(0.0)), n(5, 3), i64(0))
    case.refused(flat, ints(9, 5, 3), offsets)
    case.refused(flat, n(5), offsets)
    case.refused(flat, n(5, 3), offsets, mode="min")
    case.refused(flat, n(5, 3), offsets, mode="max", sparse=True)
    case.refused(flat, n(5, 3), offsets, mode="max", scale_grad_by_freq=True)
    for padding_idx in (5, -6):
        case.refused(flat, n(5, 3), offsets, padding_idx=padding_idx)
    for mode, weights in (("mean", n(7)), ("max", n(7)), ("sum", n(6)), ("sum", n(7).float())):
        case.refused(flat, n(5, 3), offsets, mode=mode, per_sample_weights=weights)

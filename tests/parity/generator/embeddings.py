"""Rows of a table looked up by index, one by one and in bags."""

import torch

from .draw import *
from .writer import Fixed


def write(w):
    lookups(w)
    bags(w)


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

"""Products of vectors and matrices."""

import torch

from .draw import *
from .writer import Fixed


def write(w):
    for part in (matrices, sums, equations, linear, bilinear):
        part(w)


def matrices(w):
    case = w.op("matmul")
    for a, b in (((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((1, 3), (3, 1)), ((2, 1), (1, 3)), ((2, 3, 4), (4, 2)),
                 ((2, 3), (2, 3, 2)), ((2, 3, 4), (2, 4, 3)), ((1, 3, 2), (2, 2, 3)), ((2, 3, 2), (1, 2, 3)), ((2, 2, 2, 3), (2, 2, 3, 2)),
                 ((2, 1, 2, 3), (3, 3, 2)), ((3,), (2, 3, 2)), ((2, 3, 2), (2,)), ((2, 2, 2, 3), (3,)), ((0, 3), (3, 2)), ((2, 0), (0, 3)),
                 ((0,), (0,)), ((0, 2, 3), (0, 3, 2))):
        case(n(*a), n(*b))
    x = n(3, 3)
    case(x, x)
    case.expanded(n(3, 4), n(4, 2))
    case.only(ints(5, 2, 3), ints(5, 3, 2))
    for a, b in (((2, 3), (4, 5)), ((3,), (4,)), ((), (2, 2)), ((2, 3, 4), (3, 4, 5)), ((2, 3), (2,))):
        case.refused(n(*a), n(*b))
    case.refused(n(2, 3), n(3, 2).float())
    case = w.op("mm")
    for a, b in (((2, 3), (3, 4)), ((1, 5), (5, 1)), ((4, 1), (1, 3)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((3, 3), (3, 3)),
                 ((9, 7), (7, 5))):
        case(n(*a), n(*b))
    case.only(ints(5, 2, 3), ints(5, 3, 2))
    for a, b in (((2, 3), (2, 3)), ((2, 3, 4), (4, 5)), ((3,), (3, 2))):
        case.refused(n(*a), n(*b))
    case = w.op("bmm")
    for a, b in (((2, 3, 4), (2, 4, 2)), ((1, 2, 2), (1, 2, 3)), ((0, 2, 3), (0, 3, 2)), ((2, 2, 0), (2, 0, 3)), ((3, 1, 2), (3, 2, 1))):
        case(n(*a), n(*b))
    for a, b in (((2, 3), (3, 2)), ((2, 3, 4), (3, 4, 5)), ((2, 3, 4), (2, 3, 5))):
        case.refused(n(*a), n(*b))
    for name, good, bad in (("mv", (((2, 3), (3,)), ((0, 4), (4,)), ((4, 0), (0,)), ((3, 1), (1,))), (((2, 3), (2,)), ((3,), (3,)))),
                            ("dot", (((3,), (3,)), ((0,), (0,)), ((1,), (1,))), (((2,), (3,)), ((2, 2), (2,)))),
                            ("outer", (((3,), (2,)), ((0,), (2,)), ((1,), (4,))), (((2, 2), (2,)),))):
        case = w.op(name)
        for a, b in good:
            case(n(*a), n(*b))
            case.only(ints(5, *a), ints(5, *b))
        for a, b in bad:
            case.refused(n(*a), n(*b))


def sums(w):
    factors = ({}, {"beta": 0, "alpha": 1}, {"beta": 1, "alpha": 0}, {"beta": 0.5, "alpha": -2.0}, {"beta": 0, "alpha": 0})
    case = w.op("addmm")
    for options in factors:
        for x in ((3, 4), (4,), (3, 1), ()):
            case(n(*x), n(3, 2), n(2, 4), **options)
        case(n(3, 4), n(3, 0), n(0, 4), **options)
    case.only(Fixed(torch.full((3, 4), NAN, dtype=F64)), n(3, 2), n(2, 4), beta=0)
    case.only(ints(5, 2, 2), ints(5, 2, 3), ints(5, 3, 2), beta=2, alpha=3)
    for x, a, b in (((5, 5), (2, 3), (3, 4)), ((2, 4), (2, 3), (4, 4)), ((2, 4), (3,), (3, 4))):
        case.refused(n(*x), n(*a), n(*b))
    case = w.op("baddbmm")
    for options in factors:
        if options.get("beta") == 0:
            continue  # PyTorch 1.13 multiplies memory that was never set by 0, which may hold NaN
        for x in ((2, 3, 4), (4,), (3, 1)):
            case(n(*x), n(2, 3, 2), n(2, 2, 4), **options)
    for x, a, b in (((5, 5), (2, 2, 3), (2, 3, 4)), ((2, 2, 4), (2, 2, 3), (3, 3, 4)), ((2, 4), (2, 3), (3, 4))):
        case.refused(n(*x), n(*a), n(*b))


def equations(w):
    case = w.op("einsum")
    for equation, *shapes in (("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
                              ("i,i->", (3,), (3,)), ("i,j->ij", (2,), (3,)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->i", (2, 3)),
                              ("ii->i", (3, 3)), ("ii", (3, 3)), ("...ij,...jk->...ik", (2, 2, 3), (3, 2)), ("...i->...", (2, 3)),
                              ("ij,ij->ij", (2, 3), (2, 3)), ("ij,j", (2, 3), (3,)), ("ij,kj->ik", (2, 3), (4, 3)),
                              ("a,b,c->abc", (2,), (3,), (2,)), ("bi,ij,bj->b", (2, 3), (3, 2), (2, 2)), ("ij,jk->ik", (0, 3), (3, 2)),
                              ("ba", (2, 3)), (",->", (), ()),
                              ("ijk,ilm,njm,nlk,abc->", (2, 2, 1), (2, 1, 2), (2, 2, 2), (2, 1, 1), (1, 2, 2))):
        case(equation, [n(*shape) for shape in shapes])
    for equation, *shapes in (("ij,jk->ik", (2, 3), (4, 2)), ("ij->ijk", (2, 3)), ("ijk", (2, 3)), ("ij,jk", (2, 3)), ("i->ii", (2,))):
        case.refused(equation, [n(*shape) for shape in shapes])


def linear(w):
    case = w.op("nn.functional.linear")
    for x in ((4,), (3, 4), (2, 3, 4), (2, 1, 2, 4), (0, 4)):
        case(n(*x), n(5, 4))
        case(n(*x), n(5, 4), n(5))
    case(n(2, 3), n(1, 3), n(1))
    case(n(2, 0), n(4, 0), n(4))
    case.refused(n(2, 3), n(4, 5))
    case.refused(n(2, 3), n(4, 3), n(5))
    case.refused(n(2, 3), n(4, 3).float())


def bilinear(w):
    case = w.op("nn.functional.bilinear")
    for a, b, outputs in (((2, 3), (2, 2), 4), ((3,), (2,), 1), ((2, 3, 2), (2, 3, 1), 2), ((0, 2), (0, 2), 3)):
        case(n(*a), n(*b), n(outputs, a[-1], b[-1]), n(outputs))
        case(n(*a), n(*b), n(outputs, a[-1], b[-1]))
    for a, b, weight in (((2, 3), (3, 2), (1, 3, 2)), ((2, 3), (2, 2), (1, 2, 2)), ((2, 3), (2, 2), (1, 3, 3)), ((2, 2, 3), (2, 2), (1, 3, 2))):
        case.refused(n(*a), n(*b), n(*weight))
    case.only(ints(9, 2, 3), ints(9, 2, 2), ints(9, 4, 3, 2))
    case.refused(n(2, 3), n(2, 2), n(1, 3, 2), n(2))
    case.refused(n(2, 3), n(2, 2).float(), n(1, 3, 2))

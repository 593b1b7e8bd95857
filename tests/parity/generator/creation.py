"""New tensors."""

from .draw import *
from .writer import Fixed


def write(w):
    for part in (filled, drawn):
        part(w)


def filled(w):
    for name in ("zeros", "ones"):
        case = w.op(name)
        for size in ((), (3,), (2, 3), (0, 2)):
            for dtype in (F32, F64, I64, BOOL):
                case.only(size, dtype=dtype)
            case.only(size)
        case.only(2, 3)
    for name in ("zeros", "ones", "empty", "rand", "randn"):
        for size in ((-1, 2), (2**40, 2**40), (2**62, 4, 0, 2**62), (2**63 - 1,)):
            w.op(name).refused(size)
    for name in ("empty", "rand", "randn"):  # what they hold is not determined
        for dtype in (F32, F64):
            w.op(name).only((0, 2), dtype=dtype)
    case = w.op("full")
    for value in (2.5, 3, True, INF):
        case.only((2, 2), value)
        case.only((), value, dtype=F64)
    case.only((0, 2), 1.0)
    case.refused((-2,), 1.0)
    for name in ("zeros_like", "ones_like"):
        case = w.op(name)
        for x in (n(2, 3), ints(9, 2), bools(2), n(), n(0, 2), n(2, 3).t()):
            case.only(Fixed(x) if x.is_floating_point() else x)
            case.only(Fixed(x) if x.is_floating_point() else x, dtype=F32)
    case = w.op("full_like")
    for x in (n(2, 3), ints(9, 2), bools(2), n()):
        case.only(Fixed(x) if x.is_floating_point() else x, 2)
        case.only(Fixed(x) if x.is_floating_point() else x, 1.5, dtype=F64)
    for name in ("empty_like", "rand_like", "randn_like"):
        case = w.op(name)
        case.only(Fixed(n(0, 2)))
        case.only(Fixed(n(2, 0)), dtype=F32)
        case.only(Fixed(n(0).float()))
    case = w.op("arange")
    for numbers in ((5,), (0,), (2.5,), (1, 4), (1.0, 4.0), (0, 10, 3), (5, 0, -2), (0.0, 1.0, 0.25), (-1, 2, 0.5), (3, 3)):
        case.only(*numbers)
        case.only(*numbers, dtype=F64)
        case.only(*numbers, dtype=I64) if len(numbers) < 3 or numbers[2] not in (0.25, 0.5) else None
    for numbers in ((0, 10, 0), (0, 10, -1), (0, INF), (NAN, 1)):
        case.refused(*numbers)
    case = w.op("linspace")
    for numbers in ((0, 1, 5), (2, -3, 4), (1.5, 1.5, 3), (0, 1, 1), (0, 1, 0), (-10, 10, 9)):
        case.only(*numbers)
        case.only(*numbers, dtype=F64)
    case.refused(0, 1, -1)
    case = w.op("eye")
    for sizes in ((3,), (0,), (2, 4), (4, 2), (0, 3)):
        for dtype in (F32, F64, I64, BOOL):
            case.only(*sizes, dtype=dtype)
    case.refused(-1)
    case.refused(2, -1)


def drawn(w):
    """Random numbers are checked where only one result is possible."""
    for count in (0, 1):
        w.op("randperm").only(count)
    w.op("randperm").refused(-1)
    w.op("randint").only(3, 4, (2, 3))
    w.op("randint").only(-2, -1, (0, 3))
    w.op("randint").refused(5, 5, (2,))
    w.op("randint").refused(5, 3, (2,))
    case = w.op("randint_like")
    for x in (n(2, 3), n(3).float(), ints(9, 2), n(0, 2)):
        case.only(Fixed(x) if x.is_floating_point() else x, 3, 4)
    case.refused(ints(9, 3), 5, 5)
    case = w.op("bernoulli")
    for x in (f64(0.0, 1.0, 1.0, 0.0), zeros(2, 3), n(0, 2)):
        case.only(Fixed(x))
        case.only(Fixed(x.float()))
    for x in (f64(1.5), f64(-0.1), f64(NAN)):
        case.refused(x)
    case = w.op("multinomial")
    case.only(Fixed(f64(0.0, 2.0, 0.0)), 1)
    case.only(Fixed(f64(0.0, 2.0, 0.0)), 4, True)
    case.only(Fixed(f64(1.0, 0.0, 0.0, 3.0).view(2, 2)), 2, True)
    for x, count in ((f64(0.0, 0.0), 1), (f64(-1.0, 2.0), 1), (f64(1.0, 1.0), 3), (f64(1.0, NAN), 1), (f64(1.0, INF), 1), (f64(1.0), 0)):
        case.refused(x, count)

"""Views, joins, repetition and copies."""

from .draw import *
from .writer import Fixed


def write(w):
    for part in (orders, shapes, parts, joins, repeats, matrices, copies, padding):
        part(w)


def orders(w):
    case = w.op("permute")
    for shape, dims in (((3,), (0,)), ((2, 3), (1, 0)), ((2, 3, 4), (1, 0, 2)), ((2, 3, 4), (-1, 0, 1)), ((2, 3, 1, 2), (3, 1, 0, 2)),
                        ((), ()), ((2, 0, 3), (2, 0, 1))):
        case(n(*shape), dims)
    case.expanded(n(3, 2), (1, 0))
    case.only(ints(9, 2, 3), (1, 0))
    for dims in ((0,), (0, 0), (0, 2), (0, -3), (0, 1, 2)):
        case.refused(n(2, 3), dims)
    case = w.op("transpose")
    for shape, a, b in (((2, 3), 0, 1), ((2, 3, 4), 0, 2), ((2, 3, 4), -1, 1), ((2, 3, 1, 2), -3, -2), ((3,), 0, -1), ((), 0, 0)):
        case(n(*shape), a, b)
    case.only(bools(2, 3), 0, 1)
    case.refused(n(2, 3), 0, 2)
    case.refused(n(2, 3), -3, 0)
    case = w.op("t")
    for shape in ((2, 3), (3,), (), (1, 4), (0, 2)):
        case(n(*shape))
    case.refused(n(2, 3, 2))
    case = w.op("movedim")
    for shape, source, destination in (((2, 3, 4), 0, 2), ((2, 3, 4), -1, 0), ((2, 3, 4), (0, 1), (1, 2)), ((2, 3, 1, 2), (3, 0), (0, -1)),
                                       ((3,), 0, 0)):
        case(n(*shape), source, destination)
    case.refused(n(2, 3), 0, 2)
    case.refused(n(2, 3), (0, 0), (0, 1))
    case.refused(n(2, 3), (0, 1), (0,))


def shapes(w):
    changes = (((2, 3), (3, 2)), ((2, 3), (-1,)), ((2, 3, 2), (6, -1)), ((6,), (2, 1, 3)), ((), (1, 1)), ((1, 1), ()), ((4,), (2, -1, 2)),
               ((0, 3), (3, 0)))
    for name in ("reshape", "view"):
        case = w.op(name)
        for old, new in changes:
            (case if name == "reshape" else case.only)(n(*old), new)
        case.only(ints(9, 6), (2, 3))
        for new in ((4, 2), (-1, -1), (-1, 4), (-2, 3), (7,)):
            case.refused(n(2, 3), new)
    w.op("view").only(n(4, 6)[:, ::2], (2, 2, 3))
    w.op("view").refused(n(2, 3).t(), (6,))
    w.op("view").refused(n(4, 6)[:, :3], (12,))
    for name in ("view_as", "reshape_as"):
        case = w.op(name)
        for old, new in (((2, 3), (3, 2)), ((6,), (2, 1, 3)), ((), (1,)), ((0, 3), (3, 0))):
            (case if name == "reshape_as" else case.only)(n(*old), Fixed(n(*new)))
        case.refused(n(2, 3), n(4, 2))
    for name in ("expand", "broadcast_to"):
        case = w.op(name)
        for old, new in (((1, 3), (2, 3)), ((3,), (2, 3)), ((2, 1), (-1, 3)), ((), (2, 2)), ((1, 2, 1), (3, 1, 2, 2)), ((2, 3), (2, 3)),
                         ((1,), (0,))):
            case(n(*old), new)
        case.only(ints(9, 3), (2, 3))
        for old, new in (((2, 3), (3, 3)), ((2, 3), (3,)), ((2, 3), (-1, 2, 3)), ((1, 3), (-2, 3))):
            case.refused(n(*old), new)
    case = w.op("expand_as")
    for old, new in (((1, 3), (2, 3)), ((), (2, 2)), ((2, 1), (3, 2, 2))):
        case(n(*old), Fixed(n(*new)))
    case.refused(n(2, 3), n(3, 3))
    case = w.op("squeeze")
    for shape in ((2, 1, 3, 1), (2, 3), (1, 1), ()):
        case(n(*shape))
    for shape, dim in (((2, 1, 3), 1), ((2, 1, 3), -2), ((2, 1, 3), 0), ((1,), 0), ((1, 2, 1, 3), -4)):
        case(n(*shape), dim)
    case.refused(n(1, 3), 2)
    case = w.op("unsqueeze")
    for shape, dim in (((2, 3), 0), ((2, 3), 1), ((2, 3), -1), ((2, 3), -3), ((), 0), ((2, 1, 3), 3)):
        case(n(*shape), dim)
    case.refused(n(2), 2)
    case.refused(n(2), -3)
    case = w.op("flatten")
    for shape in ((2, 3), (2, 3, 2), (), (5,), (0, 2)):
        case(n(*shape))
    for shape, start, end in (((2, 3, 2), 1, -1), ((2, 3, 2, 2), 1, 2), ((2, 3, 2), 0, 1), ((2, 3, 2), -2, -1), ((2, 3), 1, 1)):
        case(n(*shape), start, end)
    case.refused(n(2, 3), 1, 0)
    case.refused(n(2, 3), 0, 2)
    case = w.op("unflatten")
    for shape, dim, sizes in (((6,), 0, (2, 3)), ((2, 6), 1, (3, -1)), ((4, 2), -2, (2, 1, 2)), ((2, 6, 2), 1, (6,))):
        case(n(*shape), dim, sizes)
    case.refused(n(2, 6), 1, (4, 2))
    case.refused(n(2, 6), 2, (3, 2))
    case = w.op("as_strided")
    for x, size, stride, offset in ((n(6), (2, 2), (2, 1), 1), (n(6), (2, 3), (1, 1), None), (n(2, 3), (3,), (2,), 0), (n(4), (), (), 3),
                                    (n(4), (3, 2), (0, 1), 0), (n(4), (0,), (1,), 0)):
        case.only(x, size, stride, offset)
        case.only(x.float(), size, stride, offset)
    case.refused(n(4), (3, 2), (2, 1))
    case.refused(n(4), (2,), (1,), -1)
    case.refused(n(4), (2, 2), (1,))


def parts(w):
    case = w.op("slice")
    for shape, dim, start, end, step in (((7,), 0, 2, 5, 1), ((7,), 0, None, None, 2), ((7,), 0, 1, None, 3), ((7,), 0, -3, -1, 1),
                                         ((7,), 0, 3, 100, 1), ((7,), 0, 5, 2, 1), ((2, 5), 1, None, 3, 1), ((2, 5), -1, 1, None, 2),
                                         ((4, 3, 2), 0, 1, 3, 1), ((2, 3, 2, 4), 3, -100, 3, 2), ((2, 3), 0, None, None, 1),
                                         ((0, 2), 0, 0, 5, 1)):
        case(n(*shape), dim, start, end, step)
    case.refused(n(5), 0, 0, 3, 0)
    case.refused(n(5), 1, 0, 3, 1)
    case = w.op("select")
    for shape, dim, index in (((5,), 0, 2), ((2, 3), 0, 1), ((2, 3), 1, -1), ((2, 3, 4), -2, 0), ((2, 3, 2, 2), 3, -2), ((1, 3), 0, 0)):
        case(n(*shape), dim, index)
    case.only(ints(9, 2, 3), 1, 2)
    for dim, index in ((0, 5), (0, -6), (1, 0)):
        case.refused(n(5), dim, index)
    case = w.op("narrow")
    for shape, dim, start, length in (((5,), 0, 1, 3), ((2, 5), 1, 2, 3), ((3, 2, 4), -1, 0, 2), ((3, 2), 0, -2, 1), ((4,), 0, 4, 0)):
        case(n(*shape), dim, start, length)
    for dim, start, length in ((0, 3, 3), (0, 6, 0), (0, 0, -1), (1, 0, 1)):
        case.refused(n(5), dim, start, length)
    case = w.op("split")
    for shape, size, dim in (((7,), 3, 0), ((2, 6), 2, 1), ((4, 3), [1, 3], 0), ((2, 5), [2, 0, 3], -1), ((2, 3, 4), 3, -1),
                             ((2, 3), 10, 0), ((0, 2), 2, 0)):
        case(n(*shape), size, dim)
    for size in (-1, 0, [2, 3], [7, -1]):
        case.refused(n(6), size)
    case.refused(n(6), 2, 1)
    case = w.op("split_with_sizes")
    for shape, sizes, dim in (((4, 3), [1, 3], 0), ((2, 5), [2, 0, 3], -1), ((6,), [6], 0)):
        case(n(*shape), sizes, dim)
    case.refused(n(6), [2, 3])
    case = w.op("chunk")
    for shape, chunks, dim in (((7,), 3, 0), ((2, 6), 3, 1), ((5, 2), 4, 0), ((2, 3, 4), 2, -1), ((2,), 5, 0), ((0, 2), 3, 0)):
        case(n(*shape), chunks, dim)
    case.refused(n(6), 0)
    case.refused(n(6), 2, 3)
    case = w.op("unbind")
    for shape, dim in (((3,), 0), ((2, 3), 0), ((2, 3, 2), -2), ((2, 3), 1)):
        case(n(*shape), dim)
    case.refused(n(2), 1)
    case = w.op("unfold")
    for shape, dim, size, step in (((7,), 0, 3, 2), ((2, 5), 1, 2, 1), ((4, 2), -2, 4, 1), ((5,), 0, 2, 4), ((5,), 0, 1, 1)):
        case(n(*shape), dim, size, step)
    case.refused(n(5), 0, 6, 1)
    case.refused(n(5), 0, 2, 0)
    case = w.op("diagonal")
    for shape, *rest in (((3, 3),), ((2, 4),), ((4, 3), 1), ((4, 3), -2), ((2, 3, 4), 0, 1, 2), ((2, 3, 4), 1, -1, 0), ((3, 3), 5)):
        case(n(*shape), *rest)
    case.refused(n(3))
    case.refused(n(3, 3), 0, 1, 1)
    case.refused(n(3, 3), 0, 0, 2)


def joins(w):
    case = w.op("cat")
    for sizes, dim in ((((2,), (3,)), 0), (((2, 3), (1, 3), (3, 3)), 0), (((2, 3), (2, 1)), 1), (((2, 3), (2, 2)), -1),
                       (((2, 1, 2), (2, 3, 2)), -2), (((4,),), 0), (((0, 3), (2, 3)), 0), (((0,), (2, 3)), 1)):
        case([n(*s) for s in sizes], dim)
    x = n(2, 2)
    case([x, x], 0)
    case.expanded([n(3, 2), n(3, 2)], 0)
    case.only([ints(9, 3), ints(9, 2)], 0)
    case.only([n(2), ints(9, 2)], 0)
    case.refused([])
    for sizes, dim in ((((2, 3), (2, 4)), 0), (((2, 3), (2,)), 0), (((2, 3),), 2), (((), (2,)), 0)):
        case.refused([n(*s) for s in sizes], dim)
    case = w.op("stack")
    for count, shape, dim in ((2, (3,), 0), (3, (2, 3), 1), (2, (2, 3), -1), (2, (2, 3), -3), (3, (), 0), (1, (2, 2), 2), (2, (0, 2), 0)):
        case([n(*shape) for _ in range(count)], dim)
    case.only([ints(9, 2), ints(9, 2)], 1)
    case.refused([])
    case.refused([n(2), n(3)])
    case.refused([n(2), n(2)], 2)
    for name, bad in (("hstack", ((2, 3), (3, 3))), ("vstack", ((2, 3), (2, 4)))):
        case = w.op(name)
        for sizes in (((3,), (3,)), ((2, 3), (2, 3)), ((), ()), ((2, 3, 2), (2, 3, 2)), ((4,),), ((), ()), ((1, 2), (1, 2), (1, 2))):
            case([n(*s) for s in sizes])
        case.only([ints(9, 3), ints(9, 3)])
        case.refused([n(*s) for s in bad])
    w.op("hstack")([n(2, 1), n(2, 3)])
    w.op("vstack")([n(1, 3), n(3)])
    case = w.op("meshgrid")
    for indexing in ("ij", "xy"):
        for sizes in ((2, 3), (3,), (2, 1, 3), (0, 2)):
            case([n(size) for size in sizes], indexing=indexing)
    case.refused([n(2, 2), n(2)], indexing="ij")
    case.refused([n(2), n(2)], indexing="yx")


def repeats(w):
    for name in ("repeat", "tile"):
        case = w.op(name)
        for shape, times in (((3,), (2,)), ((2, 3), (2, 1)), ((2, 3), (2, 1, 3)), ((), (3,)), ((2, 1), (0, 2)), ((1, 2), (2, 2))):
            case(n(*shape), times)
        case.only(ints(9, 2), (3,))
    w.op("tile")(n(2, 3), (2,))
    w.op("repeat").refused(n(2, 3), (2,))
    w.op("repeat").refused(n(2), (-1,))
    case = w.op("flip")
    for shape, dims in (((5,), (0,)), ((2, 3), (0,)), ((2, 3), (1, 0)), ((2, 3, 2), (-1, 0)), ((0, 2), (0,)), ((), ())):
        case(n(*shape), dims)
    case.only(bools(4), (0,))
    case.refused(n(2, 3), (2,))
    case.refused(n(2, 3), (0, 0))
    case = w.op("roll")
    for shape, shifts, dims in (((5,), 2, 0), ((5,), -7, 0), ((2, 3), 1, 1), ((2, 3), (1, -1), (0, 1)), ((2, 3, 2), (2, 1), (-1, 0))):
        case(n(*shape), shifts, dims)
    case(n(2, 3), 4)
    case(n(0, 2), 1, 0)
    case.refused(n(2, 3), (1, 2), (0,))
    case.refused(n(2, 3), 1, 2)
    for name in ("tril", "triu"):
        case = w.op(name)
        for shape in ((3, 3), (2, 4), (4, 2), (2, 3, 3), (0, 2)):
            for diagonal in (0, 1, -2):
                case(n(*shape), diagonal)
        case.only(ints(9, 3, 3))
        case.only(bools(3, 3), 1)
        case.refused(n(3))
    case = w.op("diag")
    for shape in ((3,), (3, 3), (2, 4), (0,)):
        for diagonal in (0, 1, -1):
            case(n(*shape), diagonal)
    case.refused(n(2, 2, 2))


def matrices(w):
    case = w.op("trace")
    for shape in ((3, 3), (2, 4), (0, 2), (1, 1)):
        case(n(*shape))
    case(Fixed(n(4, 2)))  # PyTorch 1.13's gradient of a tall matrix is wrong
    case.only(ints(5, 3, 3))
    case.refused(n(3))
    case.refused(n(2, 2, 2))


def copies(w):
    for name in ("clone", "contiguous"):
        case = w.op(name)
        for shape in SHAPES:
            case(n(*shape))
        case.expanded(n(3, 2))
        case.only(ints(9, 3))
        case.only(bools(3))
    case = w.op("to")
    for dtype in (F64, F32, I64, BOOL):
        case(n(2, 3) * 4, dtype)
        case.only(ints(3, 2, 3), dtype)
        case.only(bools(2, 3), dtype)
    case.only(n(0, 2), F32)


def padding(w):
    case = w.op("nn.functional.pad")
    for shape, pad in (((3,), (1, 2)), ((2, 3), (1, 0)), ((2, 3), (0, 1, 2, 0)), ((2, 3), (-1, 1)), ((2, 3), (-1, -1, 1, 0)),
                       ((2, 3), (0, 0)), ((2, 1, 2), (1, 1, 0, 2, 1, 0)), ((0, 2), (1, 1, 1, 0)), ((), ()), ((2, 3), (-3, 2))):
        case(n(*shape), pad)
        case(n(*shape), pad, "constant", 2.5)
    case.only(ints(9, 3), (1, 1), value=7)
    case.only(bools(3), (0, 2), value=True)
    case.refused(n(3), (1,))
    case.refused(n(3), (1, 1, 1, 1))
    case.refused(n(3), (-2, -2))
    case.refused(n(3), (1, 1), "everywhere")
    for mode in ("reflect", "replicate", "circular"):
        for shape, pad in (((1, 2, 4), (1, 2)), ((2, 1, 4), (-1, 2)), ((1, 1, 4), (2, -1)), ((1, 2, 3, 3), (1, 2, 2, 0)), ((1, 1, 3), (0, 0))):
            case(n(*shape), pad, mode)
        for shape, pad in (((4,), (1, 1)), ((1, 2, 4), (1, 1, 1, 1, 1, 1)), ((1, 1, 4), (-3, -3)), ((1, 2, 4), (1,))):
            case.refused(n(*shape), pad, mode)
        case.refused(n(1, 2, 4), (1, 1), mode, 2.0)
    case(n(2, 4), (3, 3), "reflect")
    case(n(2, 4), (5, 6), "replicate")
    case.only(ints(9, 1, 1, 3), (3, 3), "circular")
    case.refused(n(1, 1, 4), (4, 0), "reflect")
    case.refused(n(1, 1, 4), (0, 5), "circular")
    case.refused(n(2, 4), (1, 1), "circular")

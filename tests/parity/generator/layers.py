"""Operations of the layers of networks: normalisation, convolution and pooling."""

from .draw import *


def write(w):
    layer_norm(w)


def layer_norm(w):
    case = w.op("nn.functional.layer_norm")
    for shape, last in (((2, 3), (3,)), ((3,), (3,)), ((2, 2, 3), (2, 3)), ((2, 1, 2, 2), (2,)), ((2, 3), (2, 3)), ((0, 3), (3,)),
                        ((2, 37), (37,))):
        case(n(*shape), last)
        case(n(*shape), last, n(*last), n(*last))
    case(n(2, 3), (3,), n(3))
    case(n(2, 3), (3,), None, n(3))
    case(n(2, 3), (3,), n(3), n(3), 0.5)
    case.expanded(n(3, 4), (4,))
    case.only(n(2, 1), (1,), n(1), n(1))
    case.only(n(2, 3) * 1e-6 + 1e4, (3,))
    case.only(f64(NAN, 1.0, 2.0, 3.0).view(2, 2), (2,))
    case.refused(n(2, 3), ())
    case.refused(n(2, 3), (2,))
    case.refused(n(3), (1, 3))
    case.refused(n(2, 3), (3,), n(2))
    case.refused(n(2, 3), (3,), n(3), n(1, 3))
    case.refused(n(2, 3), (3,), n(3).float())
    case.refused(ints(9, 2, 3), (3,))
    case = w.op("native_layer_norm")
    case(n(2, 2, 3), (2, 3), n(2, 3), n(2, 3), 1e-5)
    case(n(2, 3), (3,), None, None, 0.1)
    case.refused(n(2, 3), (2,), None, None, 1e-5)

"""Recurrent layers: one layer in one direction, by PyTorch's functions behind its modules."""

from .draw import *


def write(w):
    layers(w)
    cell(w)


def parameters(gates, inputs, hidden, bias):
    sizes = [(gates * hidden, inputs), (gates * hidden, hidden)] + [(gates * hidden,)] * (2 * bias)
    return [n(*size) * 0.5 for size in sizes]


def layers(w):
    for name, gates in (("rnn_tanh", 1), ("rnn_relu", 1), ("lstm", 4), ("gru", 3)):
        case = w.op(name)

        def state(*shape):
            return [n(*shape), n(*shape)] if name == "lstm" else n(*shape)

        for steps, batch, inputs, hidden in ((1, 1, 1, 1), (4, 2, 3, 2), (3, 5, 2, 3)):
            for bias in (True, False):
                case(n(steps, batch, inputs), state(1, batch, hidden), parameters(gates, inputs, hidden, bias), bias, 1, 0.0, True, False,
                     False)
        case.refused(n(3, 2, 4), state(1, 2, 2), parameters(gates, 3, 2, True), True, 1, 0.0, True, False, False)
        case.refused(n(3, 2, 3), state(1, 2, 3), parameters(gates, 3, 2, True), True, 1, 0.0, True, False, False)
        case.refused(n(3, 2, 3), state(1, 4, 2), parameters(gates, 3, 2, True), True, 1, 0.0, True, False, False)


def cell(w):
    case = w.op("gru_cell")
    for batch, inputs, hidden in ((1, 1, 1), (2, 3, 2), (5, 2, 3)):
        for bias in (True, False):
            case(n(batch, inputs), n(batch, hidden), *parameters(3, inputs, hidden, bias))
    case.refused(n(2, 4), n(2, 2), *parameters(3, 3, 2, True))
    case.refused(n(2, 3), n(2, 3), *parameters(3, 3, 2, True))
    case.refused(n(2, 3), n(4, 2), *parameters(3, 3, 2, True))

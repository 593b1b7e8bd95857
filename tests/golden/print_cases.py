"""Tensors and the text that str() makes of them."""

import torch
import torch.nn.functional as F

INF, NAN = float("inf"), float("nan")


def with_number(op):
    """op(x, y), y given as `other` where it is a number."""
    return lambda *xs, other=None: op(*xs, *([] if other is None else [other]))


# The operations that make printed tensors, where they are not torch.NAME(x..., **kwargs).
FUNCTIONS = {
    "add": with_number(torch.add), "sub": with_number(torch.sub), "mul": with_number(torch.mul), "div": with_number(torch.div),
    "pow": lambda *xs, exponent=None: torch.pow(*xs, *([] if exponent is None else [exponent])),
    "permute": lambda x, dims: x.permute(dims), "expand": lambda x, size: x.expand(size),
    "slice": lambda x, dim, start, end, step: x[(slice(None),) * dim + (slice(start, end, step),)],
    "cat": lambda *xs, dim: torch.cat(xs, dim), "stack": lambda *xs, dim: torch.stack(xs, dim),
    "index_select": lambda x, index, dim: torch.index_select(x, dim, index),
    "gather": lambda x, index, dim: torch.gather(x, dim, index), "embedding": F.embedding,
}


class PrintCases:
    def __init__(self, golden):
        self.golden = golden
        self.count = 0

    def plain(self, tensor):
        prefix = f"print.{self.count}"
        self.count += 1
        self.golden.add(prefix, tensor)
        self.golden.note(prefix, str(tensor))
        if tensor.requires_grad:
            self.golden.note(f"{prefix}.requires_grad", "true")
        return prefix

    def leaf(self, tensor):
        self.plain(tensor.requires_grad_())

    def made(self, op, *xs, **kwargs):
        """A tensor made by an op from inputs that require gradients."""
        xs = [x.clone().requires_grad_(x.is_floating_point()) for x in xs]
        y = FUNCTIONS.get(op, getattr(torch, op, None))(*xs, **kwargs)
        prefix = self.plain(y)
        self.golden.note(f"{prefix}.grad_fn", type(y.grad_fn).__name__)
        self.golden.note(f"{prefix}.op", op)
        self.golden.note(f"{prefix}.kwargs", kwargs)
        self.golden.add_all(f"{prefix}.x", xs)


def f64(values):
    return torch.tensor(values, dtype=torch.float64)


def values(cases):
    """Numbers of all kinds."""
    for value in (1.0, 0.0, -0.0, 3.14159265, -2.5, 1e-5, 1e9, 123456.789, INF, -INF, NAN, 7, -3, 0, True, False):
        cases.plain(torch.tensor(value))
    for value in (0.1, 1e-30, 2.0, NAN):
        cases.plain(f64(value))
    rows = [
        [1.0], [1.0, 2.0, 3.0], [1.0, -2.0, 30.0], [-1.0, -2.0], [0.5, 1.25, -100.125], [0.0, 0.0], [-0.0, 1.0], [0.0, 1e-6],
        [1e-3, 999.0], [1e-4, 1.0], [1e-5, 1.0], [-1e-5, 0.5], [5e-5, 0.01], [1e-8, 2e-8], [0.00012, 0.00034], [1e-45, 1.0], [1e38, 1e-38],
        [0.001, 1000.5], [0.01, 10.01], [2.0, 2000.0, 0.5], [1000.0, 0.9], [99999.5, 1.0], [123456.0, 1.0], [1e5, 0.5], [10000001.0, 2.0],
        [16777216.0, 1.0], [1e8, 3.0], [1.0, 1.5e8], [1e9, 2e9], [0.1, 0.12345], [0.99999, 1.0], [0.99995, 0.5], [9.99999, 0.3],
        [1.0, NAN], [1.5, INF], [NAN, NAN], [INF, -INF], [-INF, 1.0, NAN, 0.25], [1e10, NAN, -INF], [1e-7, INF],
    ]
    for row in rows:
        cases.plain(torch.tensor(row))
    for row in ([1.0, 2.0], [0.1, -0.2, 0.3], [1e-300, 1.0], [1e300, 1.0], [NAN, 1.5], [1 / 3, 200 / 3], [1e15, 1.0], [1e-10, 1e-10],
                [123456789.0, 5.0]):
        cases.plain(f64(row))
    for row in ([1, 2, 3], [-1, 10, 100], [0], [2**62, -1], [-2**63, 2**63 - 1], [1000000, 1]):
        cases.plain(torch.tensor(row))
    for row in ([True, False], [True], [[True, False], [False, False]]):
        cases.plain(torch.tensor(row))


def shapes(cases):
    """Empty, wrapped and many-dimensional tensors."""
    for shape in ((0,), (0, 3), (3, 0), (2, 0, 4), (0, 0), (1, 0)):
        cases.plain(torch.empty(shape))
    cases.plain(torch.empty(0, dtype=torch.float64))
    cases.plain(torch.empty(2, 0, dtype=torch.float64))
    cases.plain(torch.empty(0, dtype=torch.int64))
    cases.plain(torch.empty(0, 2, dtype=torch.int64))
    cases.plain(torch.empty(0, dtype=torch.bool))
    for count in (8, 9, 10, 11, 12, 40):
        cases.plain(torch.arange(count) / 7)
    for count in (24, 25, 26, 100):
        cases.plain(torch.arange(count))
    cases.plain(torch.arange(30) - 15.0)
    cases.plain(torch.arange(15) * 1e-6)
    cases.plain(f64([k / 3 for k in range(20)]))
    cases.plain(torch.arange(30) % 3 == 0)
    for shape in ((1, 1), (2, 3), (3, 1), (1, 4), (2, 12), (2, 30), (2, 2, 3), (1, 1, 1), (2, 1, 2), (1, 2, 1, 2), (2, 2, 2, 2),
                  (2, 2, 1, 2, 2)):
        count = torch.Size(shape).numel()
        cases.plain((torch.arange(count) * 0.75 - 1).reshape(shape))
        cases.plain((torch.arange(count) * 7 - 10).reshape(shape))
    cases.plain(torch.tensor([[1.0, 2.0], [30.0, -4.0]]))
    cases.plain(torch.tensor([[1e-6, 2.0], [3e5, -4.0]]))
    cases.plain(torch.tensor([[NAN, 1.0], [INF, 20.0]]))
    cases.plain(f64([[1.5, -2.25], [1000.0, 0.0]]))
    cases.plain((torch.arange(12) % 5 < 2).reshape(2, 2, 3))
    cases.plain((torch.arange(12.0) / 4).reshape(3, 4).t())


def summarised(cases):
    """More than 1000 elements: only the ends of each dimension are shown."""
    cases.plain(torch.arange(1000.0))
    cases.plain(torch.arange(1001.0))
    cases.plain(torch.arange(1001) % 7 * 0.5)
    cases.plain(torch.arange(1500))
    cases.plain(torch.arange(1200) % 2 == 0)
    cases.plain(torch.where(torch.arange(1100) == 500, 1e9, 1.0))  # the number that is not shown does not count
    for shape in ((26, 40), (2, 600), (600, 2), (7, 150), (6, 170), (1, 1001), (1001, 1), (11, 10, 10), (2, 3, 170), (200, 2, 3),
                  (7, 7, 5, 5), (1, 40, 1, 26)):
        count = torch.Size(shape).numel()
        cases.plain((torch.arange(count) % 23 * 0.25 - 2).reshape(shape))
    cases.plain((torch.arange(1050) % 99 - 50).reshape(30, 35))
    cases.plain((torch.arange(1050, dtype=torch.float64) % 99 / 8).reshape(30, 35))
    cases.plain((torch.arange(1014) % 3 == 0).reshape(26, 39))
    cases.leaf(torch.arange(1001.0) / 4)
    cases.made("mul", torch.ones(1100), other=0.5)


def differentiable(cases):
    """Leaves that require gradients, and results with the name of their node."""
    torch.manual_seed(3)
    cases.leaf(torch.tensor(1.5))
    cases.leaf(torch.tensor([1.0, 2.0]))
    cases.leaf(torch.arange(14) / 3)
    cases.leaf(torch.tensor([[1.25, -2.0], [3.0, 4.0]]))
    cases.leaf(f64([1.0, 2.5]))
    cases.leaf(torch.empty(0))
    cases.leaf(torch.empty(0, 3))
    x, y = torch.randn(2, 3), torch.randn(2, 3)
    tokens = torch.tensor([[0, 2, 1, 3], [4, 4, 0, 1]])
    cases.made("embedding", tokens, torch.randn(5, 3))
    cases.made("embedding", tokens, torch.randn(5, 3).double())
    for op in ("add", "sub", "mul", "div"):
        cases.made(op, x, y)
        cases.made(op, x, other=2)
    for op in ("neg", "exp", "abs", "tanh", "sigmoid", "relu", "t", "sum", "mean", "max", "squeeze"):
        cases.made(op, x)
    for op in ("log", "sqrt"):
        cases.made(op, x.abs())
    cases.made("pow", x, exponent=2)
    cases.made("pow", x.abs(), y)
    cases.made("sum", x, dim=[1], keepdim=False)
    cases.made("mean", x, dim=[0], keepdim=True)
    cases.made("matmul", x, y.t().contiguous())
    cases.made("permute", torch.randn(2, 3, 2), dims=[1, 0, 2])
    cases.made("transpose", x, dim0=0, dim1=1)
    cases.made("unsqueeze", x, dim=0)
    cases.made("expand", x[:1], size=[3, 3])
    cases.made("select", x, dim=0, index=1)
    cases.made("slice", x, dim=1, start=1, end=None, step=1)
    cases.made("cat", x, y, dim=0)
    cases.made("stack", x, y, dim=1)
    cases.made("index_select", x, torch.tensor([2, 0]), dim=1)
    cases.made("gather", x, torch.tensor([[2], [0]]), dim=1)
    cases.made("where", x > 0, x, y)
    cases.made("masked_fill", x, x > 0, value=0.5)
    cases.made("softmax", x, dim=1)
    cases.made("log_softmax", x, dim=1)
    cases.made("tanh", x.double())
    cases.made("sum", torch.randn(3).double())
    cases.made("tanh", torch.randn(9))
    cases.made("exp", torch.empty(0, 2))
    cases.made("mul", torch.tensor([1e-6, 1.0, NAN]), other=3.0)


def write(golden):
    cases = PrintCases(golden)
    for family in (values, shapes, summarised, differentiable):
        family(cases)

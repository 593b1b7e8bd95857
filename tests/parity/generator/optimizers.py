"""Optimizers: given gradients, one row a step, and the parameters after each step."""

import random

import torch

SHAPE = (5,)
STEPS = 8


def betas(draw):
    return [draw.choice([0.0, 0.5, 0.8, 0.9]), draw.choice([0.0, 0.9, 0.99, 0.999])]


ADAM = {"lr": lambda d: d.choice([1e-3, 0.01, 0.1]), "betas": betas, "eps": lambda d: d.choice([1e-8, 1e-3, 0.1]),
        "weight_decay": lambda d: d.choice([0, 0.01, 0.3])}
MAXIMIZE = {"maximize": lambda d: d.choice([False, True])}
AMSGRAD = {"amsgrad": lambda d: d.choice([False, True])}
DECAY = {"weight_decay": lambda d: d.choice([0, 0.01, 0.3])}
RATE = {"lr": lambda d: d.choice([1e-3, 0.01, 0.1])}

# What each option may be.
OPTIONS = {
    "SGD": {**RATE, **DECAY, **MAXIMIZE, "momentum": lambda d: d.choice([0, 0.5, 0.9]), "dampening": lambda d: d.choice([0, 0.3])},
    "ASGD": {**RATE, **DECAY, **MAXIMIZE, "lambd": lambda d: d.choice([0, 1e-4, 0.1]), "alpha": lambda d: d.choice([0.5, 0.75]),
             "t0": lambda d: d.choice([1e6, 2, 0])},
    "Rprop": {**RATE, **MAXIMIZE, "etas": lambda d: [d.choice([0.3, 0.5]), d.choice([1.1, 1.5])],
              "step_sizes": lambda d: [d.choice([1e-6, 1e-3]), d.choice([0.05, 50])]},
    "Adam": {**ADAM, **MAXIMIZE, **AMSGRAD},
    "AdamW": {**ADAM, **MAXIMIZE, **AMSGRAD},
    "Adamax": {**ADAM, **MAXIMIZE},
    "NAdam": {**ADAM, "momentum_decay": lambda d: d.choice([0, 4e-3, 0.1])},
    "RAdam": ADAM,
    "RMSprop": {**RATE, **DECAY, **MAXIMIZE, "alpha": lambda d: d.choice([0.5, 0.9, 0.99]), "eps": lambda d: d.choice([1e-8, 1e-3]),
                "momentum": lambda d: d.choice([0, 0.5, 0.9]), "centered": lambda d: d.choice([False, True])},
    "Adagrad": {**RATE, **DECAY, **MAXIMIZE, "lr_decay": lambda d: d.choice([0, 0.1]), "eps": lambda d: d.choice([1e-10, 1e-3]),
                "initial_accumulator_value": lambda d: d.choice([0, 0.5])},
    "Adadelta": {**RATE, **DECAY, **MAXIMIZE, "rho": lambda d: d.choice([0, 0.5, 0.9, 1]), "eps": lambda d: d.choice([1e-6, 1e-3])},
}


def runs(name, draw, draws):
    """Options of the cases of one optimizer: the defaults, each option alone, and some drawn together."""
    own = OPTIONS[name]
    yield {"lr": 0.05}
    for key, values in own.items():
        yield {"lr": 0.05, key: values(draw)}
    if name == "SGD":
        yield {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}
    for _ in range(draws):
        yield {key: values(draw) for key, values in own.items() if draw.random() < 0.6} | {"lr": own["lr"](draw)}


def write(writer, draws):
    for name in OPTIONS:
        draw = random.Random(f"{writer.seed}/{name}")
        writer.subject(f"optim.{name}")
        for k, options in enumerate(runs(name, draw, draws)):
            for dtype in (torch.float64, torch.float32):
                if dtype == torch.float64 or k % 3 == 0:
                    write_case(writer, draw, name, options, dtype, "groups" if k % 2 else "gaps")


def write_case(writer, draw, name, options, dtype, problem):
    """`gaps`: at some steps a parameter has no gradient, or zeros, and the learning rate drops; `groups`: two of them."""
    subject = f"optim.{name}"
    params = [torch.randn(SHAPE, dtype=dtype, requires_grad=True) for _ in range(2 if problem == "groups" else 1)]
    gradients = [torch.randn(STEPS, *SHAPE, dtype=dtype) for _ in params]
    case = {"kind": "optim", "optimizer": name, "dtype": str(dtype).removeprefix("torch."), "options": options, "problem": problem,
            "steps": STEPS, "start": [writer.put(subject, p) for p in params]}
    groups = [{"params": params[:1]}]
    if problem == "groups":
        case["group1"] = {key: values(draw) for key, values in OPTIONS[name].items() if key in ("lr", "weight_decay")}
        groups.append({"params": params[1:], **case["group1"]})
    else:
        case |= {"none_steps": [0, 3], "zero_steps": [2, 5], "lr_times_0_1_before_step": 6}
        gradients[0][case["zero_steps"]] = 0
    optimizer = getattr(torch.optim, name)(groups, **options)
    trajectory = [[] for _ in params]
    for step in range(STEPS):
        if step == case.get("lr_times_0_1_before_step"):
            optimizer.param_groups[0]["lr"] *= 0.1
        for p, g in zip(params, gradients):
            p.grad = None if step in case.get("none_steps", []) else g[step].clone()
        optimizer.step()
        for p, after in zip(params, trajectory):
            after.append(p.detach().clone())
    case["gradients"] = [writer.put(subject, g) for g in gradients]
    case["trajectory"] = [writer.put(subject, torch.stack(after)) for after in trajectory]
    state = {key: value for key, value in optimizer.state[params[0]].items() if value is not None}
    case["state"] = {key: writer.put(subject, torch.as_tensor(value)) for key, value in state.items()}
    writer.add(subject, case)

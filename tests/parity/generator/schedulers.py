"""Learning-rate schedulers: the learning rates (and momenta) that each step of the optimizer finds."""

import math
import random
import warnings

import torch
from torch.optim import lr_scheduler

BASE_LRS = [0.1, 0.25]
STEPS = 50

# Options of every kind of scheduler, each a function of the random draw.
DRAWN = {
    "StepLR": lambda d: {"step_size": d.randint(1, 12), "gamma": d.choice([0.1, 0.5, 0.97, 1.2])},
    "MultiStepLR": lambda d: {"milestones": [d.randint(1, 40) for _ in range(d.randint(0, 4))], "gamma": d.choice([0.1, 0.5, 0.97])},
    "ExponentialLR": lambda d: {"gamma": d.choice([0.5, 0.9, 0.999, 1.05])},
    "CosineAnnealingLR": lambda d: {"T_max": d.randint(1, 60), "eta_min": d.choice([0, 1e-3, 0.15])},
    "CosineAnnealingWarmRestarts": lambda d: {"T_0": d.randint(1, 15), "T_mult": d.randint(1, 3), "eta_min": d.choice([0, 1e-3])},
    "LinearLR": lambda d: {"start_factor": d.choice([0.01, 0.25, 1 / 3, 1]), "end_factor": d.choice([0, 0.5, 1]), "total_iters": d.randint(1, 60)},
    "ConstantLR": lambda d: {"factor": d.choice([0.1, 1 / 3, 1]), "total_iters": d.randint(1, 60)},
    "PolynomialLR": lambda d: {"total_iters": d.randint(1, 60), "power": d.choice([0.5, 1.0, 2.0, 3.3])},
    "OneCycleLR": lambda d: {"max_lr": d.choice([0.5, [0.3, 0.7]]), "total_steps": d.randint(50, 80), "pct_start": d.choice([0.25, 0.3, 0.45]),
                             "anneal_strategy": d.choice(["cos", "linear"]), "three_phase": d.choice([False, True]),
                             "div_factor": d.choice([10.0, 25.0]), "final_div_factor": d.choice([1e2, 1e4]),
                             "base_momentum": d.choice([0.85, [0.7, 0.8]]), "max_momentum": d.choice([0.95, [0.9, 0.99]])},
    "CyclicLR": lambda d: {"base_lr": d.choice([0.01, [0.01, 0.02]]), "max_lr": d.choice([0.1, [0.1, 0.3]]), "step_size_up": d.randint(1, 20),
                           "step_size_down": d.choice([None, 3, 11]), "mode": d.choice(["triangular", "triangular2", "exp_range"]),
                           "gamma": d.choice([1.0, 0.99]), "base_momentum": d.choice([0.8, [0.7, 0.75]]),
                           "max_momentum": d.choice([0.9, [0.85, 0.95]])},
    "ReduceLROnPlateau": lambda d: {"mode": d.choice(["min", "max"]), "factor": d.choice([0.1, 0.5]), "patience": d.randint(0, 5),
                                    "threshold": d.choice([1e-4, 0.1]), "threshold_mode": d.choice(["rel", "abs"]),
                                    "cooldown": d.randint(0, 4), "min_lr": d.choice([0, 1e-3, [1e-2, 1e-4]]), "eps": d.choice([1e-8, 1e-2])},
}
FIRST = {"StepLR": {"step_size": 7}, "MultiStepLR": {"milestones": [3, 8, 8]}, "ExponentialLR": {"gamma": 0.9},
         "CosineAnnealingLR": {"T_max": 10}, "CosineAnnealingWarmRestarts": {"T_0": 7}, "OneCycleLR": {"max_lr": 1.0, "total_steps": 50},
         "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 6}}
CHAINABLE = ["StepLR", "MultiStepLR", "ExponentialLR", "CosineAnnealingLR", "LinearLR", "ConstantLR", "PolynomialLR"]
IN_SEQUENCE = CHAINABLE + ["CosineAnnealingWarmRestarts"]


def cases(seed, draws):
    warnings.simplefilter("ignore")
    found = []
    for name, options in DRAWN.items():
        draw = random.Random(f"{seed}/{name}")
        for kwargs in [FIRST.get(name, {})] + [options(draw) for _ in range(2 + draws)]:
            optimizer = draw.choice(["SGD", "RMSprop"] + (["Adam"] if name != "CyclicLR" else []))
            found.append(run({"scheduler": name, "kwargs": kwargs, "optimizer": optimizer}, draw))
        if name in ("OneCycleLR", "CyclicLR"):
            found.append(run({"scheduler": name, "kwargs": {**FIRST[name], "cycle_momentum": False}, "optimizer": "Adagrad"}, draw))
    draw = random.Random(f"{seed}/composed")
    for _ in range(2 + 2 * draws):
        for name, parts in (("ChainedScheduler", CHAINABLE), ("SequentialLR", IN_SEQUENCE)):
            inner = [{"scheduler": part, "kwargs": DRAWN[part](draw)} for part in draw.choices(parts, k=draw.randint(1, 3))]
            kwargs = {"milestones": sorted(draw.randint(1, 30) for _ in inner[1:])} if name == "SequentialLR" else {}
            found.append(run({"scheduler": name, "kwargs": kwargs, "schedulers": inner, "optimizer": "SGD"}, draw))
    return found


def build(case, optimizer):
    make = getattr(lr_scheduler, case["scheduler"])
    inner = [build(part, optimizer) for part in case.get("schedulers", [])]
    if case["scheduler"] == "ChainedScheduler":
        return make(inner)
    return make(optimizer, *([inner] if inner else []), **case["kwargs"])


def run(case, draw):
    """The case with what PyTorch does. Steps end where PyTorch can go no further."""
    params = [torch.zeros(1, requires_grad=True) for _ in BASE_LRS]
    optimizer = getattr(torch.optim, case["optimizer"])([{"params": [p], "lr": lr} for p, lr in zip(params, BASE_LRS)], lr=1.0)
    scheduler = build(case, optimizer)
    lrs, momenta, metrics = [], [], []
    for _ in range(STEPS):
        lrs.append([group["lr"] for group in optimizer.param_groups])
        momenta.append([group["betas"][0] if "betas" in group else group.get("momentum") for group in optimizer.param_groups])
        if case["scheduler"] == "ReduceLROnPlateau":
            metrics.append(round(math.exp(-len(lrs) / 10) + draw.uniform(-0.1, 0.1), 4))
            scheduler.step(metrics[-1])
        else:
            try:
                scheduler.step()
            except ZeroDivisionError:
                break
    case |= {"base_lrs": BASE_LRS, "steps": len(lrs), "lrs_before_step": lrs}
    if momenta[0][0] is not None:
        case["momenta_before_step"] = momenta
    if metrics:
        case["metrics"] = metrics
    return case

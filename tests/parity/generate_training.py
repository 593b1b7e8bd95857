#!/usr/bin/python3
"""Writes cases of optimizers and learning-rate schedulers as PyTorch runs them.

usage: generate_training.py [--seed N] [--draws N] [--out DIR]; needs Python 3 with PyTorch (Debian: python3-torch). Beside the options that
are listed here, `--draws` options are drawn at random for every optimizer and scheduler. README.md says what the files hold.
"""

import argparse
import os
import sys

sys.dont_write_bytecode = True  # no __pycache__ among the sources
import torch

from generator import optimizers, schedulers
from generator.writer import Writer


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="other numbers for another seed (default: 1, that of the folder in git)")
    parser.add_argument("--draws", type=int, default=2, help="how many options to draw at random (default: 2, as in git)")
    parser.add_argument("--out", default=os.path.join(here, "training"), help="folder to write to (default: training, beside this script)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    writer = Writer(options.seed)
    writer.family("optimizers")
    optimizers.write(writer, options.draws)
    writer.save(options.out, schedulers=schedulers.cases(options.seed, options.draws))


if __name__ == "__main__":
    main()

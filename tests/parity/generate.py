#!/usr/bin/python3
"""Writes cases of every operation, and of modules, as PyTorch computes it: calls, results, gradients, and calls that must be refused.

usage: generate.py [--seed N] [--out DIR]; needs Python 3 with PyTorch (Debian: python3-torch). README.md says what the files hold.
"""

import argparse
import os
import sys

sys.dont_write_bytecode = True  # no __pycache__ among the sources
import torch

from generator import (activation, attention, convolution, creation, elementwise, indexing, loss, modules_attention, normalization, product,
                       recurrent, reduction, shape)
from generator.writer import Writer

FAMILIES = (creation, elementwise, activation, shape, indexing, reduction, product, convolution, normalization, attention, loss, recurrent)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="other numbers for another seed (default: 1, that of the folder in git)")
    parser.add_argument("--out", default=os.path.join(here, "cases"), help="folder to write to (default: cases, beside this script)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    writer = Writer(options.seed)
    for family in FAMILIES + (modules_attention,):
        writer.family(family.__name__.rpartition(".")[2])
        family.write(writer)
    writer.save(options.out)


if __name__ == "__main__":
    main()

"""Asks PyTorch what the programs show, and writes it down."""

import torch

from . import outcome, read, write

if __name__ == "__main__":
    torch.set_num_threads(1)
    write({heading: {program: outcome(torch, program) for program in group} for heading, group in read().items()})

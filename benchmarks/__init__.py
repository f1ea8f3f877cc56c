"""chainrule and PyTorch, timed side by side: `python -m benchmarks --help`."""

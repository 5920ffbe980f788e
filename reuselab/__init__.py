"""Generator, models and trainers of a reproducible companion to two papers on the reuse of pre-trained networks."""

__version__ = "0.1.0"

"""Whose speed is compared in the tables of `make bench` and `make gpu`, and what is meant to be reached."""

CONTENDERS = PLAIN, ONE, ENGINE = "plain loop", "engine, one at a time", "engine"
GOALS = {"cnn": 30, "mlp": 30, "resnet18": 5}  # times as fast as the plain loop, on a GPU
CIFAR_GOAL, CIFAR_EPOCHS = 0.93, 20  # of ResNet-18's accuracy
AIRBENCH = 3.29  # seconds to 94 % on one A100: Jordan (2024), arXiv 2404.00498
BOOK_MINUTES = 30  # of all pages at the preset paper

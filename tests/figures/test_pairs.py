"""The drawings of the page on the generator."""

from reuselab.experiment import bases, pairs
from reuselab.figures import pairs as figures

DIGITS = (bases.load("digits", "train"),) * 2


def test_a_single_rho_has_its_joint_distribution_drawn():
    assert "ρ = 1" in figures.joint_distributions(10, [1.0]).svg


def test_a_caption_names_the_function_that_drew():
    sample = pairs.sample(DIGITS, 3, pairs.joint(10, 1.0), seed=1)
    shown = figures.sample_pairs({"rho = 1": sample}, caption="Three pairs.")
    label = sample.first.classes[sample.alice_labels[0]]
    assert (
        f"{label}, {label}" in shown.svg and "<code>figures.pairs.sample_pairs</code>" in shown._repr_html_()
    )

"""Figures of the four theory pages: each draws what its claims module returns, and says who drew it."""

import re
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reuselab.claims import deep_linear as deep_claim
from reuselab.claims import nonlinear as relu_claim
from reuselab.claims import phase_diagram as phase_claim
from reuselab.figures import deep_linear, nonlinear, phase_diagram, style
from reuselab.theory import relu


def shown(figure, function):
    page = figure._repr_html_()
    assert f"<code>{function.__module__.removeprefix('reuselab.')}.{function.__name__}</code>" in page
    assert not re.search(r'="nan|NaN', page)
    return page


def test_the_figures_of_deep_linear_draw_its_tables():
    draws = deep_claim.simulated([10, 30], 20, [45], [0.3], 3, 0)
    chosen = {method: risk[:, :, 0, 0].T for method, risk in draws.items()}
    figure = deep_linear.risks(chosen, [0.5, 1.5], np.deg2rad(45), 0.3, caption="c")
    assert "fine-tuning" in shown(figure, deep_linear.risks)
    forms = deep_claim.forms(3, [2], 0)
    assert "published, c = 1" in shown(deep_linear.two_forms(forms, caption="c"), deep_linear.two_forms)


def test_the_figures_of_phase_diagram_draw_its_tables():
    gain = {method: np.zeros((2, 3)) for method in phase_claim.METHODS}
    figure = phase_diagram.theory_and_simulation([0.3, 1.5], np.deg2rad([5, 45, 85]), 0.3, gain, caption="c")
    shown(figure, phase_diagram.theory_and_simulation)
    sweeps = phase_claim.sweeps(20, 0.3, 3, 0)
    page = shown(phase_diagram.distance_sweeps(sweeps, caption="c"), phase_diagram.distance_sweeps)
    assert all(name in page for name in (phase_claim.UNITS, phase_claim.LENGTH, phase_claim.ANGLE))
    lengths = phase_claim.lengths(20, 0.3, 3, 0)
    shown(phase_diagram.source_lengths(lengths, caption="c"), phase_diagram.source_lengths)


def test_the_tick_labels_of_neighbouring_phase_diagrams_stand_apart():
    with mpl.rc_context(style.STYLE):
        drawing = phase_diagram.phase_diagram.__wrapped__(0.5, None, 2, "flow")
        FigureCanvasAgg(drawing).draw()
        boxes = [label.get_window_extent() for axes in drawing.axes[:2] for label in axes.get_xticklabels()]
    assert all(right.x0 - left.x1 > left.height / 2 for left, right in pairwise(boxes))


def test_the_figures_of_nonlinear_name_the_methods():
    setting = relu.Setting(d=6, teacher_width=6, student_width=16, steps=20, source_steps=20)
    table, _ = relu_claim.experiment(setting, 3, [8, 16], [0.0, 0.5], [8, 16], workers=1)
    gains = relu_claim.gains(table)
    over_scratch = gains[gains.against == relu_claim.NAMES["scratch"]]
    page = shown(nonlinear.gain_against_overlap(over_scratch, caption="c"), nonlinear.gain_against_overlap)
    assert "linear transfer" in page and "fine-tuning" in page


def test_a_phase_diagram_is_the_same_in_whatever_order_its_parameters_come():
    def colours(gammas):
        mesh = phase_diagram._phase(Figure().subplots(), np.array([gammas] * 2).T, gammas, [1.0, 0.5])
        return mesh.get_array()

    np.testing.assert_array_equal(colours([0.5, 0.1, 0.3]), colours([0.1, 0.3, 0.5]))

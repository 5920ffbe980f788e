"""On which photographs a page runs, and what it says of them, on a made page that needs no photograph."""

import pandas as pd
import pytest
from made import made

from reuselab.book import kept, photographs
from reuselab.claims.parameters import AUTO, KEPT
from reuselab.experiment import bases

VALUES = {"base": AUTO, "alice_pairs": 1000, "bob_pairs": 20, "test_pairs": 1000}
SETS = {"pets": made([60, 50]), "cifar10": made([400, 300])}


class Page:
    """What a page of photographs says in its module of `claims`."""

    PHOTOGRAPHS = ("pets", "cifar10")
    refused: tuple[str, ...] = ()

    def shown(self, values):
        return ["class 0", "class 1"]

    def sets(self, base):
        return [base, "cifar10"]

    def check(self, values):
        if values["base"] in self.refused:
            raise ValueError(f"{values['base']} does not serve")


@pytest.fixture
def page(monkeypatch):
    made_page = Page()
    monkeypatch.setattr(photographs, "module", lambda name: made_page)
    monkeypatch.setattr(bases, "load", lambda name, split: SETS[name])
    monkeypatch.setattr(bases, "present", lambda name: name in SETS)
    return made_page


@pytest.fixture
def no_kept_run(monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "RESULTS", tmp_path)


@pytest.fixture
def kept_run(monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "RESULTS", tmp_path)
    (tmp_path / "quick" / "made").mkdir(parents=True)
    for part in kept.REFERENCE:
        pd.DataFrame({"images": ["made"]}).to_csv(tmp_path / "quick" / "made" / f"made_{part}.csv")


def test_the_best_set_at_hand_is_taken_and_no_more_photographs_than_it_has(page):
    assert photographs.choose("made", VALUES, {}) == VALUES | {
        "base": "pets",
        "alice_pairs": 80,
        "test_pairs": 100,
    }


def test_a_set_that_does_not_serve_is_passed_over_unless_it_is_asked_for(page):
    page.refused = ("pets",)
    assert photographs.choose("made", VALUES, {})["base"] == "cifar10"
    with pytest.raises(ValueError, match=r"^pets does not serve$"):
        photographs.choose("made", VALUES | {"base": "pets"}, {"base": "pets"})


def test_numbers_that_are_given_stay_as_they_are(page):
    assert photographs.choose("made", VALUES, {"alice_pairs": 1000})["alice_pairs"] == 1000


@pytest.mark.hostile("input")
def test_a_set_of_too_few_photographs_is_refused(page):
    with pytest.raises(
        ValueError, match=r"^base pets has too few photographs of some of class 0, class 1: 50 of"
    ):
        photographs.choose("made", VALUES | {"base": "pets", "bob_pairs": 95}, {})


def test_the_kept_run_is_shown_where_no_set_serves(page, kept_run):
    page.refused = ("pets", "cifar10")
    assert photographs.choose("made", VALUES, {}) == VALUES | {"base": KEPT}
    assert kept.best_run("made")[0] == "quick/made" and kept.origin("made") == (f"{KEPT}: quick/made", "made")


@pytest.mark.hostile("input", 2)
def test_parameters_that_the_kept_run_has_not_got_are_refused_in_its_place(page, kept_run, monkeypatch):
    with pytest.raises(
        FileNotFoundError, match=r"^page made needs photographs for its seeds: its kept run has"
    ):
        photographs.choose("made", VALUES | {"base": KEPT}, {"base": KEPT, "seeds": 3})
    page.refused = ("pets", "cifar10")
    with pytest.raises(ValueError, match=r"^cifar10 does not serve$"):
        photographs.choose("made", VALUES, {"seeds": 3})


@pytest.mark.hostile("input")
def test_a_page_that_can_neither_run_nor_show_a_kept_run_says_what_gets_photographs(page, no_kept_run):
    with pytest.raises(
        FileNotFoundError, match=r"no run of it is kept; reuselab data fetch cifar10 gets some$"
    ):
        photographs.choose("made", VALUES | {"base": KEPT}, {})
    assert kept.best_run("made") == ("", {})


def test_a_page_says_on_which_photographs_it_was_computed(page, kept_run):
    assert photographs.used("made", {"base": "pets"}) == ["pets", "cifar10"]
    shown = photographs.told("made", "pets")
    assert (
        "photographs of Oxford-IIIT Pet" in shown and "those of CIFAR-10" in shown and "stand in" not in shown
    )
    assert "stand in for Oxford-IIIT Pet until that is here (reuselab data fetch pets)" in photographs.told(
        "made", "cifar10"
    )
    assert "kept, as the reference run quick/made" in photographs.told("made", KEPT)


def test_thumbnails_are_a_sets_own_photographs_and_none_of_a_kept_run(page):
    base = next(iter(SETS))
    told = photographs.thumbnails(base, ["class 1"], count=2)
    assert list(told) == ["class 1"] and len(told["class 1"]) == 2
    assert all(address.startswith("data:image/jpeg;base64,") for address in told["class 1"])
    assert photographs.thumbnails(KEPT, ["class 1"]) == {}

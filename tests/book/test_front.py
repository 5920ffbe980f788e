"""The first screen, the README and each page's box say what the evidence says, and nothing typed."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from reuselab.book import dress, front, pages, words
from reuselab.claims import evidence, module, registry

CLAIMS = list(registry.CLAIMS)


@pytest.fixture
def decide(monkeypatch):
    """Let every part of every claim have these verdicts, by image set."""

    def as_verdicts(verdicts, mean=0.25):
        named = {(claim, what) for claim, what, *_ in words.HEADLINES if what}
        rows = [
            {"claim": claim, "what": what, "decides": True, "set": name, "verdict": verdict}
            for claim, what in [*((claim, "all of it") for claim in CLAIMS), *sorted(named)]
            for name, verdict in verdicts.items()
        ]
        numbers = {"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "n": 20, "stability": 1.0}
        monkeypatch.setattr(evidence, "judged", lambda *_: pd.DataFrame(rows).assign(**numbers))

    return as_verdicts


def test_the_readme_shows_what_the_evidence_found():
    (shown,) = front.MARKED.findall(front.README.read_text())
    assert shown == front.readme(), "run `make readme`"
    assert all((front.README.parent / front.PICTURE.format(mode)).exists() for mode in front.MODES)


def test_the_readme_counts_the_claims_that_are_decided():
    board = evidence.scoreboard().set_index("claim").verdict
    decided = list(board.index[board != evidence.NOT_RUN])
    assert f"{len(decided)} of {len(board)} claims so far ({', '.join(decided)})" in front.readme()


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claims_words_follow_its_verdict(claim, decide):
    told = words.words(claim)
    for verdict, said, unsaid in (
        ("holds", told.holds, told.fails),
        ("does not hold", told.fails, told.holds),
        ("undecided", "it is undecided whether", told.fails),
    ):
        decide({"digits": verdict})
        (finding,) = [one for one in words.findings(claim) if one.verdict != evidence.NOT_RUN]
        assert finding.verdict == verdict and said in finding.sentence and unsaid not in finding.sentence
        assert finding.sentence.startswith("On digits, ")
        assert re.search(r"\(.*\+0\.250 \[\+0\.150, \+0\.350\]\)\.$|\(all \d parts\)\.$", finding.sentence)
        box = pages.in_one_minute(registry.CLAIMS[claim].page).data
        assert f"</span> {verdict}</span>" in box


def test_a_box_tells_each_part_where_their_verdicts_differ(monkeypatch):
    rows = pd.DataFrame({"what": ["lower layers at rho = 0", "best number tells rho"]})
    rows = rows.assign(verdict=["holds", "undecided"], claim="A4", set="digits", decides=True)
    monkeypatch.setattr(evidence, "judged", lambda *_: rows.assign(mean=0.25, low=0.15, high=0.35))
    finding, *_ = words.findings("A4")
    assert finding.verdict == "undecided"
    assert [part.verdict for part in finding.parts] == ["holds", "undecided"]
    box = pages.in_one_minute("layers").data
    assert all(part.sentence.replace("'", "&#x27;") in box for part in finding.parts)
    assert finding.sentence not in box


def test_the_larger_rise_stands_beside_the_smaller():
    for told in (pages.in_one_minute("task_correlation").data, front.found(), front.readme()):
        assert "own pairs at" in told and "as correlated as hers, the rise is" in told.replace("\\", "")


@pytest.mark.parametrize("claim", CLAIMS)
def test_advice_is_given_only_where_something_was_decided_and_goes_on_after_a_colon(claim, decide):
    told, page = words.words(claim), registry.CLAIMS[claim].page
    for verdict, use in (("holds", told.if_holds), ("does not hold", told.if_fails), ("undecided", None)):
        decide({"digits": verdict})
        box = re.sub(r"&#x27;", "'", pages.in_one_minute(page).data)
        for other in {told.if_holds, told.if_fails}:
            assert (f": {other[0].lower()}{other[1:]}" in box) == (other == use)


def test_the_first_screen_tells_five_findings_by_their_verdicts(decide):
    for verdict in ("holds", "does not hold"):
        decide({"digits": verdict, "turned": "undecided"}, mean=0.375)
        told = list(words.headlines())
        assert len(told) == words.FIRST
        for (page, sentences), (claim, _, holds, fails) in zip(told, words.HEADLINES):
            assert page == registry.CLAIMS[claim].page
            said, unsaid = (holds, fails) if verdict == "holds" else (fails, holds)
            assert said in sentences and unsaid not in sentences and "undecided" in sentences
        assert told[0][1].startswith("On digits, ") and "(+0.38)" in told[0][1] and "[" not in told[0][1]


def test_the_first_screen_tells_nothing_that_was_not_run(decide):
    decide({"digits": evidence.NOT_RUN})
    assert list(words.headlines()) == [] and front.found() == ""


@pytest.mark.parametrize("claim, what", [(claim, what) for claim, what, *_ in words.HEADLINES])
def test_a_headline_names_a_part_that_there_is(claim, what):
    assert not what or what in module(registry.CLAIMS[claim].page).DECISIONS


def test_every_page_has_a_card_with_its_verdicts():
    cards = "\n".join(front.cards())
    for name in pages.pages():
        assert cards.count(f":link: ../notebooks/{name}\n") == 1
        claims = pages.claims(name)
        assert all(words.marks(claim) in front.card(name) for claim in claims)
        assert claims or words.plain(module(name).ABOUT) in cards


@pytest.mark.hostile("input", 3)
def test_words_are_no_markup(monkeypatch):
    evil = '<script>alert(1)</script> {doc}`x` "'
    monkeypatch.setitem(words.WORDS, "A2", replace(words.WORDS["A2"], said=evil, holds=evil, fails=evil))
    monkeypatch.setitem(words.PLACES, "turned", evil)
    page = registry.CLAIMS["A2"].page
    for shown in (pages.in_one_minute(page).data, front.card(page)):
        assert "<script" not in shown.replace("\\<", "")
    assert "{doc}`x`" not in front.card(page)


def test_the_caption_says_who_does_better_by_the_numbers(monkeypatch):
    rows = [
        {"method": method, "rho": rho, "seed": seed, "bob_accuracy": level}
        for method, levels in {"Alice": (0.9, 0.2), "scratch": (0.5, 0.5)}.items()
        for rho, level in zip((0.0, 1.0), levels)
        for seed in range(3)
    ]
    monkeypatch.setattr(front, "shown_rows", lambda: pd.DataFrame(rows))
    assert front.caption().startswith(
        "At ρ = 0 Bob does better with Alice's blocks (0.90) than alone (0.50); "
        "at ρ = 1 Bob does worse with Alice's blocks (0.20) than alone (0.50)."
    )


def test_a_page_that_was_not_timed_says_no_time(monkeypatch):
    name = pages.pages()[0]
    assert "Takes" in front.card(name) and "to run" in dress.times(name, [])
    monkeypatch.setattr(words, "minutes", lambda page: "")
    assert "Takes" not in front.card(name) and "to run" not in dress.times(name, [])

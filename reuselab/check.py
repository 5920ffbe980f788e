"""What a value must be, said once: a rule refuses a value in one line that names what was expected."""

import difflib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any


class Failed(Exception):
    """Work that was accepted and could not be finished, in one line."""


@dataclass(frozen=True)
class Rule:
    """A test for one value, the words for what passes it, and a hint to end a refusal with.

    Words that are a function are asked for when they are needed.
    """

    words: str | Callable[[], str]
    test: Callable[[Any], bool]
    hint: Callable[[Any], str] = lambda value: ""

    @property
    def expected(self) -> str:
        """What passes."""
        return self.words if isinstance(self.words, str) else self.words()

    def __call__(self, name: str, value: Any) -> None:
        """Raise ValueError, in one line, unless `value` passes."""
        if not self.test(value):
            raise ValueError(f"{name} must be {self.expected}, not {shorten(value)}{self.hint(value)}")


def number(low: float, high: float = math.inf, *, above: bool = False) -> Rule:
    """A finite real number from `low` (or, with `above`, greater than it) to `high`."""

    def test(value):
        real = isinstance(value, Real) and not isinstance(value, bool)
        return real and (low < value if above else low <= value) and value <= high and value < math.inf

    bounds = f"above {low:g}" if above else f"from {low:g}"
    return Rule(
        f"a number {bounds}" + (f" to {high:g}" if math.isfinite(high) else "" if above else " up"), test
    )


def integer(low: int, high: int) -> Rule:
    """A whole number from `low` to `high`."""

    def test(value):
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        return whole and low <= value <= high

    return Rule(f"a whole number from {low:,} to {high:,}", test)


def measured(low: float, high: float) -> Rule:
    """A number that was computed: from `low` to `high`, give or take its rounding."""
    return Rule(f"a number from {low:g} to {high:g}", number(low - 1e-6, high + 1e-6).test)


def optional(rule: Rule) -> Rule:
    """None, which is null in JSON, or what passes `rule`."""
    return Rule(f"null or {rule.expected}", lambda value: value is None or rule.test(value))


def boolean() -> Rule:
    """True or false."""
    return Rule("true or false", lambda value: isinstance(value, bool))


def text(longest: int = 40_000) -> Rule:
    """A string of Unicode characters, without surrogates (bytes of the command line that are not UTF-8)."""

    def test(value):
        return isinstance(value, str) and len(value) <= longest and not re.search("[\ud800-\udfff]", value)

    return Rule(f"a Unicode text of up to {longest:,} characters", test)


def choice(*options: str) -> Rule:
    """One of the given words; a refusal names the nearest."""
    return choice_of(lambda: options)


def choice_of(options: Callable[[], Iterable[str]]) -> Rule:
    """As `choice`, among the words that `options` gives when a value is checked."""
    return Rule(
        lambda: "one of " + ", ".join(option or "''" for option in options()),
        lambda value: isinstance(value, str) and value in options(),
        lambda value: nearest(value, options()),
    )


def several(rule: Rule, most: int = 1000) -> Rule:
    """A list of one item to `most`, without repetitions, each passing `rule`."""

    class Several(Rule):
        def __call__(self, name, value):
            super().__call__(name, value)
            if len(value) > most:
                raise ValueError(f"{name} must hold at most {most:,} items, not {len(value):,}")
            for item in value:
                rule(f"each item of {name}", item)
            if len(set(value)) < len(value):
                raise ValueError(f"{name} must not repeat an item, as {shorten(value)} does")

    return Several(
        lambda: f"a list of one or more items, each {rule.expected}",
        lambda value: isinstance(value, (list, tuple)) and len(value) > 0,
    )


def known(kind: str, name: str, options: Iterable[str]) -> None:
    """Raise ValueError, with the nearest match, unless `name` is among `options`."""
    options = list(options)
    if name not in options:
        raise ValueError(f"no {kind} {shorten(name)}{nearest(name, options)}; there is {', '.join(options)}")


def nearest(name: Any, options: Iterable[str]) -> str:
    """' (did you mean ...?)' where something near exists, in capitals or not, else nothing."""
    written = {option.lower(): option for option in options}
    match = difflib.get_close_matches(str(name).lower(), written, 1)
    return f" (did you mean {written[match[0]]}?)" if match else ""


def shorten(value: Any) -> str:
    """`repr` in one line of at most sixty characters."""
    shown = " ".join(repr(value).split())
    return shown if len(shown) <= 60 else shown[:57] + "..."

"""One browser for all tests that look at pages."""

import pytest
from looking import CHROMIUM, FLAGS


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        try:
            launched = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        except playwright.Error as error:
            pytest.skip(f"no Chromium to look at the book with: {error.message.splitlines()[0]}")
        yield launched
        launched.close()

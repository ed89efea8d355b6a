"""A page in a real browser, on which nothing goes wrong."""

import pytest

OURS = ("file:", "data:", "blob:", "http://127.0.0.1")


@pytest.fixture
def open_page(browser):
    """Opens an address; afterwards nothing must have gone wrong on any page."""
    wrong, contexts = [], []

    def open_(address, **options):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        tab.on("request", lambda r: None if r.url.startswith(OURS) else wrong.append(r.url))
        tab.goto(address)
        tab.wait_for_selector("body[data-ready=yes]")
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert not wrong

"""What the tests of pages in a browser share."""

import time


def until(tab, condition):
    """Wait for a condition; Playwright's own way is kept out by the page's security policy."""
    ends = time.monotonic() + 60
    while not tab.evaluate(condition):
        assert time.monotonic() < ends, condition
        tab.wait_for_timeout(30)


def set_slider(tab, name, value):
    tab.locator(f"#{name}").evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }", str(value)
    )

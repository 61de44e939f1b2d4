"""The user's browser, where a page can be shown."""

from __future__ import annotations

import webbrowser


def graphical_browser() -> webbrowser.BaseBrowser | None:
    """A browser with a window of its own; None where there is none: another one would run in this terminal."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return None
    return None if type(browser) is webbrowser.GenericBrowser else browser

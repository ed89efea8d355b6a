"""How a notebook shows an object: its line, and a small picture."""

from __future__ import annotations

import base64
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grokscope.plotting.style import Picture

SMALL_DPI = 80
"""Of the picture that a notebook shows beside an object's line."""


def as_html(shown: object, picture: Picture | None) -> str:
    """An object's line, and a small picture below it, as a notebook shows them."""
    words = f"<div>{escape(repr(shown)[1:-1])}</div>"
    if picture is None:
        return words
    content = BytesIO()
    picture.savefig(content, format="png", dpi=SMALL_DPI)
    encoded = base64.b64encode(content.getvalue()).decode()
    return f'{words}<img alt="picture" src="data:image/png;base64,{encoded}">'

"""Tables that objects show in a notebook."""

from __future__ import annotations

import base64
import io

from PIL import Image

from headstart.runtime.notebook import html_card, png_uri


def test_all_words_are_escaped_and_what_is_not_there_is_left_out() -> None:
    page = html_card("<i>", {"a & b": "<script>", "none": None, "zero": 0}, [("data:,x", '"><b>')])
    assert "<i>" not in page and "<script>" not in page and "<b>" not in page
    assert "a &amp; b" in page and "none" not in page and ">0<" in page


def test_a_picture_is_small_and_has_no_metadata() -> None:
    picture = Image.new("RGB", (400, 100), "red")
    picture.info["comment"] = "taken by somebody"
    uri = png_uri(picture, side=40)
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as shown:
        assert shown.size == (40, 10) and shown.info == {}
    assert picture.size == (400, 100)

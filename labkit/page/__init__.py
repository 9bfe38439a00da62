"""The page of ``demo.py``: speak, and watch a decoder at work in the browser."""

from labkit.page.command import parse_page, serve

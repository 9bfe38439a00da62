"""HTML pages that stand alone: no script, no other file, fit for paper."""

from __future__ import annotations

import html

from autograder import phrases

# Whatever a student managed to write, the page loads nothing and runs nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_STYLE = """
:root { --ink: #1d2430; --soft: #5a6475; --rule: #d9dee6; --paper: #fff; }
* { box-sizing: border-box; }
body { margin: 2.5rem auto; padding: 0 1.25rem; max-width: 52rem; color: var(--ink);
  background: var(--paper); font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
body.wide { max-width: 76rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .4rem 0; }
.soft { color: var(--soft); font-size: .88rem; }
.total { font-size: 1.2rem; }
table { border-collapse: collapse; width: 100%; margin-top: 1.1rem; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .38rem .6rem .38rem 0;
  border-bottom: 1px solid var(--rule); }
th { font-weight: 600; color: var(--soft); font-size: .84rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.number { white-space: normal; vertical-align: bottom; }
td code { overflow-wrap: anywhere; }
.marks { white-space: nowrap; } .marks span { display: inline-block; width: .95rem;
  text-align: center; font-weight: 600; }
td ul { margin: 0; padding: 0; list-style: none; }
code, pre { font: .84rem/1.5 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono",
  monospace; }
pre { margin: .4rem 0; padding: .7rem .9rem; background: #f5f7fa; overflow-x: auto;
  border-left: 3px solid #b9c3d1; white-space: pre-wrap; overflow-wrap: anywhere; }
.bar { height: .5rem; background: #e8ecf2; border-radius: .25rem; overflow: hidden; }
.bar div { height: 100%; background: #2a6f97; }
.done { color: #1b6b3a; } .fail, .crash { color: #a3291f; }
.partial { color: #8a5a00; } .todo, .blocked { color: var(--soft); }
a { color: #1d5c80; }
.next { margin-top: 2rem; padding: .8rem 1rem; background: #eef4f8; }
.next h2 { margin: 0 0 .3rem; }
img { max-width: 100%; height: auto; }
@media print {
  @page { margin: 1.6cm; } @page wide { size: A4 landscape; }
  body { margin: 0; max-width: none; font-size: 9.5pt; }
  body.wide { page: wide; max-width: none; }
  img { max-height: 14.5cm; width: auto; }
  pre, .next, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .bar, .bar div, pre, .next { print-color-adjust: exact; }
}
"""


def escape(text: str) -> str:
    """Escape text for an element or a quoted attribute."""
    return html.escape(text, quote=True)


def document(title: str, body: str, kind: str = "") -> str:
    """Make a whole page.

    Args:
        title: Not yet escaped.
        body: HTML.
        kind: A class of the body: "wide" or "".

    Returns:
        The page.
    """
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(phrases.LANGUAGE)}">\n<head>\n'
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f'<body class="{escape(kind)}">\n{body}\n</body>\n</html>\n'
    )


def table(
    header: list[str],
    rows: list[list[str]],
    numbers: frozenset[int],
    widths: dict[int, str] | None = None,
) -> str:
    """Make a table.

    Args:
        header: Not yet escaped.
        rows: Cells as HTML.
        numbers: The columns that are aligned right.
        widths: Of some columns, as CSS.

    Returns:
        HTML.
    """

    def row(cells: list[str], tag: str) -> str:
        kinds = [' class="number"' if n in numbers else "" for n in range(len(cells))]
        whole = (f"<{tag}{kind}>{c}</{tag}>" for kind, c in zip(kinds, cells))
        return f"<tr>{''.join(whole)}</tr>"

    widths = widths or {}
    columns = "".join(
        f'<col style="width: {widths[n]}">' if n in widths else "<col>"
        for n in range(len(header))
    )

    head = row([escape(text) for text in header], "th")
    body = "\n".join(row(cells, "td") for cells in rows)
    return (
        f"<table>\n<colgroup>{columns}</colgroup>\n<thead>{head}</thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )

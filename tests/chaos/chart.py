"""Duplicates per 1,000 orders as a chart: plain SVG, readable on a light and on a dark page."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 340
LEFT, BOTTOM, TOP = 40, 280, 84
COLOURS = ("#1a7f64", "#d29922", "#cf4a3c")
STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#57606a}.title{font-size:17px;font-weight:600}.value{font-weight:600}"
    ".axis{stroke:#8b949e}@media(prefers-color-scheme:dark){text{fill:#c9d1d9}}"
)


def chart(title: str, groups: Mapping[str, Sequence[float]], names: Sequence[str], footer: str) -> str:
    """Groups of bars.

    Args:
        title: what the figures are.
        groups: label of a group to its figures, one for each name.
        names: what the bars of each group stand for.
        footer: under what conditions.
    """
    most = max((figure for figures in groups.values() for figure in figures), default=0.0) or 1.0
    parts = [f'<text class="title" x="{LEFT}" y="28">{escape(title)}</text>', *_legend(names)]
    span = (WIDTH - 2 * LEFT) / max(1, len(groups))
    for n, (label, figures) in enumerate(groups.items()):
        parts += _group(LEFT + n * span, span, label, figures, most)
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{BOTTOM}" x2="{WIDTH - LEFT}" y2="{BOTTOM}"/>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 12}" style="font-size:12px">{escape(footer)}</text>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{STYLE}</style>\n{body}\n</svg>\n'
    )


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], float(LEFT)
    for name, colour in zip(names, COLOURS, strict=False):
        parts.append(f'<rect x="{x:.0f}" y="44" width="12" height="12" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18:.0f}" y="55">{escape(name)}</text>')
        x += 40 + 8 * len(name)
    return parts


def _group(x: float, span: float, label: str, figures: Sequence[float], most: float) -> list[str]:
    parts = []
    width = span * 0.7 / max(1, len(figures))
    for n, (figure, colour) in enumerate(zip(figures, COLOURS, strict=False)):
        left = x + span * 0.15 + n * width
        tall = max(figure / most * (BOTTOM - TOP - 16), 1.5)
        parts.append(
            f'<rect x="{left:.1f}" y="{BOTTOM - tall:.1f}" width="{width * 0.86:.1f}" height="{tall:.1f}" rx="2" fill="{colour}"/>'
        )
        middle = left + width * 0.43
        shown = "0" if figure == 0 else f"{figure:.1f}"
        parts.append(
            f'<text class="value" x="{middle:.1f}" y="{BOTTOM - tall - 6:.1f}" text-anchor="middle">{shown}</text>'
        )
    parts.append(f'<text x="{x + span / 2:.1f}" y="{BOTTOM + 22}" text-anchor="middle">{escape(label)}</text>')
    return parts

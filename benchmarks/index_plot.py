"""Draws what benchmarks.index_families measured, as an SVG without any library.

python -m benchmarks.index_plot MEASURED.jsonl docs/index-families.svg
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 300, 220, 60, 50, 90
_COLOURS = ("#1b6ca8", "#c8553d", "#4f772d")
_PANELS = (
    ("processor", "processor ms a question", 1.0),
    ("after", "resident memory, MB", 1e-6),
    ("build", "seconds to build", 1.0),
)


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis over whole decades."""

    low: int
    high: int
    start: float
    length: float

    def place(self, value: float) -> float:
        return self.start + self.length * (math.log10(value) - self.low) / (self.high - self.low)

    def decades(self) -> Sequence[float]:
        return [10.0**exponent for exponent in range(self.low, self.high + 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measured", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.measured.read_text().splitlines()]
    rows = list({(row["family"], row["vectors"]): row for row in rows}.values())  # the last of each counts
    families = sorted({row["family"] for row in rows})
    width = _LEFT + len(_PANELS) * (_WIDTH + _GAP)
    height = _TOP + _HEIGHT + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="12"><rect width="{width}" height="{height}" fill="white"/>'
    ]
    for at, (field, title, scale) in enumerate(_PANELS):
        points = {
            family: sorted((row["vectors"], row[field] * scale) for row in rows if row["family"] == family)
            for family in families
        }
        parts += _panel(_LEFT + at * (_WIDTH + _GAP), title, points)
    for at, family in enumerate(families):
        x = _LEFT + at * 130
        parts.append(f'<rect x="{x}" y="12" width="12" height="12" fill="{_COLOURS[at]}"/>')
        parts.append(f'<text x="{x + 18}" y="22">{family}</text>')
    arguments.out.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


def _panel(left: float, title: str, lines: dict[str, list[tuple[float, float]]]) -> list[str]:
    values = [point for line in lines.values() for point in line]
    across = _Axis(*_decades([x for x, _ in values]), left, _WIDTH)
    up = _Axis(*_decades([y for _, y in values]), _TOP + _HEIGHT, -_HEIGHT)
    parts = [f'<text x="{left}" y="{_TOP - 8}" font-weight="bold">{title}</text>']
    for value in across.decades():
        x = across.place(value)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_TOP + _HEIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{value:,.0f}</text>')
    for value in up.decades():
        y = up.place(value)
        parts.append(f'<line x1="{left}" x2="{left + _WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,g}</text>')
    parts.append(f'<text x="{left + _WIDTH / 2}" y="{_TOP + _HEIGHT + 38}" text-anchor="middle">vectors</text>')
    for colour, line in zip(_COLOURS, lines.values(), strict=False):
        places = [(across.place(x), up.place(y)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    return parts


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


if __name__ == "__main__":
    main()

"""Pages for benchmarks/pdf_tables.py: tables as offices and web pages set them, and pages that only look like some."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

_FONT = "font:10pt/1.35 'Liberation Sans','Noto Sans CJK JP',sans-serif"
_PROSE = (
    "The carrier shall deliver each parcel to the address on its label within the time agreed and shall keep a record "
    "of the hand-over. Where nobody is at home, the parcel goes to the nearest depot, and the recipient is told where "
    "and until when it may be collected. Charges for storage begin on the eighth day. "
)
_STYLES = {
    "ruled": "td,th{border:1px solid #000;padding:3px 6px}",
    "ruled-grey": "td,th{border:1px solid #bbb;padding:6px 10px} th{background:#e8eef5;text-align:left}",
    "rows": "th{border-bottom:2px solid #333;text-align:left} td{border-bottom:1px solid #ccc} td,th{padding:5px 12px}",
    "bootstrap": "table{width:100%} th{text-align:left} td,th{border-top:1px solid #ddd;padding:8px}",
    "booktabs": "table{border-top:2px solid #000;border-bottom:2px solid #000} "
    "thead th{border-bottom:1px solid #000} td,th{padding:1px 9px;text-align:left}",
    "zebra": "tr:nth-child(even) td{background:#f0f0f0} th{background:#345;color:#fff} td,th{padding:5px 10px}",
    "inner": "th{border-bottom:1px solid #000} td+td,th+th{border-left:1px solid #000} td,th{padding:3px 8px}",
    "dark-header": "table{border:1px solid #999} th{background:#222;color:#fff} td{border-bottom:1px solid #999}"
    " td,th{padding:4px 8px;text-align:left}",
    "spaced": "table{border-collapse:separate;border-spacing:2px} td,th{border:1px solid #555;padding:3px 6px}",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A page and the rows that its tables hold, as text."""

    name: str
    html: str
    rows: tuple[str, ...]


def _page(body: str, style: str = "") -> str:
    return (
        f"<!doctype html><meta charset=utf-8><style>@page{{size:A4;margin:18mm}}body{{{_FONT}}}"
        f"table{{border-collapse:collapse;{_FONT};margin:10pt 0}}{style}</style><body>{body}"
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{cell}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _named(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        " | ".join(f"{name}: {cell}" if name else cell for name, cell in zip(header, row, strict=True) if cell)
        for row in rows
    ]


def _fees(random_: random.Random, count: int) -> tuple[list[str], list[list[str]]]:
    zones = ("Inner city", "Outer districts", "Islands", "Neighbouring countries", "Rest of the world", "Highlands")
    rows = [
        [f"{random_.choice(zones)} {i + 1}", f"{random_.randint(1, 9)} days", f"{random_.uniform(3, 90):.2f} EUR",
         random_.choice(("yes", "no", "on request"))]
        for i in range(count)
    ]  # fmt: skip
    return ["Zone", "Delivery time", "Fee", "Insured"], rows


def _clauses(random_: random.Random) -> tuple[list[str], list[list[str]]]:
    duties = (
        "Keeps the records of all deliveries for six years and hands them to the auditor within ten working days",
        "Tells the customer in writing of every breach of personal data, at the latest 48 hours after it became known",
        "Maintains insurance against loss and damage, and shows its certificate when asked to do so",
        "Replaces vehicles that are older than eight years by vehicles without emissions",
    )
    roles = ("Carrier", "Controller of the data", "Insured party", "Owner of the fleet")
    rows = [[f"4.{i + 1}", roles[i], duty, f"{random_.randint(2, 40)},000 EUR"] for i, duty in enumerate(duties)]
    return ["Clause", "Party", "Duty", "Penalty"], rows


def _japanese(random_: random.Random) -> tuple[list[str], list[list[str]]]:
    names = ("普通小包", "速達", "書留", "冷蔵便", "代金引換")
    rows = [
        [name, f"{random_.randint(1, 9) * 100:,}円", f"{random_.randint(1, 5)}日以内", random_.choice(("可", "不可"))]
        for name in names
    ]
    return ["種別", "料金", "配達日数", "追跡"], rows


def _styled() -> list[Sample]:
    samples = []
    for number, (name, style) in enumerate(_STYLES.items()):
        random_ = random.Random(number)
        parts, rows = [f"<h1>Annex {number + 1}</h1><p>{_PROSE}</p>"], []
        for header, body in (_fees(random_, 7), _clauses(random_), _japanese(random_)):
            parts += [_table(header, body), f"<p>{_PROSE}</p>"]
            rows += _named(header, body)
        samples.append(Sample(f"style-{name}", _page("".join(parts), style), tuple(rows)))
    return samples


def _long() -> list[Sample]:
    header, rows = _fees(random.Random(40), 90)
    named = tuple(_named(header, rows))
    once = _table(header, rows).replace("<thead>", "<tbody>").replace("</thead>", "</tbody>")
    return [
        Sample("long-ruled", _page(_table(header, rows), _STYLES["ruled-grey"]), named),
        Sample("long-rows", _page(_table(header, rows), _STYLES["rows"]), named),
        Sample("long-header-once", _page(once, _STYLES["ruled"]), named),
    ]


def _shaped() -> list[Sample]:
    ruled = _STYLES["ruled"]
    two_levels = (
        "<table><tr><th rowspan=2>Depot</th><th colspan=2>2025</th><th colspan=2>2026</th></tr><tr><th>Parcels</th>"
        "<th>Loss</th><th>Parcels</th><th>Loss</th></tr><tr><td>Leeds</td><td>1,204</td><td>0.4 %</td><td>1,390</td>"
        "<td>0.3 %</td></tr><tr><td>Sapporo</td><td>802</td><td>0.1 %</td><td>911</td><td>0.2 %</td></tr></table>"
    )
    levels = (
        "Depot: Leeds | 2025 Parcels: 1,204 | 2025 Loss: 0.4 % | 2026 Parcels: 1,390 | 2026 Loss: 0.3 %",
        "Depot: Sapporo | 2025 Parcels: 802 | 2025 Loss: 0.1 % | 2026 Parcels: 911 | 2026 Loss: 0.2 %",
    )
    spans = (
        "<table><tr><th>Country</th><th>Weight</th><th>Fee</th></tr><tr><td rowspan=2>Japan</td><td>to 1 kg</td>"
        "<td>900</td></tr><tr><td>to 5 kg</td><td>1,800</td></tr><tr><td>Norway</td><td>to 1 kg</td><td>700</td></tr>"
        "</table>"
    )
    spanned = tuple(
        f"Country: {country} | Weight: {weight} | Fee: {fee}"
        for country, weight, fee in (
            ("Japan", "to 1 kg", "900"),
            ("Japan", "to 5 kg", "1,800"),
            ("Norway", "to 1 kg", "700"),
        )
    )
    company = (
        ("会社名", "株式会社ラークベック"),
        ("所在地", "札幌市北区"),
        ("設立", "2009年4月"),
        ("代表者", "田中 一郎"),
    )
    labels = "<table>" + "".join(f"<tr><th>{a}</th><td>{b}</td></tr>" for a, b in company) + "</table>"
    side = (
        "<div style='display:flex;gap:14mm'><div style='flex:1'>" + f"<p>{_PROSE}</p>" * 2 + "</div><div>"
        + spans + "</div></div>"
    )  # fmt: skip
    corner = _table(
        ["", "Leeds", "Sapporo"], [["Parcels", "1,390", "911"], ["Vans", "41", "22"], ["Staff", "88", "40"]]
    )
    cornered = tuple(
        _named(["", "Leeds", "Sapporo"], [["Parcels", "1,390", "911"], ["Vans", "41", "22"], ["Staff", "88", "40"]])
    )
    turned = _page(_table(*_fees(random.Random(3), 8)), _STYLES["ruled"] + "@page{size:A4 landscape}")
    return [
        Sample("two-levels", _page(f"<p>{_PROSE}</p>{two_levels}", ruled), levels),
        Sample("row-spans", _page(f"<p>{_PROSE}</p>{spans}", ruled), spanned),
        Sample("labels", _page(f"<p>{_PROSE}</p>{labels}", ruled), tuple(f"{a} | {b}" for a, b in company)),
        Sample("beside-text", _page(side, ruled), spanned),
        Sample("corner", _page(corner, ruled), cornered),
        Sample("landscape", turned, tuple(_named(*_fees(random.Random(3), 8)))),
    ]


def _without() -> list[Sample]:
    """No line of these is a row."""
    columns = (
        f"<h1>Terms</h1><div style='columns:2;column-gap:8mm;column-rule:1px solid #000'>{f'<p>{_PROSE}</p>' * 9}</div>"
    )
    ruled_columns = f"<hr><div style='columns:2;column-gap:8mm'>{f'<p>{_PROSE}</p>' * 6}</div><hr><p>{_PROSE}</p><hr>"
    box = f"<div style='border:1px solid #000;padding:4mm'><p>{_PROSE}</p></div>" * 3
    cards = (
        "<div style='display:grid;grid-template-columns:1fr 1fr;gap:0'>"
        + f"<div style='border:1px solid #000;padding:3mm'><b>Offer</b><p>{_PROSE * 2}</p></div>" * 4 + "</div>"
    )  # fmt: skip
    lines = "".join(
        f"<line x1=40 x2=380 y1={y} y2={y} stroke='#ccc'/><text x=8 y={y + 4}>{250 - y}</text>"
        for y in range(20, 241, 40)
    )
    posts = "".join(
        f"<line x1={x} x2={x} y1=20 y2=220 stroke='#ccc'/><text x={x} y=238>{x}</text>" for x in range(40, 381, 68)
    )
    bars = "".join(f"<rect x={x} y={220 - x // 3} width=30 height={x // 3} fill='#47a'/>" for x in range(50, 380, 50))
    chart = f"<svg width=400 height=260 font-size=9>{lines}{posts}{bars}</svg><p>{_PROSE}</p>"
    form = "".join(
        f"<p>{label}: <input style='border:1px solid #000;width:60mm'></p>"
        for label in ("Name", "Street", "Town", "Date")
    )
    links = f"<p style='text-decoration:underline'>{_PROSE}</p>" * 3
    prose = f"<h1>Terms</h1>{f'<p>{_PROSE}</p>' * 30}"
    pages = {"columns": columns, "ruled-columns": ruled_columns, "boxes": box, "cards": cards, "chart": chart,
             "form": form, "underlined": links, "prose": prose}  # fmt: skip
    return [Sample(f"no-table-{name}", _page(body), ()) for name, body in pages.items()]


PAGES = [*_styled(), *_long(), *_shaped(), *_without()]

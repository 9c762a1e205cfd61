"""The one number or date in a quote, in English and Japanese; and the many quotes that hold none for certain."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.quantities import parse_value, parse_value_at

D = Decimal
APRIL = date(2026, 4, 1)


@pytest.mark.parametrize(
    ("quote", "number"),
    [
        ("£1,250.50", "1250.50"),
        ("45 working days", "45"),
        ("12 %", "12"),
        ("0.5%", "0.5"),
        ("the limit for a hotel is 165 pounds a night.", "165"),
        ("Receipts within 30 days.", "30"),
        ("It weighs 12kg.", "12"),
        ("45 m2", "45"),
        ("US$1,000,000", "1000000"),
        ("£5 million", "5000000"),
        ("2.5 million yen", "2500000"),
        ("-5 °C", "-5"),
        ("−5 °C", "-5"),
        ("-£5", "-5"),
        ("£-5", "-5"),
        ("minus 5 degrees", "-5"),
        ("- 45 days", "45"),
        ("Fee:500", "500"),
        ("eight weeks", "8"),
        ("Forty-five working days", "45"),
        ("two hundred and ten", "210"),
        ("one hundred twenty-three thousand four hundred and five", "123405"),
        ("in 1998", "1998"),
        ("3万5千円", "35000"),
        ("3万5,000円", "35000"),
        ("3.5万円", "35000"),
        ("1億2,000万円", "120000000"),
        ("3千5百万円", "35000000"),
        ("月額2000円を支給する", "2000"),
        ("１２％", "12"),
        ("４５　営業日", "45"),
        ("￥１，２５０", "1250"),
        ("週に3日までとする", "3"),
        ("3か月以内", "3"),
        ("2時間", "2"),
        ("6月間", "6"),
        ("△1,250", "-1250"),
        ("▲3万円", "-30000"),
        ("マイナス3度", "-3"),
        ("三十日", "30"),
        ("百二十円", "120"),
        ("二〇二六年", "2026"),
        ("2026年", "2026"),
        ("7日（金）", "7"),
    ],
)
def test_a_number_is_read(quote: str, number: str) -> None:
    assert parse_value(quote) == D(number)


@pytest.mark.parametrize(
    "quote",
    [
        "2026年4月1日",
        "２０２６年４月１日（水）から",
        "令和8年4月1日",
        "from 1 April 2026",
        "1st of April 2026.",
        "April 1, 2026",
        "Apr. 1st 2026",
        "2026-04-01",
        "2026/4/1",
        "2026.4.1",
    ],
)
def test_a_date_is_read(quote: str) -> None:
    assert parse_value(quote) == APRIL


def test_the_first_year_of_an_era_has_a_name() -> None:
    assert parse_value("令和元年5月1日") == date(2019, 5, 1)


@pytest.mark.parametrize(
    "quote",
    [
        "",
        "no number here",
        "十分な休暇",
        "一般の社員",
        "五十嵐さん",
        "数千円",
        "10-20 days",
        "10–20 days",
        "10 to 20",
        "10～20日",
        "1/2",
        "2½ days",
        "½ day",
        "③",
        "٣ days and 5 nights",
        "half of 45 days",
        "one of 5 people",
        "two three",
        "hundred",
        "17:00",
        "17時",
        "17時30分",
        "9 a.m.",
        "5 pm",
        "April 2026",
        "1 April",
        "4月1日",
        "12月",
        "2026年4月",
        "04/05/2026",
        "2026年2月30日",
        "31 February 2026",
        "1 April 2026 at 5 pm",
        "1 April 2026 to 2 April 2026",
        "2026年4月1日から30日",
        "G40",
        "the Curlew G40 weighs 12 kg",
        "COVID-19",
        "v2.0",
        "5.0.1",
        "192.168.0.1",
        "1e5",
        "5th",
        "No.5",
        "#5",
        "USD5",
        "5k",
        "$10m",
        "1,2",
        "12,34",
        "1,250,5",
        "1.250,50",
        "1,50,000",
        "(1,250)",
        "±5",
        "3割",
        "3万50000円",
        "3百5千円",
        "万3円",
        "limit - 45 days",
        "9" * 19,
        "45 days " + "x" * 300,
    ],
)
def test_what_is_not_certain_is_not_read(quote: str) -> None:
    assert parse_value(quote) is None


FULL_WIDTH = str.maketrans("0123456789,.%-", "０１２３４５６７８９，．％－")
AFTER = st.sampled_from(["", " days", "円", " pounds a night.", "%", "kg", "人以上", "、"])
BEFORE = st.sampled_from(["", "£", "about ", "上限は", "The fee is $", "("])


@given(st.integers(0, 10**12), st.integers(0, 99), st.booleans(), st.booleans(), BEFORE, AFTER)
def test_figures_are_read_in_any_dress(
    whole: int, cents: int, grouped: bool, wide: bool, before: str, after: str
) -> None:
    figures = f"{whole:,}" if grouped else str(whole)
    if cents:
        figures += f".{cents:02}"
    quote = f"{before}{figures.translate(FULL_WIDTH) if wide else figures}{after}"
    assert parse_value(quote) == D(whole) + D(cents) / 100


@given(st.integers(1, 10**12 - 1), st.booleans())
def test_japanese_units_are_read(number: int, thousands: bool) -> None:
    text = ""
    for unit, name in ((10**8, "億"), (10**4, "万"), (1, "")):
        part = number // unit % 10**4
        if not part:
            continue
        if thousands and part >= 1000:
            text += f"{part // 1000}千" + (str(part % 1000) if part % 1000 else "") + name
        else:
            text += f"{part}{name}"
    assert parse_value(f"約{text}円") == number


def _kanji(number: int) -> str:
    text = ""
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        part = number // unit % 10
        if part:
            text += ("" if part == 1 and name else "〇一二三四五六七八九"[part]) + name
    return text


@given(st.integers(1, 9999))
def test_kanji_numbers_are_read(number: int) -> None:
    assert parse_value(f"上限は{_kanji(number)}円") == number


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(0, 5), st.booleans())
def test_dates_are_read_in_every_form(day: date, form: int, wide: bool) -> None:
    months = "January February March April May June July August September October November December".split()
    month = months[day.month - 1]
    quote = (
        f"{day.year}年{day.month}月{day.day}日",
        day.isoformat(),
        f"{day.year}/{day.month}/{day.day}",
        f"{day.day} {month} {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{day.day} {month[:3]} {day.year}",
    )[form]
    assert parse_value(quote.translate(FULL_WIDTH) if wide and form == 0 else quote) == day


@given(
    st.integers(0, 999_999), st.integers(0, 999_999), st.sampled_from([" and ", "円と", " to ", "-", "、", " / ", ":"])
)
def test_two_numbers_are_none(a: int, b: int, between: str) -> None:
    assert parse_value(f"{a}{between}{b}") is None


@given(st.text(max_size=60) | st.text(alphabet="0123456789.,-/年月日万千百十時円£$% AprilMay（）½", max_size=30))
def test_no_quote_raises(quote: str) -> None:
    value = parse_value(quote)
    assert value is None or isinstance(value, date) or value.is_finite()


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("旅費は3万5千円まで", "5千円"),
        ("旅費は3万5千円まで", "3万"),
        ("at -5 degrees", "5"),
        ("£2.5 million a year", "£2.5"),
        ("165 pounds", "65"),
        ("165.50 pounds", "165"),
        ("10-20 days", "20 days"),
        ("forty-five days", "five days"),
        ("two hundred and ten", "ten"),
        ("two hundred and ten", "two hundred"),
        ("21 April 2026", "1 April 2026"),
        ("1 April 2026", "1"),
        ("1 April 2026", "2026"),
        ("2026年4月15日", "2026年4月1"),
        ("2026年4月15日", "15日"),
        ("2026年4月15日", "2026年"),
        ("1,250", "250"),
        ("1,250", "1"),
        ("17:30", "30"),
        ("9 a.m.", "9"),
        ("17時", "17"),
        ("minus 5", "5"),
        ("3割", "3"),
        ("5th day", "5"),
        ("G40", "40"),
        ("4月", "4"),
    ],
)
def test_a_quote_that_cuts_a_number_or_date_has_no_value(text: str, quote: str) -> None:
    start = text.find(quote)
    assert parse_value_at(text, start, start + len(quote)) is None


@pytest.mark.parametrize(
    ("text", "quote", "number"),
    [
        ("旅費は3万5千円まで", "3万5千円", "35000"),
        ("at -5 degrees", "-5 degrees", "-5"),
        ("£2.5 million a year", "£2.5 million", "2500000"),
        ("pay 165 pounds, 3 nights", "165 pounds", "165"),
        ("pay 165 pounds, 3 nights", "3 nights", "3"),
        ("30 days.", "30 days", "30"),
        ("月額2000円を支給", "2000円", "2000"),
        ("統一2000円", "2000円", "2000"),
        ("Fee: 1,250.", "1,250", "1250"),
        ("6 weeks and 30 days", "30 days", "30"),
        ("12%", "12", "12"),
        ("12kg of it", "12", "12"),
    ],
)
def test_a_quote_with_the_whole_number_has_its_value(text: str, quote: str, number: str) -> None:
    start = text.find(quote)
    assert parse_value_at(text, start, start + len(quote)) == D(number)


@given(st.integers(10, 10**9), st.data())
def test_no_part_of_a_figure_has_a_value(number: int, data: st.DataObject) -> None:
    text = f"計{number:,}円"
    start = data.draw(st.integers(1, len(text) - 2))
    end = data.draw(st.integers(start + 1, len(text) - 1))
    value = parse_value_at(text, start, end)
    assert value == number if (start, end) == (1, len(text) - 1) else value is None


@given(st.text(alphabet="0123456789.,-/年月日万千百十時円£$% April May（）½minus", max_size=40), st.data())
def test_no_span_raises(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    parse_value_at(text, start, data.draw(st.integers(start, len(text))))

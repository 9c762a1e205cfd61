"""E-mail: fields, the plain text of several versions, forwarded messages, names of attachments."""

from email.message import EmailMessage

import pytest

from indexer.errors import UnreadableDocument
from indexer.readers import read_document


def message(
    text: str = "The limit is 165 pounds.", subject: str = "Hotel limits", charset: str = "utf-8"
) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = subject
    mail["From"] = "Ann <ann@example.com>"
    mail["Date"] = "Fri, 20 Nov 2026 09:00:00 +0900"
    mail.set_content(text, charset=charset)
    return mail


def read(mail: EmailMessage) -> str:
    return read_document("a.eml", mail.as_bytes()).text


def test_fields_and_text_are_read_and_the_subject_is_the_title() -> None:
    document = read_document("a.eml", message().as_bytes())
    assert document.text == (
        "Hotel limits\n\nFrom: Ann <ann@example.com>\nDate: Fri, 20 Nov 2026 09:00:00 +0900\n\nThe limit is 165 pounds."
    )
    assert document.title == "Hotel limits"


@pytest.mark.parametrize("charset", ["utf-8", "iso-2022-jp", "shift_jis", "euc-jp"])
def test_japanese_is_read_in_every_encoding(charset: str) -> None:
    text = read(message("通信費は月額2000円です。", "通信費の件", charset))
    assert "通信費の件\n" in text
    assert text.endswith("通信費は月額2000円です。")


def test_a_wrong_charset_is_seen_through() -> None:
    data = message("通信費は月額2000円です。", charset="utf-8").as_bytes().replace(b'"utf-8"', b'"us-ascii"')
    assert "通信費は月額2000円です。" in read_document("a.eml", data).text
    assert "通信費" in read_document("a.eml", data.replace(b"us-ascii", b"no-such-charset")).text


def test_of_two_versions_the_plain_one_is_read() -> None:
    mail = message("Plain words.")
    mail.add_alternative("<p>HTML words.</p>", subtype="html")
    assert "Plain words." in read(mail)
    assert "HTML" not in read(mail)


def test_html_alone_is_read_without_its_markup() -> None:
    mail = EmailMessage()
    mail["Subject"] = "S"
    mail.set_content("<nav>Menu</nav><p>Only <b>HTML</b>.</p>", subtype="html")
    assert read(mail) == "S\n\nOnly HTML."


def test_attachments_are_named_and_not_opened() -> None:
    mail = message()
    mail.add_attachment(b"secret words", maintype="text", subtype="plain", filename="規程.txt")
    text = read(mail)
    assert text.endswith("Attachments: 規程.txt")
    assert "secret" not in text


def test_a_forwarded_message_is_read() -> None:
    outer, inner = message("See below."), message("The limit is 90 pounds.", "Old limits")
    outer.add_attachment(inner)
    text = read(outer)
    assert "See below." in text
    assert "Old limits" in text
    assert text.endswith("The limit is 90 pounds.")


def test_a_mail_saved_as_utf_16_is_read() -> None:
    data = message().as_bytes().decode().encode("utf-16")
    assert "165 pounds" in read_document("a.eml", data).text


def test_what_has_no_header_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="no header field"):
        read_document("a.eml", b"\njust words\n")


def test_a_mail_of_too_many_parts_is_refused() -> None:
    part = b"--b\nContent-Type: text/plain\n\nx\n"
    data = b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n" + part * 1500 + b"--b--\n"
    with pytest.raises(UnreadableDocument, match="more than 1000 parts"):
        read_document("a.eml", data)

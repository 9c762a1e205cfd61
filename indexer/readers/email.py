"""E-mail: the fields that people read, the text, and the names of attachments. Attachments are not opened."""

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers.builder import TextBuilder
from indexer.readers.html import add_page
from indexer.readers.plain import decode

_FIELDS = ("From", "To", "Cc", "Date")
_MAX_PARTS = 1000


def read_email(data: bytes) -> ExtractedDocument:
    """A .eml file. The plain version of the text goes before the HTML one; forwarded messages are read too."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        data = decode(data).encode()
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    if not message.keys():
        raise UnreadableDocument("not an e-mail: it begins with no header field")
    builder = TextBuilder()
    _add_message(builder, message)
    return builder.build(title=_field(message, "Subject") or None, media_type="message/rfc822")


def _add_message(builder: TextBuilder, message: EmailMessage) -> None:
    builder.heading(1, _field(message, "Subject"))
    for i, name in enumerate(_FIELDS):
        value = _field(message, name)
        if value:
            builder.block(f"{name}: {value}", tight=i > 0)
    attachments = []
    for part in _parts(message):
        if part.get_content_type() == "message/rfc822" and part.is_multipart():
            inner = part.get_payload(0)
            if isinstance(inner, EmailMessage):
                _add_message(builder, inner)
        elif part.get_filename() or part.get_content_disposition() == "attachment":
            attachments.append(str(part.get_filename() or "unnamed"))
        elif part.get_content_type() == "text/html":
            add_page(builder, _bytes(part), _charset(part))
        elif part.get_content_maintype() == "text":
            _add_text(builder, _decoded(part))
    if attachments:
        builder.block("Attachments: " + ", ".join(attachments))


def _parts(message: EmailMessage) -> Iterator[EmailMessage]:
    """Leaves in order; of alternatives the plain text, else the last, which is the richest."""
    stack: list[object] = [message]
    count = 0
    while stack:
        part = stack.pop()
        count += 1
        if count > _MAX_PARTS:
            raise UnreadableDocument(f"an e-mail of more than {_MAX_PARTS} parts")
        if not isinstance(part, EmailMessage):
            continue
        if part.get_content_type() == "message/rfc822" or not part.is_multipart():
            yield part
        elif part.get_content_type() == "multipart/alternative":
            choices = [choice for choice in part.iter_parts() if isinstance(choice, EmailMessage)]
            plain = [p for p in choices if p.get_content_type() == "text/plain" and _decoded(p).strip()]
            stack.extend(plain[:1] or choices[-1:])
        else:
            stack.extend(reversed(list(part.iter_parts())))


def _add_text(builder: TextBuilder, text: str) -> None:
    """Empty lines part paragraphs; lines inside one are kept apart where they are short, as in a signature."""
    for paragraph in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in paragraph.split("\n") if line.strip()]
        if lines and max(map(len, lines)) < 60:
            for i, line in enumerate(lines):
                builder.block(line, tight=i > 0)
        else:
            builder.block("\n".join(lines))


def _field(message: EmailMessage, name: str) -> str:
    """A field as text; the parser of the standard library trips over some damaged ones."""
    try:
        return str(message.get(name, "")).strip()
    except (ValueError, IndexError, AttributeError, TypeError, LookupError):
        raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
        return str(raw).strip()


def _bytes(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _charset(part: EmailMessage) -> str | None:
    charset = part.get_content_charset()
    return None if charset in (None, "us-ascii") else charset


def _decoded(part: EmailMessage) -> str:
    data, charset = _bytes(part), _charset(part)
    if charset:
        try:
            return data.decode(charset)
        except (LookupError, UnicodeError):
            pass  # a wrong declaration is common; the bytes decide
    return decode(data) if data else ""

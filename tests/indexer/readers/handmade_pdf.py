"""The smallest PDF files that say what a test needs: Helvetica lines at known places."""

from collections.abc import Sequence

FIRST_FREE_OBJECT = 5


def text_at(*lines: str, left: float = 20, top: float = 350, size: float = 12, leading: float = 14) -> bytes:
    """A content stream with one line below the other; `top` is the first baseline."""
    shown = " T* ".join("({}) Tj".format(line.replace("(", r"\(").replace(")", r"\)")) for line in lines)
    return f"BT /F1 {size} Tf {left} {top} Td {leading} TL {shown} ET".encode("cp1252")


def make_pdf(
    pages: Sequence[bytes],
    *,
    title: bytes = b"(A title)",
    page_entries: bytes = b"",
    trailer_entries: bytes = b"",
    size: tuple[int, int] = (200, 400),
    more_objects: Sequence[bytes] = (),
) -> bytes:
    """A file with one page for each content stream. `more_objects` get the numbers after those of the pages."""
    numbers = [FIRST_FREE_OBJECT + 2 * i for i in range(len(pages))]
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d/MediaBox[0 0 %d %d]>>" % (kids, len(pages), *size),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Title %s>>" % title,
    ]
    for number, stream in zip(numbers, pages, strict=True):
        resources = b"" if b"/Resources" in page_entries else b"/Resources<</Font<</F1 3 0 R>>>>"
        objects.append(b"<</Type/Page/Parent 2 0 R%s/Contents %d 0 R%s>>" % (resources, number + 1, page_entries))
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream))
    objects.extend(more_objects)
    data = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        data += b"%010d 00000 n \n" % offset
    data += b"trailer<</Size %d/Root 1 0 R/Info 4 0 R%s>>\n" % (len(objects) + 1, trailer_entries)
    data += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(data)


def vertical_pdf(*columns: str, size: float = 16, leading: float = 26) -> bytes:
    """Japanese from top to bottom, columns from right to left, in a font that the machine has to have."""
    shown = "".join(
        f"BT /F2 {size} Tf 1 0 0 1 {360 - leading * i} 380 Tm <{column.encode('utf-16-be').hex()}> Tj ET "
        for i, column in enumerate(columns)
    )
    number = FIRST_FREE_OBJECT + 2
    font = b"<</Type/Font/Subtype/Type0/BaseFont/Ryumin-Light/Encoding/UniJIS-UTF16-V/DescendantFonts[%d 0 R]>>"
    descendant = (
        b"<</Type/Font/Subtype/CIDFontType0/BaseFont/Ryumin-Light/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)"
        b"/Supplement 6>>/FontDescriptor %d 0 R>>" % (number + 2)
    )
    descriptor = (
        b"<</Type/FontDescriptor/FontName/Ryumin-Light/Flags 6/FontBBox[0 -200 1000 900]/ItalicAngle 0/Ascent 800"
        b"/Descent -200/CapHeight 700/StemV 80>>"
    )
    return make_pdf(
        [shown.encode("ascii")],
        title=b"()",
        size=(400, 400),
        page_entries=b"/Resources<</Font<</F2 %d 0 R>>>>" % number,
        more_objects=[font % (number + 1), descendant, descriptor],
    )


def encrypted_pdf(handler: bytes) -> bytes:
    """A file that needs a password: its hashes fit none, the empty one included."""
    hashes = b"/O<%s>/U<%s>" % (b"11" * 32, b"22" * 32)
    return make_pdf(
        [text_at("Secret")],
        trailer_entries=b"/Encrypt %d 0 R/ID[<00><00>]" % (FIRST_FREE_OBJECT + 2),
        more_objects=[b"<</Filter/%s/V 1/R 2%s/P -4>>" % (handler, hashes)],
    )

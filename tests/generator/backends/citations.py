"""What a correct answer looks like, said a second time and otherwise: by characters and a regular expression."""

import re
from collections.abc import Mapping

_BRACKET = re.compile(r'\[(\d+)(?: "([^"\n\r]+)")?\]')


def brackets(text: str, sources: Mapping[int, str]) -> list[tuple[int, str | None]]:
    """All citations of a text. Fails where a bracket is not one, or cites what is not there."""
    found: list[tuple[int, str | None]] = []
    at = text.find("[")
    while at >= 0:
        match = _BRACKET.match(text, at)
        assert match is not None, f"no citation at {at}: {text[at : at + 60]!r} in {text!r}"
        source, quote = int(match.group(1)), match.group(2)
        assert str(source) == match.group(1)
        assert source in sources, f"[{source}] does not exist"
        if quote is not None:
            assert quote in sources[source], f"{quote!r} is not in source {source}"
            assert quote[0] not in " \t", "a quote begins with a word"
        found.append((source, quote))
        at = text.find("[", match.end())
    return found

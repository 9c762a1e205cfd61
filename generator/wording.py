"""Whether a text of the model says anything of its own. For what is shown beside the claims and cites no source."""

import re

from generator.gate import clean_claim
from indexer.analysis import question_terms, terms

_PARTICLES = re.compile(r"[\u3041-\u309f]*")
# What a sum may be called, though nobody has said it. As stems; Japanese as bigrams.
NEUTRAL = frozenset(terms("total sum difference ratio average share percentage 合計 総額 差額 比率 平均 割合"))


def in_words_of(text: str, *known: str) -> str:
    """The text if each of its words of meaning stands in one of the known texts, else "". Without any markup."""
    clean = clean_claim(text)
    given = {term for part in known for term in terms(part)}
    own = [term for term in question_terms(clean) if not _PARTICLES.fullmatch(term)]
    return clean if own and all(term in given or term in NEUTRAL for term in own) else ""

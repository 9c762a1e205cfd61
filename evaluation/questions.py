"""Questions with known answers: one JSON object a line, as examples/README.md describes."""

import json
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigurationProblem


@dataclass(frozen=True, slots=True)
class Question:
    """`document` and `evidence` (the sentence that answers) are None for a question without an answer."""

    id: str
    text: str
    document: str | None
    evidence: str | None


def read_questions(file: Path) -> list[Question]:
    """The questions of a file. Raises ConfigurationProblem naming the line that is wrong."""
    questions = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationProblem(f"cannot read {file}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            answerable = fields["answerable"]
            document, evidence = (fields["document"], fields["evidence"]) if answerable else (None, None)
            questions.append(Question(str(fields["id"]), fields["question"], document, evidence))
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationProblem(f"{file}, line {number} is not a question: {error!r}") from error
    return questions

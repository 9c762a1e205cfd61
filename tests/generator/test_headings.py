"""Through the real reader, chunker and search: a heading is never evidence, however the passage was joined."""

from pathlib import Path

import pytest

from app.database import database_url, open_database
from generator.evidence import sentences_of
from indexer.document import Heading
from indexer.ingest import IngestSettings, Store, ingest
from indexer.readers import read_document
from retriever.search import Retriever
from tests.fakes import HashEmbedder

DOCUMENTS = {
    "neighbours.md": "# Leave policy\n\n## Parental leave\n\nEach parent gets 45 days of leave.\n\n"
    "## Sick leave\n\nSick leave is paid for 20 days of leave.\n",
    "numbered.md": "# Rules\n\n## 2. Overtime pay\n\nOvertime is paid from the second hour.\n",
    "question.md": "# Advice\n\n## Who may apply? Everyone with a contract.\n\nSend the form to the desk.\n",
    "stacked.md": "# Travel\n\n## Hotels and flights\n\n## Booking rooms\n\nRooms are booked by the travel desk.\n",
    "japanese.md": "# 就業規則\n\n## 第1条 目的。総則\n\n賃金は当月25日に払う。\n\n## 第2条 休暇\n\n休暇は20日。\n",
    "page.html": "<title>Security</title><h1>Security</h1><h2>3. Passwords</h2><p>A password has 14 characters.</p>"
    "<h2>4. Devices</h2><p>Report a lost device with its password within two hours.</p>",
}
QUESTIONS = {
    "neighbours.md": "How many days of sick leave and parental leave?",
    "numbered.md": "overtime pay",
    "question.md": "Who may apply, everyone with a contract?",
    "stacked.md": "hotels and flights, booking rooms",
    "japanese.md": "第1条の目的と第2条の休暇",
    "page.html": "passwords and devices",
}


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Retriever:
    root = tmp_path_factory.mktemp("headings")
    folder, home = root / "documents", root / "home"
    folder.mkdir()
    for name, content in DOCUMENTS.items():
        (folder / name).write_text(content, encoding="utf-8")
    store = Store(open_database(database_url(None, home)), home)
    ingest(store, HashEmbedder(), "default", [folder], IngestSettings())
    return Retriever(store, HashEmbedder())


def overlap(start: int, end: int, heading: Heading) -> bool:
    return start < heading.end and heading.start < end


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_part_of_a_heading_is_evidence(retriever: Retriever, name: str) -> None:
    headings = read_document(Path(name).name, DOCUMENTS[name].encode()).headings
    assert headings
    retrieval = retriever.retrieve(QUESTIONS[name], "default", path_glob=name)
    sentences = sentences_of(retrieval.passages)
    assert sentences
    cited = [s.text for s in sentences if any(overlap(s.start, s.end, heading) for heading in headings)]
    assert cited == []

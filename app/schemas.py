"""The JSON that crosses HTTP and `--json`: pydantic models, and how they are made from the rooms' own types."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from generator.answer import Answer, Citation, Claim
from indexer.identity import format_id
from retriever.passages import Passage


class TurnModel(BaseModel):
    """An earlier question of the conversation. It helps to understand the next one, and is never evidence."""

    model_config = ConfigDict(extra="forbid")

    question: str


class AskRequest(BaseModel):
    """A question to a collection."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[str, Field(description="At most 4,000 characters, in any language.")]
    collection: Annotated[str | None, Field(description="May be left out when there is only one.")] = None
    path: Annotated[
        str | None, Field(max_length=1000, description="Glob that limits the documents, such as `hr/*.md`.")
    ] = None
    history: Annotated[list[TurnModel], Field(max_length=50, description="Earlier questions, oldest first.")] = []


class CitationModel(BaseModel):
    """`quote` is the document's extracted text at [start, end), in Unicode code points."""

    n: int
    document_id: str
    path: str
    paths: Annotated[list[str], Field(description="Every file that held this text then; `path` is the first.")] = []
    title: str | None
    page: int | None
    start: int
    end: int
    quote: str
    content_sha256: str


class ClaimModel(BaseModel):
    """One sentence of the answer, and the numbers of the citations that it rests on."""

    text: str
    support: float
    citations: list[int]


class PassageModel(BaseModel):
    """A retrieved passage with its component scores: cosine and BM25, null where that index did not find it."""

    chunk_id: str
    document_id: str
    path: str
    title: str | None
    page: int | None
    start: int
    end: int
    score: float
    dense: float | None
    lexical: float | None
    text: str


class AnswerModel(BaseModel):
    """An answer. Every sentence in it is a claim with citations; `abstained` says why there is none."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    id: str
    status: Literal["answered", "partial", "abstained"]
    reason: Literal["nothing_found", "found_but_not_supporting", "sources_conflict", "question_not_understood"] | None
    question: str
    answer: Annotated[str, Field(description="The claims with [n] markers.")]
    short_answer: str | None
    confidence: Annotated[float | None, Field(description="Calibrated probability that the answer is right, or null.")]
    claims: list[ClaimModel]
    citations: list[CitationModel]
    passages: list[PassageModel]
    timings_ms: dict[str, float]
    rewritten_question: Annotated[str | None, Field(description="The follow-up question as it was understood.")] = None
    unanswered: Annotated[list[str], Field(description="Parts of the question that no source answers.")] = []
    calculations: Annotated[list["CalculationModel"], Field(description="Arithmetic on cited values.")] = []
    dropped: Annotated[int, Field(description="Drafted sentences that were withheld: no source supports them.")] = 0
    notice: Annotated[str | None, Field(description="What to know about how the answer was made.")] = None


class CalculationModel(BaseModel):
    """An expression over cited values, computed by plain code."""

    expression: str
    result: str
    citations: list[int]


class ClaimEvent(ClaimModel):
    """A streamed claim, with the sources it cites."""

    sources: list[CitationModel]


class SegmentModel(BaseModel):
    """A part of a collection's dense index: its family, and how many vectors are in it, deleted ones included."""

    family: str
    vectors: int
    deleted: int


class CollectionModel(BaseModel):
    """A collection and what it holds; `index` is null if its files cannot be read."""

    name: str
    documents: int
    chunks: int
    generation: int
    index: list[SegmentModel] | None
    embedder: str
    engine: Annotated[
        str | None, Field(description="What runs the embedder on the CPU; null where that is not chosen yet.")
    ]
    indexed_at: str | None
    problem: Annotated[str | None, Field(description="What is wrong with its index, and what to run.")]


class CollectionList(BaseModel):
    """All collections, by name."""

    collections: list[CollectionModel]


class DocumentSummary(BaseModel):
    """A file of a collection; `document_id` names its content, and changes when the content does."""

    document_id: str
    path: str
    title: str | None
    media_type: str
    size: int
    content_sha256: str


class DocumentList(BaseModel):
    """A page of documents by path; `next` is the `after` of the next page."""

    documents: list[DocumentSummary]
    next: str | None


class PageModel(BaseModel):
    """A page of a paged document covers [start, end) of its text."""

    number: int
    start: int
    end: int


class DocumentModel(BaseModel):
    """The extracted text of one content. Not `current` means that no file holds it any more."""

    document_id: str
    paths: list[str]
    title: str | None
    media_type: str
    content_sha256: str
    text: str
    pages: list[PageModel] | None
    current: bool


class RecordModel(BaseModel):
    """A recorded answer."""

    id: str
    created_at: str
    collection: str
    record: dict[str, object]


class HealthModel(BaseModel):
    """Health of the process."""

    status: Literal["ok"]


class ReadyModel(BaseModel):
    """Questions can be answered; `degraded` if an older generation has to answer for a damaged one."""

    status: Literal["ok", "degraded"]
    warnings: list[str]


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    retry_after: Annotated[int | None, Field(description="Seconds after which trying again makes sense.")]


def citation_model(citation: Citation) -> CitationModel:
    """The public form of a citation."""
    source = citation.passage.source
    return CitationModel(
        n=citation.n,
        document_id=format_id(source.content_id),
        path=source.path,
        paths=list(source.paths),
        title=source.title,
        page=citation.page,
        start=citation.start,
        end=citation.end,
        quote=citation.quote,
        content_sha256=source.sha256,
    )


def claim_model(claim: Claim) -> ClaimModel:
    """The public form of a claim."""
    return ClaimModel(text=claim.text, support=claim.support, citations=list(claim.citations))


def passage_model(passage: Passage) -> PassageModel:
    """The public form of a passage."""
    return PassageModel(
        chunk_id=format_id(passage.chunk_id),
        document_id=format_id(passage.source.content_id),
        path=passage.source.path,
        title=passage.source.title,
        page=passage.page,
        start=passage.start,
        end=passage.end,
        score=round(passage.score, 4),
        dense=None if passage.dense is None else round(passage.dense, 4),
        lexical=None if passage.lexical is None else round(passage.lexical, 4),
        text=passage.text,
    )


def answer_model(answer_id: str, answer: Answer) -> AnswerModel:
    """The public form of an answer."""
    return AnswerModel(
        id=answer_id,
        status=answer.status.value,
        reason=answer.reason.value if answer.reason else None,
        question=answer.question,
        answer=answer.text,
        short_answer=answer.short_answer,
        confidence=answer.confidence,
        claims=[claim_model(claim) for claim in answer.claims],
        citations=[citation_model(citation) for citation in answer.citations],
        passages=[passage_model(passage) for passage in answer.passages],
        timings_ms={name: round(value, 2) for name, value in answer.timings_ms.items()},
        rewritten_question=answer.rewritten_question,
        unanswered=list(answer.unanswered),
        calculations=[
            CalculationModel(expression=expression, result=result, citations=list(cited))
            for expression, result, cited in answer.calculations
        ],
        dropped=answer.dropped,
        notice=answer.notice,
    )

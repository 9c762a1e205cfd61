"""What can go wrong on the write path. Every message says what is wrong and what to do next."""


class IndexerError(Exception):
    """Base of the errors that a user of the indexer can meet."""


class UnreadableDocument(IndexerError):
    """One file cannot be turned into text. The run reports it and goes on."""


class SourceProblem(IndexerError):
    """A folder named on the command line cannot be indexed as asked. Nothing has been changed."""


class EmbedderProblem(IndexerError):
    """The embedding model cannot be loaded, or is not the one that the index was built with."""


class IndexDamaged(IndexerError):
    """A published generation fails its checksums, is incomplete, or has a format of another version."""


class FilesDamaged(IndexDamaged):
    """Files of a generation are missing, unreadable or not the ones that were published: it is set aside."""


class StorageProblem(IndexerError):
    """The data folder cannot be written: the disk is full, failing, or read-only. The published index is as it was."""


class IndexBusy(IndexerError):
    """Another process is writing to the same data folder."""


class EraseIncomplete(IndexerError):
    """What was forgotten is out of every answer and table, but a file still holds its bytes. Running again goes on."""

from indexer.readers.registry import READERS, read_document, reader_for

__all__ = ["READERS", "read_document", "reader_for"]

"""What can go wrong on the read path. Retrieval failure is an error, never an empty result."""


class UnknownCollection(Exception):
    """There is no collection of that name, or nothing has been published in it."""


class EmbedderMismatch(Exception):
    """The collection was built with another embedding model than the one that is loaded."""

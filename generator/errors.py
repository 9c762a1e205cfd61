"""What can go wrong when an answer is made."""


class InvalidQuestion(Exception):
    """The question cannot be answered as it was sent; the message says what is wrong with it."""

"""Shows text from files that strangers may have made, without harm to a terminal."""


def plain(text: str, longest: int | None = None) -> str:
    """The text as it is, or with escapes where something in it does not print; cut at `longest` characters."""
    is_short = longest is None or len(text) <= longest
    return text if is_short and text.isprintable() else ascii(text[:longest])

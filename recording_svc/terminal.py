"""Shows text that others chose without harm to a terminal, and without what would pass for a line of ours."""


def plain(text: str) -> str:
    r"""The text on one line: whatever does not print (control characters, line ends, half characters) as \x1b, \n …"""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)

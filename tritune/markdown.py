"""Text of unknown origin inside Markdown: nothing in it acts as Markdown or HTML."""


def plain(text: str) -> str:
    """Return one line with every special character escaped."""
    escaped = " ".join(text.split())
    for character in "\\`*_[]<>|#":
        escaped = escaped.replace(character, f"\\{character}" if character != "<" else "&lt;")
    return escaped


def code(text: str) -> str:
    """Return the text as inline code, whatever it holds."""
    line = " ".join(text.split()) or " "
    fence = "`"
    while fence in line:
        fence += "`"
    return f"{fence}{line}{fence}" if len(fence) == 1 else f"{fence} {line} {fence}"

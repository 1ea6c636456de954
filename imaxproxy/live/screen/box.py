"""Lines of exactly one width, and the frame around a panel of them."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from imaxproxy.live.screen import theme


def fitted(text: Text | str, width: int, *, right: bool = False) -> Text:
    """Cut or padded to `width` cells; what is cut ends in an ellipsis."""
    text = Text(text) if isinstance(text, str) else text.copy()
    if width <= 0:
        return Text()
    if text.cell_len > width:
        text.truncate(width, overflow="ellipsis")
    missing = width - text.cell_len
    if right:
        text.pad_left(missing)
    else:
        text.pad_right(missing)
    return text


def joined(parts: Iterable[Text | str]) -> Text:
    """Side by side."""
    line = Text()
    for part in parts:
        line.append(part) if isinstance(part, str) else line.append_text(part)
    return line


def spaced(left: Text, right: Text, width: int) -> Text:
    """One at each end; the right one goes first where both do not fit."""
    if left.cell_len + 1 + right.cell_len > width:
        return fitted(left, width)
    return joined([fitted(left, width - right.cell_len), right])


def stacked(lines: Sequence[Text], width: int, height: int) -> list[Text]:
    """Exactly `height` lines of `width` cells."""
    kept = [fitted(line, width) for line in lines[:height]]
    return kept + [Text(" " * width) for _ in range(height - len(kept))]


def framed(title: Text, note: Text, lines: Sequence[Text], width: int, height: int, style: str) -> list[Text]:
    """A rounded frame, title and note in its upper edge, `lines` inside, `width` by `height` cells in all."""
    edge = Text.assemble(("╭─ ", style))
    edge.append_text(fitted(title, min(title.cell_len, width - 5)))
    edge.append(" ", style=style)
    left = width - edge.cell_len - 1
    if note.cell_len and note.cell_len + 4 <= left:
        edge.append("─" * (left - note.cell_len - 3) + " ", style=style)
        edge.append_text(note)
        edge.append(" ─╮", style=style)
    else:
        edge.append("─" * left + "╮", style=style)
    wall = Text("│", style=style)
    inner = stacked(lines, width - 4, height - 2)
    body = [joined([wall, " ", line, " ", wall]) for line in inner]
    return [edge, *body, Text("╰" + "─" * (width - 2) + "╯", style=style)]


def beside(blocks: Sequence[Sequence[Text]], gap: int = 0) -> list[Text]:
    """Blocks of equal height, side by side."""
    lines = []
    for row in zip(*blocks, strict=True):
        parts: list[Text | str] = []
        for index, part in enumerate(row):
            parts += [" " * gap, part] if index and gap else [part]
        lines.append(joined(parts))
    return lines


def labelled(figure: str, unit: str, style: str = theme.FIGURE) -> Text:
    """A figure and its unit: the figure is what the eye should find."""
    return Text.assemble((figure, style), (f" {unit}", theme.LABEL))

"""Telegram's HTML: text with tags becomes plain text and entities, or is refused as Telegram refuses it.

Source: Telegram Bot API, "HTML style" and "MessageEntity". Entity offsets and lengths
count UTF-16 code units.
"""

import html
import re
from dataclasses import dataclass
from typing import Any

_TYPES = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "blockquote": "blockquote",
}
_LITERAL = {"code", "pre", "text_link"}
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|lt|gt|amp|quot);")
_ATTRIBUTE = re.compile(
    r"""\s*(?P<name>[^\s=>]+)(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s>"']+)))?"""
)
_COMMAND = re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>])")
_URL = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]}'…]")


class CannotParse(ValueError):
    """The text is not Telegram HTML; the message is what Telegram says after "can't parse entities: "."""


@dataclass(frozen=True)
class Formatted:
    """Plain text and the entities that format it, as a Bot API message carries them."""

    text: str
    entities: tuple[dict[str, Any], ...] = ()

    @property
    def length(self) -> int:
        """Length in UTF-16 code units, the unit of Telegram's limits."""
        return utf16_length(self.text)


@dataclass
class _Open:
    tag: str
    kind: str
    start: int
    attributes: dict[str, str]


def utf16_length(text: str) -> int:
    """Count UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def plain(text: str) -> Formatted:
    """Text without a parse mode: only commands and addresses become entities.

    A user's "/buy" carries its bot_command entity this way, which is what makes a bot see a command.
    """
    return _finish(text, [])


def parse_html(source: str) -> Formatted:
    """Read Telegram HTML; an unsupported, unclosed or wrongly closed tag and a broken attribute raise `CannotParse`."""
    out: list[str] = []
    found: list[tuple[int, int, dict[str, Any]]] = []
    stack: list[_Open] = []
    written = at = 0
    while at < len(source):
        char = source[at]
        if char == "<":
            if source.startswith("</", at):
                at = _end_tag(source, at, stack, found, written)
            else:
                at = _start_tag(source, at, stack, written)
            continue
        reference = _REFERENCE.match(source, at) if char == "&" else None
        piece = html.unescape(reference.group()) if reference else char
        out.append(piece)
        written += len(piece)
        at = reference.end() if reference else at + 1
    if stack:
        raise CannotParse(f'Can\'t find end tag corresponding to start tag "{stack[-1].tag}"')
    return _finish("".join(out), found)


def _start_tag(source: str, at: int, stack: list[_Open], written: int) -> int:
    tag = re.split(r"[\s>]", source[at + 1 :], maxsplit=1)[0].lower()
    where = _byte_offset(source, at)
    if tag not in _TYPES:
        raise CannotParse(f'Unsupported start tag "{tag}" at byte offset {where}')
    position = at + 1 + len(tag)
    attributes: dict[str, str] = {}
    while attribute := _ATTRIBUTE.match(source, position):
        value = attribute["double"] or attribute["single"] or attribute["bare"] or ""
        attributes[attribute["name"].lower()] = html.unescape(value)
        position = attribute.end()
    rest = source[position:].lstrip()
    if not rest:
        raise CannotParse(f'Unclosed start tag "{tag}" at byte offset {where}')
    if not rest.startswith(">"):
        raise CannotParse(f'Empty attribute name in the tag "{tag}" at byte offset {where}')
    if tag == "span" and attributes.get("class") != "tg-spoiler":
        raise CannotParse(f'Tag "span" must have class "tg-spoiler" at byte offset {where}')
    kind = _TYPES[tag]
    if kind == "blockquote" and "expandable" in attributes:
        kind = "expandable_blockquote"
    stack.append(_Open(tag, kind, written, attributes))
    return len(source) - len(rest) + 1


def _end_tag(
    source: str, at: int, stack: list[_Open], found: list[tuple[int, int, dict[str, Any]]], written: int
) -> int:
    where = _byte_offset(source, at)
    end = source.find(">", at)
    if end < 0:
        raise CannotParse(f"Unclosed end tag at byte offset {where}")
    if not stack:
        raise CannotParse(f"Unexpected end tag at byte offset {where}")
    name = source[at + 2 : end].strip().lower()
    opened = stack.pop()
    if name not in ("", opened.tag):
        raise CannotParse(f'Unmatched end tag at byte offset {where}, expected "</{opened.tag}>", found "</{name}>"')
    entity: dict[str, Any] = {"type": opened.kind}
    if opened.kind == "text_link":
        url = opened.attributes.get("href", "")
        if not url.startswith(("http://", "https://", "tg://")):
            return end + 1
        entity["url"] = url
    language = opened.attributes.get("class", "")
    if opened.kind == "code" and stack and stack[-1].kind == "pre":
        if language.startswith("language-"):
            stack[-1].attributes["language"] = language.removeprefix("language-")
        return end + 1
    if opened.kind == "pre" and "language" in opened.attributes:
        entity["language"] = opened.attributes["language"]
    found.append((opened.start, written, entity))
    return end + 1


def _finish(text: str, found: list[tuple[int, int, dict[str, Any]]]) -> Formatted:
    """Trim as Telegram trims, add what Telegram finds by itself, and count in UTF-16 units."""
    kept = text.rstrip()
    lead = len(kept) - len(kept.lstrip())
    kept = kept.lstrip()
    spans: list[tuple[int, int, dict[str, Any]]] = []
    for start, end, entity in found:
        first, last = max(start - lead, 0), min(end - lead, len(kept))
        if first < last:
            spans.append((first, last, entity))
    literal = [(first, last) for first, last, entity in spans if entity["type"] in _LITERAL]
    for kind, pattern in (("bot_command", _COMMAND), ("url", _URL)):
        spans.extend(
            (match.start(), match.end(), {"type": kind})
            for match in pattern.finditer(kept)
            if not any(first < match.end() and match.start() < last for first, last in literal)
        )
    spans.sort(key=lambda span: (span[0], -span[1]))
    entities = tuple(
        {"offset": utf16_length(kept[:first]), "length": utf16_length(kept[first:last]), **entity}
        for first, last, entity in spans
    )
    return Formatted(kept, entities)


def _byte_offset(source: str, at: int) -> int:
    return len(source[:at].encode())

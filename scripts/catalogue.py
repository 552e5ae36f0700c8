"""Brings the Korean catalogue up to date with the sentences in the code, and compiles it.

python scripts/catalogue.py      # new sentences are listed and have no translation yet; unused ones are dropped

Needs Babel, which is in the group `dev`; the running bot reads the compiled file with the standard library alone.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = ROOT / "bot" / "chat"
PO = CODE / "i18n" / "locales" / "ko" / "LC_MESSAGES" / "kisbot.po"
MO = PO.with_suffix(".mo")

Key = tuple[str, str]
"""Context ("" for none) and message id."""


def collected() -> dict[Key, list[tuple[str, int]]]:
    """Every message id of the code, with the files and lines that hold it."""
    found: dict[Key, list[tuple[str, int]]] = {}
    for path in sorted(CODE.rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for key, line in _keys(node, place):
                found.setdefault(key, []).append((place, line))
    return found


def _keys(node: ast.AST, place: str) -> Iterator[tuple[Key, int]]:
    texts: list[ast.expr] = []
    context = ""
    match node:
        case ast.Call(func=ast.Attribute(attr="text") | ast.Name(id="msgid" | "translate")):
            texts = node.args[1:2] if isinstance(node.func, ast.Name) and node.func.id == "translate" else node.args[:1]
            contexts = [
                one.value.value for one in node.keywords if one.arg == "context" and isinstance(one.value, ast.Constant)
            ]
            context = str(contexts[0]) if contexts else ""
        case ast.AnnAssign(annotation=ast.Subscript(value=ast.Name(id="MessageIds")), value=ast.Dict(values=texts)):
            pass
    for text in texts:
        for one in (text.body, text.orelse) if isinstance(text, ast.IfExp) else (text,):
            if isinstance(one, ast.JoinedStr):
                raise TypeError(f"{place}:{one.lineno}: a message id cannot be an f-string")
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield (context, one.value), one.lineno


def main() -> None:
    """Write both files."""
    from babel.messages.catalog import Catalog  # noqa: PLC0415  # the rest of this module works without it
    from babel.messages.mofile import write_mo  # noqa: PLC0415
    from babel.messages.pofile import read_po, write_po  # noqa: PLC0415

    with PO.open("rb") as file:
        catalogue = read_po(file, locale="ko", domain="kisbot")
    code = Catalog(creation_date=catalogue.creation_date, header_comment=catalogue.header_comment)
    for (context, msgid), places in collected().items():
        code.add(msgid, context=context or None, locations=places)
    catalogue.update(code, no_fuzzy_matching=True, update_header_comment=False, update_creation_date=False)
    for message in catalogue:
        if message.id and not message.string:
            sys.stderr.write(f"not translated: {message.id}\n")
    with PO.open("wb") as file:
        write_po(file, catalogue, width=120, sort_by_file=True, ignore_obsolete=True, include_lineno=False)
    with MO.open("wb") as file:
        write_mo(file, catalogue)


if __name__ == "__main__":
    main()

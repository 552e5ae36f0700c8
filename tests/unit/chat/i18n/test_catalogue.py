"""The catalogue of sentences: complete, compiled, with the placeholders of the code; and no Korean text in the code."""

import ast
import re
import struct
from collections import Counter

import pytest

from bot.chat.i18n.catalogue import DOMAIN, LOCALES, SEPARATOR, msgid, translate
from bot.chat.i18n.formatting import Markup, safe
from scripts.catalogue import CODE, MO, PO, collected

HANGUL = re.compile("[가-힣]")
TYPED = {
    "handlers/charts.py": {"WORDS"},
    "handlers/commands.py": {"COMMANDS"},  # names typed after a slash, and examples of what is typed
    "handlers/control.py": {"_WORDS", "매수", "매수중지"},
    "handlers/limits.py": {"_ACCOUNT_WORDS", "_BACK"},
    "handlers/people.py": {"_ROLE_WORDS", "_ACT_WORDS"},
    "handlers/preferences.py": {"_TOPIC_WORDS", "_RING_WORDS", "_LANG_WORDS", "언어", "모음", "조용", "조용시간"},
    "handlers/reports.py": {"WEEK", "MONTH"},
    "handlers/second_factor.py": {"_PIN_TYPED"},
    "handlers/trading.py": {"EVERYTHING"},
    "handlers/watchlist.py": {"CLEARING", "/watch 삭제 "},
    "keyboards.py": {" 전량", " 시장가"},  # a button types its command for the person
    "messages/order_card.py": {"시장가"},
}
"""Korean that people type and the code reads, beside `parsing`: constants by name, other strings as they are."""
OTHER = {
    "handlers/commands.py": {"🏷 삼성전자"},  # the name of a stock
    "i18n/catalogue.py": {"under administration (관리종목)"},  # an English sentence with a Korean term in it
    "i18n/formatting.py": {"원", "주", "건", "억", "만주"},  # units
}


def entries() -> dict[tuple[str, str], str]:
    """The .po file: (context, message id) -> Korean."""
    found = {}
    for block in PO.read_text(encoding="utf-8").split("\n\n"):
        fields: dict[str, str] = {"msgctxt": ""}
        field = ""
        for line in block.splitlines():
            if not line.startswith("#"):
                word, _, text = ("", "", line) if line.startswith('"') else line.partition(" ")
                field = word or field
                fields[field] = fields.get(field, "") + ast.literal_eval(text)
        if fields.get("msgid"):
            found[fields["msgctxt"], fields["msgid"]] = fields["msgstr"]
    return found


ENTRIES = entries()


def test_the_catalogue_holds_the_sentences_of_the_code_and_no_others():
    assert set(ENTRIES) == set(collected()), "run make catalogue"


def test_nothing_is_empty_fuzzy_or_obsolete():
    assert [key for key, korean in ENTRIES.items() if not korean.strip()] == []
    assert re.findall(r"^#(?:, .*fuzzy.*|~.*)$", PO.read_text(encoding="utf-8"), re.MULTILINE) == []


@pytest.mark.parametrize("pattern", [r"\{(\w*)\}", r"</?\w+>", r"^\s|\s$"], ids=["placeholders", "tags", "spaces"])
def test_both_languages_have_the_same(pattern):
    def found(text: str) -> Counter[str]:
        return Counter(re.findall(pattern, text))

    assert [key for key, korean in ENTRIES.items() if set(found(key[1])) != set(found(korean))] == []


def test_no_placeholder_is_formatted():
    assert [key for key in ENTRIES if re.search(r"\{\w*[^\w}]|\{\}", key[1])] == []


def test_the_compiled_catalogue_is_that_of_the_source():
    for (context, english), korean in ENTRIES.items():
        assert translate("ko", english, context=context) == korean
    count = struct.unpack_from("<I", MO.read_bytes(), 8)[0]
    assert count == len(ENTRIES) + 1  # and the head
    assert LOCALES / "ko" / "LC_MESSAGES" / f"{DOMAIN}.mo" == MO


def test_english_is_the_message_id():
    for context, english in ENTRIES:
        assert translate("en", english, context=context) == english
        assert translate("en", msgid(english, context=context)) == english


def test_values_are_escaped_unless_they_are_markup():
    words = msgid("🗑 Removed: {names}")

    assert translate("en", words, names="<b>A & B</b>") == "🗑 Removed: &lt;b&gt;A &amp; B&lt;/b&gt;"
    assert translate("ko", words, names=Markup("<b>A</b>")) == "🗑 뺐습니다: <b>A</b>"
    assert translate("ko", words, names=safe("A & B")) == "🗑 뺐습니다: A &amp; B"
    assert translate("en", words, names=translate("en", words, names="{x}")) == "🗑 Removed: 🗑 Removed: {x}"


def test_the_same_english_has_a_korean_text_for_each_context():
    contexts = Counter(english for _, english in ENTRIES)

    assert contexts["total"] == 3
    assert translate("ko", "total", context="account value") != translate("ko", "total", context="filled so far")
    assert SEPARATOR not in "".join(translate("en", "total", context=context) for context, _ in ENTRIES)


def test_no_korean_stands_in_the_code_but_what_people_type():
    strange = []
    for path in sorted(CODE.rglob("*.py")):
        place = path.relative_to(CODE).as_posix()
        allowed = TYPED.get(place, set()) | OTHER.get(place, set())
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
        for top in tree.body:
            targets = top.targets if isinstance(top, ast.Assign) else [getattr(top, "target", None)]
            if place.startswith("parsing/") or any(getattr(one, "id", "") in allowed for one in targets):
                continue
            strange += [
                (place, one.value)
                for one in ast.walk(top)
                if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in docstrings
                and HANGUL.search(one.value) and one.value not in allowed
            ]  # fmt: skip
    assert strange == []

"""The files of the golden transcript: how each is made, where it lies, and which reasons none of them can hold."""

import re
from pathlib import Path

from tests.golden.inside import REASONS, TOASTS, sentence, toast
from tests.golden.play import HERE, LANGS, SCRIPTS, play

SENTENCES = "sentences"
SCENES = tuple(sorted(path.stem for path in SCRIPTS.glob("*.txt")))
FILES = (*(f"{scene}_{lang}" for scene in SCENES for lang in LANGS), SENTENCES)
_FAULT_OF_OURS = "a fault of the bot itself, which no conversation brings about"
_COMMAND_LINE = "told after something was done at the command line"
UNREACHED: dict[str, str] = {
    "ANSWER_LOST": _FAULT_OF_OURS,
    "CLOCK_STEP": "the computer's clock is set back; the virtual clock only goes forward",
    "DISK": "the disk refuses to be written",
    "DISK_OVER": "the same, once it is over",
    "FACTS_MISSING": "a quote without a price; the simulated broker has one for every stock",
    "FINGERPRINT": "the database is changed behind the bot's back",
    "FLOOD": "somebody sends more than a person can; the play's people do not",
    "HOUSEKEEPING": _FAULT_OF_OURS,
    "INTERNAL": _FAULT_OF_OURS,
    "MISMATCH": "the broker books another order than it was sent; the simulator has no such fault",
    "NO_TABLE": "there was never a table of stocks; the play begins with one",
    "PERSON_GONE": "told only where a role is lost in the moment between the last vote and the sending",
    "PIN_FORM": "a keypad takes six digits and nothing else",
    "PIN_UNPROVED": "a proof that expires while the new PIN is being entered",
    "QUORUM": "a vote that is lost in the moment between the last vote and the sending",
    "QUOTE_STALE": "a quote that took longer than is allowed but not as long as a call may",
    "READING_LOST": _FAULT_OF_OURS,
    "RELEASED": "has a sentence and is written by nobody",
    "RESTORED": "the database file is exchanged for an older copy",
    "STALE_SEND": "the sending is held up for longer than its budget",
    "STEPUP_BARRED": "twenty wrong codes over more than half an hour",
    "STEPUP_BROKEN": "the key file of the second factors is exchanged",
    "STEPUP_GONE": "a question that ends while its answer is being judged",
    "STEPUP_LOCKED_YOU": "as STEPUP_BARRED",
    "STEPUP_REMOVED": _COMMAND_LINE,
    "STEPUP_TOTP_SET": _COMMAND_LINE,
    "STEPUP_UNREADABLE": "the key file of the second factors is exchanged",
}
"""Reasons that no conversation here leads to, and why."""
_HOLE = re.compile(r"\{(\w+)\}")


def made(name: str) -> dict[str, str]:
    """The texts of one name as they are now, by file."""
    if name == SENTENCES:
        return {"sentences.txt": _sentences()}
    scene, _, lang = name.rpartition("_")
    played = play(SCRIPTS / f"{scene}.txt", lang)
    return {f"transcript_{name}.txt": played.transcript, f"stored_{name}.txt": played.stored}


def read(name: str) -> dict[str, str]:
    """The texts as they are kept; those of `scripts` are what is played."""
    if name == "scripts":
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(SCRIPTS.glob("*.txt"))}
    kinds = ("sentences.txt",) if name == SENTENCES else (f"transcript_{name}.txt", f"stored_{name}.txt")
    return {one: (HERE / one).read_text(encoding="utf-8") for one in kinds if (HERE / one).exists()}


def write(name: str) -> list[Path]:
    """Write the files of one name anew."""
    paths = []
    for file, text in made(name).items():
        path = HERE / file
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def codes_reached() -> set[str]:
    """The reasons whose Korean sentence stands in a kept transcript."""
    told = "\n".join(read(name).get(f"transcript_{name}.txt", "") for name in FILES if name.endswith("_ko"))
    return {code for code, (ko, _) in REASONS.items() if _pattern(ko).search(told)}


def _pattern(sentence_: str) -> re.Pattern[str]:
    parts = _HOLE.split(sentence_)
    return re.compile(".*?".join(re.escape(part) for part in parts[::2]))


def _sentences() -> str:
    """Every sentence of a reason and every toast in both languages, with values that show where each stands."""
    lines = []
    for code, (ko, _) in REASONS.items():
        names = dict.fromkeys(_HOLE.findall(ko))
        values = {name: f"‹{name}›" for name in names}
        lines += [code, *(f"    {lang}: {sentence(code, values, lang)}" for lang in LANGS)]
        lines += [f"    {lang}, nothing known: {sentence(code, {}, lang)}" for lang in LANGS if names]
    lines.append("toasts")
    for verdict in TOASTS:
        lines += [f"    {verdict} {lang}: {toast(verdict, lang)}" for lang in LANGS]
    return "\n".join(lines) + "\n"

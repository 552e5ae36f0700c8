"""/settings: what rings, what comes without a sound, what does not come; quiet hours, the round-up, the language."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import time

from bot.chat.i18n.catalogue import MessageIds, msgid, translate
from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import Lang, use_language
from bot.chat.ports import PreferenceBook
from bot.chat.types import REFRESH, Button, Buttons, Reply, Request
from bot.orders.access.preferences import Preferences, Quiet, Ring, Topic
from bot.orders.access.roles import Actor, Role

TOPICS: MessageIds[Topic] = {
    Topic.FILLS: "my fills",
    Topic.ENDS: "my orders ending otherwise",
    Topic.OTHERS: "other people's orders",
    Topic.OUTSIDE: "fills made elsewhere",
    Topic.ALERTS: "alerts",
    Topic.REPORTS: "reports at the close",
}
OF_OVERSEERS = frozenset({Topic.OTHERS, Topic.OUTSIDE})
"""What only administrators are told at all."""
RINGS: MessageIds[Ring] = {Ring.ON: "🔔 on", Ring.SILENT: "🔕 silent", Ring.OFF: "🚫 off"}
_NEXT = {Ring.ON: Ring.SILENT, Ring.SILENT: Ring.OFF, Ring.OFF: Ring.ON}
_TOPIC_WORDS = {
    **{topic.value: topic for topic in Topic},
    "체결": Topic.FILLS, "종료": Topic.ENDS, "취소": Topic.ENDS, "남의주문": Topic.OTHERS, "다른사람": Topic.OTHERS,
    "외부": Topic.OUTSIDE, "알림": Topic.ALERTS, "보고": Topic.REPORTS,
}  # fmt: skip
_RING_WORDS = {
    "켬": Ring.ON, "켜기": Ring.ON, "on": Ring.ON,
    "무음": Ring.SILENT, "silent": Ring.SILENT,
    "끔": Ring.OFF, "끄기": Ring.OFF, "off": Ring.OFF,
}  # fmt: skip
_LANG_WORDS: dict[str, Lang] = {"ko": "ko", "한국어": "ko", "korean": "ko", "en": "en", "english": "en", "영어": "en"}
_QUIET = re.compile(r"(\d{1,2})(?::?(\d{2}))?\s*[-~–]\s*(\d{1,2})(?::?(\d{2}))?", re.ASCII)
_USAGE = msgid(
    "Try <code>/settings fills silent</code> (fills · ends · others · outside · alerts · reports / on · silent · off), <code>/settings quiet 22:00-07:00</code>, <code>/settings roundup off</code>, <code>/settings language ko</code>"
)
_PRESETS = ("22:00-07:00", "20:00-08:00")


@dataclass(frozen=True)
class PreferenceHandlers:
    """The handler of /settings."""

    book: PreferenceBook
    frame: Frame
    renew_menu: Callable[[Actor], None]
    """Called after somebody chose another language, which their menu of commands is to speak, too."""

    async def settings(self, request: Request) -> Reply | None:
        """/settings [항목 값]: one's own, with a button for each; words change one of them."""
        actor, words = request.actor, request.words.lower().split()
        now = self.book.of(actor.user_id)
        if not words:
            return settings_card(now, actor.role, self.frame)
        wanted = _changed(now, words[0], " ".join(words[1:]))
        if wanted is None:
            return Reply(f"🚫 {self.frame.text(_USAGE)}")
        if wanted != now:
            self.book.keep(actor.user_id, wanted)
        with use_language(wanted.lang):
            if wanted.lang != now.lang:
                self.renew_menu(actor)
            return settings_card(wanted, actor.role, self.frame)


def _changed(now: Preferences, item: str, value: str) -> Preferences | None:
    """What is wanted after these words; None where they mean nothing."""
    if item in {"언어", "language", "lang"}:
        lang = _LANG_WORDS.get(value)
        return replace(now, lang=lang) if lang else None
    if item in {"모음", "roundup", "digest"}:
        ring = _RING_WORDS.get(value)
        return None if ring in {None, Ring.SILENT} else replace(now, roundup=ring is Ring.ON)
    if item in {"조용", "조용시간", "quiet"}:
        if _RING_WORDS.get(value) is Ring.OFF:
            return replace(now, quiet=None)
        quiet = _quiet(value)
        return replace(now, quiet=quiet) if quiet else None
    topic, ring = _TOPIC_WORDS.get(item), _RING_WORDS.get(value)
    return now.having(topic, ring) if topic and ring else None


def _quiet(text: str) -> Quiet | None:
    """`22-7`, `22:00-07:00`, `2200~0730`; hours that begin when they end are none."""
    found = _QUIET.fullmatch(text)
    if found is None:
        return None
    since_hour, since, until_hour, until = (int(one or 0) for one in found.groups())
    try:
        quiet = Quiet(time(since_hour % 24, since), time(until_hour % 24, until))
    except ValueError:
        return None
    return quiet if quiet.since != quiet.until and max(since_hour, until_hour) <= 24 else None  # noqa: PLR2004  # midnight


def settings_card(now: Preferences, role: Role, frame: Frame) -> Reply:
    """All of one person's settings; each button says what it will be after the tap."""
    topics = [topic for topic in Topic if topic not in OF_OVERSEERS or role.covers(Role.ADMIN)]
    rings = {topic: now.rings.get(topic, Ring.ON) for topic in topics}
    quiet = safe(now.quiet) if now.quiet else frame.text("none", context="quiet hours")
    lines = [
        f"⚙️ <b>{frame.text('My settings')}</b> {frame.badge}",
        *(f"{frame.text(RINGS[ring])} · {frame.text(TOPICS[topic])}" for topic, ring in rings.items()),
        f"🌙 {frame.text('quiet hours (no sound)')}: {quiet}",
        f"🗂 {frame.text('list at the close what is off')}: {frame.text('on') if now.roundup else frame.text('off')}",
        frame.text(
            "<i>Orders in doubt, security and brakes cannot be silenced, at any hour. Order cards are always kept current.</i>"
        ),
    ]
    return Reply("\n".join(lines), _buttons(now, rings, frame))


def _buttons(now: Preferences, rings: dict[Topic, Ring], frame: Frame) -> Buttons:
    def button(label: str, words: str) -> Button:
        return Button(label, f"{REFRESH}/settings {words}")

    topics = [
        button(f"{frame.text(TOPICS[topic])} → {frame.text(RINGS[_NEXT[ring]])}", f"{topic.value} {_NEXT[ring].value}")
        for topic, ring in rings.items()
    ]
    hours = [button(f"🌙 {hours}", f"quiet {hours}") for hours in _PRESETS if hours != str(now.quiet)]
    if now.quiet:
        hours.append(button(frame.text("🌙 none"), "quiet off"))
    listed = frame.text("🗂 no list") if now.roundup else frame.text("🗂 list")
    other: Lang = "en" if frame.lang == "ko" else "ko"
    return (
        *((one,) for one in topics),
        tuple(hours),
        (
            button(listed, f"roundup {'off' if now.roundup else 'on'}"),
            button(translate(other, "🌐 English"), f"language {other}"),
        ),
    )

"""/settings: what rings, what comes without a sound, what does not come; quiet hours, the round-up, the language."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import time

from bot.chat.i18n.formatting import safe
from bot.chat.i18n.frame import Frame
from bot.chat.i18n.language import Lang, speaking
from bot.chat.ports import PreferenceBook
from bot.chat.types import REFRESH, Button, Buttons, Reply, Request
from bot.orders.access.preferences import Preferences, Quiet, Ring, Topic
from bot.orders.access.roles import Actor, Role

TOPICS: dict[Topic, tuple[str, str]] = {
    Topic.FILLS: ("내 주문 체결", "my fills"),
    Topic.ENDS: ("내 주문 취소·거부·만료", "my orders ending otherwise"),
    Topic.OTHERS: ("다른 사람의 주문", "other people's orders"),
    Topic.OUTSIDE: ("외부(HTS·MTS) 체결", "fills made elsewhere"),
    Topic.ALERTS: ("가격·보유 알림", "alerts"),
    Topic.REPORTS: ("마감 보고", "reports at the close"),
}
OF_OVERSEERS = frozenset({Topic.OTHERS, Topic.OUTSIDE})
"""What only administrators are told at all."""
RINGS: dict[Ring, tuple[str, str]] = {
    Ring.ON: ("🔔 켬", "🔔 on"),
    Ring.SILENT: ("🔕 무음", "🔕 silent"),
    Ring.OFF: ("🚫 끔", "🚫 off"),
}
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
_PRESETS = ("22:00-07:00", "20:00-08:00")


class PreferenceHandlers:
    """The handler of /settings."""

    def __init__(self, book: PreferenceBook, frame: Frame, renew_menu: Callable[[Actor], None]) -> None:
        """`renew_menu` is called after somebody chose another language, which their menu of commands is to speak, too."""
        self._book = book
        self._frame = frame
        self._renew_menu = renew_menu

    async def settings(self, request: Request) -> Reply | None:
        """/settings [항목 값]: one's own, with a button for each; words change one of them."""
        actor, words = request.actor, request.words.lower().split()
        now = self._book.of(actor.user_id)
        if not words:
            return settings_card(now, actor.role, self._frame)
        wanted = _changed(now, words[0], " ".join(words[1:]))
        if wanted is None:
            return Reply(f"🚫 {_usage(self._frame)}")
        if wanted != now:
            self._book.keep(actor.user_id, wanted)
        with speaking(wanted.lang):
            if wanted.lang != now.lang:
                self._renew_menu(actor)
            return settings_card(wanted, actor.role, self._frame)


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


def _usage(frame: Frame) -> str:
    topics = " · ".join(
        ("체결", "종료", "외부", "알림", "보고") if frame.lang == "ko" else [one.value for one in Topic],
    )
    return frame.pick(
        f"예: <code>/settings 체결 무음</code> ({topics} / 켬 · 무음 · 끔), <code>/settings 조용 22:00-07:00</code>, "
        "<code>/settings 모음 끔</code>, <code>/settings 언어 en</code>",
        f"Try <code>/settings fills silent</code> ({topics} / on · silent · off), <code>/settings quiet 22:00-07:00</code>, "
        "<code>/settings roundup off</code>, <code>/settings language ko</code>",
    )


def settings_card(now: Preferences, role: Role, frame: Frame) -> Reply:
    """All of one person's settings; each button says what it will be after the tap."""
    topics = [topic for topic in Topic if topic not in OF_OVERSEERS or role.covers(Role.ADMIN)]
    rings = {topic: now.rings.get(topic, Ring.ON) for topic in topics}
    quiet = safe(now.quiet) if now.quiet else frame.pick("없음", "none")
    lines = [
        f"⚙️ <b>{frame.pick('내 알림 설정', 'My settings')}</b> {frame.badge}",
        *(f"{frame.pick(*RINGS[ring])} · {frame.pick(*TOPICS[topic])}" for topic, ring in rings.items()),
        f"🌙 {frame.pick('조용한 시간 (소리 없이 옵니다)', 'quiet hours (no sound)')}: {quiet}",
        f"🗂 {frame.pick('꺼 둔 알림을 마감 때 모아 보기', 'list at the close what is off')}: "
        f"{frame.pick('켬', 'on') if now.roundup else frame.pick('끔', 'off')}",
        frame.pick(
            "<i>확인중(불명), 보안, 주문 중지는 끌 수 없고 조용한 시간에도 울립니다. 주문 카드는 늘 최신으로 고쳐집니다.</i>",
            "<i>Orders in doubt, security and brakes cannot be silenced, at any hour. Order cards are always kept current.</i>",
        ),
    ]
    return Reply("\n".join(lines), _buttons(now, rings, frame))


def _buttons(now: Preferences, rings: dict[Topic, Ring], frame: Frame) -> Buttons:
    def button(label: str, words: str) -> Button:
        return Button(label, f"{REFRESH}/settings {words}")

    topics = [
        button(
            f"{frame.pick(*TOPICS[topic])} → {frame.pick(*RINGS[_NEXT[ring]])}", f"{topic.value} {_NEXT[ring].value}"
        )
        for topic, ring in rings.items()
    ]
    hours = [button(f"🌙 {hours}", f"quiet {hours}") for hours in _PRESETS if hours != str(now.quiet)]
    if now.quiet:
        hours.append(button(frame.pick("🌙 없애기", "🌙 none"), "quiet off"))
    listed = frame.pick("🗂 모음 끄기", "🗂 no list") if now.roundup else frame.pick("🗂 모음 켜기", "🗂 list")
    other: Lang = "en" if frame.lang == "ko" else "ko"
    return (
        *((one,) for one in topics),
        tuple(hours),
        (
            button(listed, f"roundup {'off' if now.roundup else 'on'}"),
            button({"en": "🌐 English", "ko": "🌐 한국어"}[other], f"language {other}"),
        ),
    )

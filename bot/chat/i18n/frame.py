"""What every message bears: its language, which money it is about, and the account."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.chat.i18n.catalogue import MessageIds, translate
from bot.chat.i18n.formatting import Markup, clock_time
from bot.chat.i18n.language import Lang, spoken

Mode = Literal["practice", "paper", "real"]

_BADGES: MessageIds[Mode] = {"practice": "[PRACTICE]", "paper": "[PAPER]", "real": "[REAL]"}


@dataclass(frozen=True)
class Frame:
    """The language of the reader, which money a message is about, and the masked account number."""

    house: Lang
    mode: Mode
    account: str

    @property
    def lang(self) -> Lang:
        """The language of the current reader (`language.speaking`), else the default one."""
        return spoken(self.house)

    @property
    def badge(self) -> Markup:
        """[PRACTICE], [PAPER] or [REAL]."""
        return self.text(_BADGES[self.mode])

    def text(self, msgid: str, /, *, context: str = "", **values: object) -> Markup:
        """The sentence in the reader's language; see `catalogue.translate`."""
        return translate(self.lang, msgid, context=context, **values)

    def as_of(self, moment: datetime) -> Markup:
        """The time of day (KST) at which figures were read."""
        return self.text("🕘 {time} KST", time=clock_time(moment))

"""What every message shows: its language, the trading mode and the account."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.chat.i18n.catalogue import MessageIds, translate
from bot.chat.i18n.formatting import Markup, clock_time
from bot.chat.i18n.language import Lang, current_language

Mode = Literal["practice", "paper", "real"]

_BADGES: MessageIds[Mode] = {"practice": "[PRACTICE]", "paper": "[PAPER]", "real": "[REAL]"}


@dataclass(frozen=True)
class Frame:
    """The default language, the trading mode and the masked account number."""

    default_lang: Lang
    mode: Mode
    account: str

    @property
    def lang(self) -> Lang:
        """The reader's language (`language.use_language`), else the default one."""
        return current_language(self.default_lang)

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

"""Which language a message is in, and which money it is about."""

from dataclasses import dataclass
from typing import Literal

from bot.chat.i18n.language import Lang, spoken

Mode = Literal["practice", "paper", "real"]


BADGES: dict[Mode, dict[Lang, str]] = {
    "practice": {"ko": "[연습]", "en": "[PRACTICE]"},
    "paper": {"ko": "[모의]", "en": "[PAPER]"},
    "real": {"ko": "[실전]", "en": "[REAL]"},
}


def badge(mode: Mode, lang: Lang) -> str:
    """Which money this is about."""
    return BADGES[mode][lang]


@dataclass(frozen=True)
class Frame:
    """What every message bears: the language, which money it is about, and the masked account."""

    house: Lang
    mode: Mode
    account: str

    @property
    def lang(self) -> Lang:
        """The language of whoever reads now (`tongue.speaking`), else the house's."""
        return spoken(self.house)

    @property
    def badge(self) -> str:
        """[연습], [모의] or [실전]."""
        return badge(self.mode, self.lang)

    def pick(self, ko: str, en: str) -> str:
        """The wording of the reader's language; nothing in it is escaped."""
        return ko if self.lang == "ko" else en

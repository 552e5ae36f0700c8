"""The cipher of fill notices: AES-256-CBC with PKCS#7 padding, in base64 (KIS portal, 국내주식 실시간체결통보)."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.ciphers import Cipher as Block
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from kis.errors import BadAnswer

_KEY_LENGTH, _IV_LENGTH = 32, 16


class Cipher:
    """Decrypts with one key and iv, which come with the answer to a registration."""

    __slots__ = ("_block",)

    def __init__(self, key: str, iv: str) -> None:
        """Uses the characters of key and iv as bytes, as KIS does; raises `BadAnswer` if they are not 32 and 16."""
        raw_key, raw_iv = key.encode(errors="replace"), iv.encode(errors="replace")
        if len(raw_key) != _KEY_LENGTH or len(raw_iv) != _IV_LENGTH:
            raise BadAnswer("a registration brought a key of the wrong length", endpoint="websocket")
        self._block = Block(algorithms.AES(raw_key), modes.CBC(raw_iv))

    def decrypt(self, payload: str) -> str:
        """The plain text of a payload; raises `BadAnswer` if it was not encrypted with this key."""
        try:
            decryptor = self._block.decryptor()
            blocks = decryptor.update(base64.b64decode(payload, validate=True)) + decryptor.finalize()
            unpadder = PKCS7(algorithms.AES.block_size).unpadder()
            return (unpadder.update(blocks) + unpadder.finalize()).decode()
        except ValueError:
            raise BadAnswer("a notice cannot be decrypted", endpoint="websocket") from None

"""A guest at the simulator's websocket who writes and reads frames by hand: no line of our client is used here."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from websockets.asyncio.client import connect

TRADES, BOOKS = "H0STCNT0", "H0STASP0"
NOTICES = {"real": "H0STCNI0", "paper": "H0STCNI9"}


class Guest:
    """One connection with an approval key."""

    def __init__(self, socket, approval_key):
        self.socket = socket
        self.approval_key = approval_key

    async def ask(self, tr_id, tr_key, tr_type="1", **header):
        given = {"approval_key": self.approval_key, "custtype": "P", "tr_type": tr_type, "content-type": "utf-8"}
        frame = {"header": given | header, "body": {"input": {"tr_id": tr_id, "tr_key": tr_key}}}
        await self.socket.send(json.dumps(frame))

    async def receive(self):
        """The next frame: an object where it is JSON."""
        text = await asyncio.wait_for(self.socket.recv(), 2)
        return json.loads(text) if text.startswith("{") else text

    async def answer(self, *asked, **header):
        await self.ask(*asked, **header)
        return await self.receive()

    async def code(self, *asked, **header):
        return (await self.answer(*asked, **header))["body"]["msg_cd"]

    async def records(self):
        """TR id and records of the next data frame, each a list of fields."""
        flag, tr_id, count, payload = (await self.receive()).split("|", 3)
        assert (flag, len(count)) == ("0", 3)
        fields = payload.split("^")
        width = len(fields) // int(count)
        assert width * int(count) == len(fields)
        return tr_id, [fields[start : start + width] for start in range(0, len(fields), width)]

    async def silence(self, seconds=0.05):
        """Whether nothing comes for a moment."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.socket.recv(), seconds)
            return False
        return True


def unsealed(frame, output):
    """The fields of an encrypted frame with one record, opened by hand."""
    flag, tr_id, count, payload = frame.split("|", 3)
    assert (flag, count) == ("1", "001")
    aes = Cipher(algorithms.AES(output["key"].encode()), modes.CBC(output["iv"].encode())).decryptor()
    padded = aes.update(base64.b64decode(payload)) + aes.finalize()
    return tr_id, padded[: -padded[-1]].decode().split("^")


@contextlib.asynccontextmanager
async def guest(sim, base_url, path="/tryitout", approval_key=None, *, connect=connect):
    """A connection to a served simulator, or to one in memory by `connect`."""
    if approval_key is None:
        keys = {"appkey": sim.credentials.app_key, "secretkey": sim.credentials.app_secret}
        approval_key = sim.oauth.approval(keys).body["approval_key"]
    url = sim.environ(base_url)["KIS_WS_URL"] + path
    async with connect(url, proxy=None, compression=None, ping_interval=None) as socket:
        yield Guest(socket, approval_key)

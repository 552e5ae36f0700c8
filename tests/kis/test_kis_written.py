"""A write as bytes, before it is sent: what is shown of it, what is signed, and that nothing else leaves."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json

import pytest

from kis import BadRequest, OrderKind, Outcome, Receipt, Side, Unsupported, Written
from kis.endpoints import OPEN_ORDERS
from tests.kis.kis_wire import SECRET, order, sample

LIMIT = {"price": 75_700, "kind": OrderKind.LIMIT}
WAYS = {
    "buy": ("order-cash", "VTTC0012U", lambda kis: kis.written(Side.BUY, "005930", 1, **LIMIT)),
    "sell": ("order-cash", "VTTC0011U", lambda kis: kis.written(Side.SELL, "005930", 1, **LIMIT)),
    "cancel": ("order-rvsecncl", "VTTC0013U", lambda kis: kis.written_cancel("51378", branch="00950")),
    "revise": ("order-rvsecncl", "VTTC0013U", lambda kis: kis.written_revision("51378", quantity=3, **LIMIT)),
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_was_written_is_what_leaves_byte_for_byte(kis, wire, way):
    path, tr_id, write = WAYS[way]
    wire.answer(path, sample("order_paper"))
    written = write(kis)
    assert wire.arrived == []
    receipt = await kis.send(written)
    (call,) = wire.sent(path)
    assert call.content == written.body
    assert call.headers["tr_id"] == tr_id
    assert (
        written.digest == hmac.new(SECRET.encode(), tr_id.encode() + b"\n" + written.body, hashlib.sha256).hexdigest()
    )
    assert json.loads(written.shown) == json.loads(written.body) | {"CANO": "…78"}
    assert "12345678" not in f"{written!r} {written.shown}"
    assert dataclasses.replace(receipt, answer="", seconds=0) == Receipt(
        Outcome.PLACED, "0000051378", "00950", "110840", "40600000", sample("order_paper")["msg1"], 200, sent=True
    )
    assert json.loads(receipt.answer) == sample("order_paper")


async def test_the_same_write_has_the_same_digest_and_any_other_another(kis, make):
    others = [write(kis) for _, _, write in WAYS.values()]
    others += [order(make(account="12345679-01")), order(make(app_secret="other")), order(make(env="real"))]
    assert order(kis) == order(kis)
    assert len({written.digest for written in others}) == len(others)


@pytest.mark.parametrize(
    "write",
    [
        lambda kis: kis.written(Side.BUY, "5930", 1, **LIMIT),
        lambda kis: kis.written(Side.BUY, "005930", 0, **LIMIT),
        lambda kis: kis.written(Side.SELL, "005930", 1, price=1, kind=OrderKind.MARKET),
        lambda kis: kis.written_cancel(""),
        lambda kis: kis.written_cancel("1", venue="x"),
        lambda kis: kis.written_revision("1", price=None),
    ],
)
async def test_what_makes_no_sense_is_not_even_written(kis, write):
    with pytest.raises(BadRequest):
        write(kis)


@pytest.mark.parametrize(
    "change",
    [
        lambda written, _: dataclasses.replace(written, body=written.body.replace(b'"1"', b'"9"')),
        lambda written, _: dataclasses.replace(written, endpoint="sell"),
        lambda written, _: dataclasses.replace(written, endpoint="price"),
        lambda written, _: dataclasses.replace(written, digest=""),
        lambda _, make: order(make(account="87654321-01", app_secret="another")),
    ],
)
async def test_a_body_this_client_did_not_write_is_not_sent(make, wire, change):
    kis = make()
    receipt = await kis.send(change(order(kis), make))
    assert (receipt.outcome, receipt.sent) == (Outcome.NOT_SENT, False)
    assert wire.arrived == []


async def test_the_hash_is_of_the_very_bytes_that_leave(make, wire):
    wire.answer("/uapi/hashkey", sample("hashkey"))
    wire.answer("order-cash", sample("order_paper"))
    kis = make(hashkey=True)
    written = order(kis)
    await kis.send(written)
    hashing, sent = wire.arrived[1:]
    assert hashing.content == sent.content == written.body
    assert sent.headers["hashkey"] == sample("hashkey")["HASH"]


@pytest.mark.parametrize("account", ["12345678-01", "00000001-01"])
async def test_only_the_account_is_masked_in_what_is_shown(make, account):
    written = make(account=account).written_cancel(account[:8], quantity=int(account[:8]))
    sent, shown = json.loads(written.body), json.loads(written.shown)
    assert sent.pop("CANO") == account[:8]
    assert shown.pop("CANO") == f"…{account[6:8]}"
    assert shown == sent


async def test_what_is_not_offered_here_is_not_even_written(kis):
    with pytest.raises(Unsupported):
        kis._orders.prepare(OPEN_ORDERS, {})


def test_values_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Receipt(Outcome.UNKNOWN).outcome = Outcome.PLACED
    with pytest.raises(dataclasses.FrozenInstanceError):
        Written("buy", b"", "", "").body = b"x"

"""The approval key: the one REST call the stream makes."""

from __future__ import annotations

import json
from random import Random

import httpx
import pytest

from kis import Misconfigured, Throttled, Unavailable
from kis.session import Session
from tests.kis.kis_wire import KEY, SECRET, config, refusal

PATH = "/oauth2/Approval"


@pytest.fixture
async def session(wire, clock, tmp_path):
    transport = httpx.MockTransport(wire)
    made = Session(config(tmp_path), clock=clock, sleep=clock.sleep, rng=Random(7), transport=transport)
    yield made
    await made.close()


async def test_it_bears_the_secret_under_its_other_name_and_no_token(wire, session):
    wire.answer(PATH, {"approval_key": "00000000-0000-0000-0000-000000000000"})
    assert await session.approval() == "00000000-0000-0000-0000-000000000000"
    (request,) = wire.sent(PATH)
    assert (request.method, str(request.url)) == (
        "POST",
        "https://openapivts.koreainvestment.com:29443/oauth2/Approval",
    )
    assert json.loads(request.content) == {"grant_type": "client_credentials", "appkey": KEY, "secretkey": SECRET}
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert not {"authorization", "appkey", "appsecret", "tr_id"} & set(request.headers)
    assert len(wire.arrived) == 1


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        ({"error_code": "EGW00105", "error_description": "유효하지 않은 AppSecret입니다."}, 403, Misconfigured),
        (refusal("EGW00201"), 500, Throttled),
        ({"approval_key": ""}, 200, Unavailable),
        ({"approval_key": 7}, 200, Unavailable),
        (b"<html>", 502, Unavailable),
        (b"", 200, Unavailable),
    ],
)
async def test_what_is_no_key_is_a_typed_error_after_one_call(wire, session, answer, status, error):
    wire.answer(PATH, answer, status=status)
    with pytest.raises(error) as failure:
        await session.approval()
    assert failure.value.endpoint == "approval"
    assert SECRET not in str(failure.value)
    assert len(wire.arrived) == 1


@pytest.mark.parametrize("failure", [httpx.ConnectError("no"), httpx.ReadTimeout("slow")])
async def test_no_answer_is_unavailable(wire, session, failure):
    wire.fail(PATH, failure)
    with pytest.raises(Unavailable):
        await session.approval()

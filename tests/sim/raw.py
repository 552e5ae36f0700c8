"""HTTP/1.1 written by hand over a socket: no HTTP library, and no line of our client, stands in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from kis.sim.server import serving

V1 = "/uapi/domestic-stock/v1/"
T = "trading/"


class SharedServer:
    """One socket for many cases: each puts its own simulator behind it, as a server takes a while to stop."""

    def __init__(self):
        self.app = None
        self.address = ""

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)

    @contextlib.contextmanager
    def open(self):
        ready, loop, done = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

        async def serve():
            async with serving(self, "127.0.0.1", 0) as self.address:
                ready.set()
                await done.wait()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
        thread.start()
        assert ready.wait(5)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(done.set)
            thread.join(5)
            loop.close()


class Reply(NamedTuple):
    """An answer as it came over the wire; header names in the case they were sent in."""

    status: int
    headers: dict[str, str]
    body: Any
    raw: bytes

    @property
    def code(self):
        """Wherever it stands: msg_cd, message, or error_code."""
        return self.body.get("msg_cd") or self.body.get("error_code") or self.body.get("message")


class Caller:
    """One customer's keys, and requests as the portal describes them."""

    def __init__(self, base_url, key, secret, account):
        self.address = urlsplit(base_url)
        self.key, self.secret, self.token = key, secret, ""
        self.cano, self.product = account.split("-")

    async def send(self, method, target, headers, body=b""):
        """A request, byte by byte."""
        head = [f"{method} {target} HTTP/1.1", f"Host: {self.address.netloc}", "Connection: close"]
        head += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        if body:
            head.append(f"Content-Length: {len(body)}")
        reader, writer = await asyncio.open_connection(self.address.hostname, self.address.port)
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        top, _, content = answer.partition(b"\r\n\r\n")
        status, *lines = top.decode("latin-1").split("\r\n")
        fields = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in lines)
        parsed = json.loads(content) if fields["Content-Type"].startswith("application/json") else None
        return Reply(int(status.split()[1]), fields, parsed, content)

    async def log_in(self):
        reply = await self.oauth("tokenP", grant_type="client_credentials", appkey=self.key, appsecret=self.secret)
        self.token = reply.body["access_token"]
        return self

    async def oauth(self, name, **fields):
        body = json.dumps(fields).encode()
        return await self.send("POST", f"/oauth2/{name}", {"content-type": "application/json"}, body)

    def headers(self, tr_id, **more):
        named = {
            "content-type": "application/json; charset=utf-8",
            "authorization": f"Bearer {self.token}",
            "appkey": self.key,
            "appsecret": self.secret,
            "tr_id": tr_id,
            "custtype": "P",
        }
        return {**named, **more}

    async def get(self, path, tr_id, query, slash=V1, **headers):
        text = "&".join(f"{name}={quote(str(value))}" for name, value in query.items() if value is not None)
        return await self.send("GET", f"{slash}{path}?{text}", self.headers(tr_id, **headers))

    async def post(self, path, tr_id, fields, **headers):
        body = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
        return await self.send("POST", V1 + path, self.headers(tr_id, **headers), body)

    # --- the calls, as the portal prints them ---------------------------------------------------------------

    def account(self, names="", **more):
        """CANO, ACNT_PRDT_CD, then names with values after a colon, as `A:1 B`."""
        pairs = (one.partition(":") for one in names.split())
        return {"CANO": self.cano, "ACNT_PRDT_CD": self.product, **{n: v for n, _, v in pairs}, **more}

    def order(self, **more):
        names = "PDNO:005930 ORD_DVSN:00 ORD_QTY:1 ORD_UNPR:70000 EXCG_ID_DVSN_CD:KRX SLL_TYPE CNDT_PRIC"
        return self.account(names, **more)

    def change(self, number, **more):
        names = "KRX_FWDG_ORD_ORGNO ORD_DVSN:00 RVSE_CNCL_DVSN_CD:02 ORD_QTY:0 ORD_UNPR:0 QTY_ALL_ORD_YN:Y CNDT_PRIC"
        return self.account(f"{names} EXCG_ID_DVSN_CD:KRX", ORGN_ODNO=number, **more)

    def executions(self, **more):
        names = "INQR_STRT_DT:20261120 INQR_END_DT:20261120 SLL_BUY_DVSN_CD:00 PDNO ORD_GNO_BRNO ODNO CCLD_DVSN:00"
        names += " INQR_DVSN:00 INQR_DVSN_1 INQR_DVSN_3:00 EXCG_ID_DVSN_CD:KRX CTX_AREA_FK100 CTX_AREA_NK100"
        return self.account(names, **more)

    def balance(self, **more):
        names = "AFHR_FLPR_YN:N OFL_YN INQR_DVSN:02 UNPR_DVSN:01 FUND_STTL_ICLD_YN:N FNCG_AMT_AUTO_RDPT_YN:N"
        return self.account(f"{names} PRCS_DVSN:00 CTX_AREA_FK100 CTX_AREA_NK100", **more)

    def power(self, **more):
        return self.account("PDNO:005930 ORD_UNPR:70000 ORD_DVSN:00 CMA_EVLU_AMT_ICLD_YN:N OVRS_ICLD_YN:N", **more)

    def open_orders(self, **more):
        return self.account("INQR_DVSN_1:0 INQR_DVSN_2:0 CTX_AREA_FK100 CTX_AREA_NK100", **more)

    def profit(self, **more):
        names = "INQR_STRT_DT:20261101 INQR_END_DT:20261130 PDNO SORT_DVSN:00 INQR_DVSN:00 CBLC_DVSN:00"
        return self.account(f"{names} CTX_AREA_FK100 CTX_AREA_NK100", **more)

    @staticmethod
    def fid(names="", **more):
        """FID_COND_MRKT_DIV_CODE J, FID_INPUT_ISCD 005930, then names with values after a colon."""
        pairs = (one.partition(":") for one in names.split())
        first = {"COND_MRKT_DIV_CODE": "J", "INPUT_ISCD": "005930"}
        fields = {**first, **{n: v for n, _, v in pairs}, **more}
        return {f"FID_{name}": value for name, value in fields.items()}


async def buy(caller, tr_id=None, headers=None, **body):
    tr_id = tr_id or ("TTTC0012U" if caller.real else "VTTC0012U")
    return await caller.post(T + "order-cash", tr_id, caller.order(**body), **(headers or {}))


async def sell(caller, **body):
    tr_id = "TTTC0011U" if caller.real else "VTTC0011U"
    return await caller.post(T + "order-cash", tr_id, caller.order(**body))


async def executions(caller, **query):
    tr_id = "TTTC0081R" if caller.real else "VTTC0081R"
    return await caller.get(T + "inquire-daily-ccld", tr_id, caller.executions(**query))


async def balance(caller, **query):
    return await caller.get(T + "inquire-balance", "TTTC8434R" if caller.real else "VTTC8434R", caller.balance(**query))

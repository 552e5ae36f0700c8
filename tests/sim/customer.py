"""A customer who speaks raw HTTP to the simulator: no line of our client is used here."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

KOREA = timezone(timedelta(hours=9))
TRADING = "/uapi/domestic-stock/v1/trading/"
QUOTATIONS = "/uapi/domestic-stock/v1/quotations/"
# Written by hand from the KIS portal and the official repository, not taken from the table under test.
TR = {
    "paper": {
        "buy": "VTTC0012U",
        "sell": "VTTC0011U",
        "revise_cancel": "VTTC0013U",
        "balance": "VTTC8434R",
        "executions": "VTTC0081R",
        "buying_power": "VTTC8908R",
    },
    "real": {
        "buy": "TTTC0012U",
        "sell": "TTTC0011U",
        "revise_cancel": "TTTC0013U",
        "balance": "TTTC8434R",
        "executions": "TTTC0081R",
        "buying_power": "TTTC8908R",
    },
}


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self, *moment: int):
        self.at = datetime(*(moment or (2026, 11, 20, 10, 0, 0)), tzinfo=KOREA)  # type: ignore[arg-type]  # six numbers at most

    def __call__(self):
        return self.at

    def move(self, **by):
        self.at += timedelta(**by)


class Customer:
    """One app key, its token, and the calls as they go over the wire."""

    def __init__(self, sim, http):
        self.sim = sim
        self.http = http
        self.tr = TR[sim.env.value]
        self.account = dict(zip(("CANO", "ACNT_PRDT_CD"), sim.credentials.account.split("-"), strict=True))
        self.headers = {
            "content-type": "application/json; charset=utf-8",
            "appkey": sim.credentials.app_key,
            "appsecret": sim.credentials.app_secret,
            "custtype": "P",
        }

    async def log_in(self):
        answer = await self.token()
        self.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        return self

    async def token(self, **instead):
        keys = {"appkey": self.headers["appkey"], "appsecret": self.headers["appsecret"]}
        body = {"grant_type": "client_credentials", **keys, **instead}
        return await self.http.post("/oauth2/tokenP", json=body)

    async def get(self, path, tr_id, params, **headers):
        return await self.http.get(path, params=params, headers={**self.headers, "tr_id": tr_id, **headers})

    async def post(self, path, tr_id, body, **headers):
        return await self.http.post(path, json=body, headers={**self.headers, "tr_id": tr_id, **headers})

    def order_body(self, code="005930", quantity="10", price="71000", kind="00", **more):
        return {
            **self.account,
            "PDNO": code,
            "ORD_DVSN": kind,
            "ORD_QTY": quantity,
            "ORD_UNPR": price,
            "EXCG_ID_DVSN_CD": "KRX",
            "SLL_TYPE": "",
            "CNDT_PRIC": "",
            **more,
        }

    async def order(self, side, **body):
        return await self.post(TRADING + "order-cash", self.tr[side], self.order_body(**body))

    def request_body(self, number, what="02", **more):
        return {
            **self.account,
            "KRX_FWDG_ORD_ORGNO": "",
            "ORGN_ODNO": number,
            "ORD_DVSN": "00",
            "RVSE_CNCL_DVSN_CD": what,
            "ORD_QTY": "0",
            "ORD_UNPR": "0",
            "QTY_ALL_ORD_YN": "Y",
            "EXCG_ID_DVSN_CD": "KRX",
            **more,
        }

    async def request(self, number, what="02", **more):
        body = self.request_body(number, what, **more)
        return await self.post(TRADING + "order-rvsecncl", self.tr["revise_cancel"], body)

    def executions_query(self, **more):
        today = self.sim.exchange.now().strftime("%Y%m%d")
        return {
            **self.account,
            "INQR_STRT_DT": today,
            "INQR_END_DT": today,
            "SLL_BUY_DVSN_CD": "00",
            "PDNO": "",
            "ORD_GNO_BRNO": "",
            "ODNO": "",
            "CCLD_DVSN": "00",
            "INQR_DVSN": "00",
            "INQR_DVSN_1": "",
            "INQR_DVSN_3": "00",
            "EXCG_ID_DVSN_CD": "KRX",
            "CTX_AREA_FK100": "",
            "CTX_AREA_NK100": "",
            **more,
        }

    async def executions(self, *, tr_cont="", **more):
        path, tr_id = TRADING + "inquire-daily-ccld", self.tr["executions"]
        return await self.get(path, tr_id, self.executions_query(**more), tr_cont=tr_cont)

    async def balance(self, *, tr_cont="", **more):
        query = {
            **self.account,
            "AFHR_FLPR_YN": "N",
            "OFL_YN": "",
            "INQR_DVSN": "02",
            "UNPR_DVSN": "01",
            "FUND_STTL_ICLD_YN": "N",
            "FNCG_AMT_AUTO_RDPT_YN": "N",
            "PRCS_DVSN": "00",
            "CTX_AREA_FK100": "",
            "CTX_AREA_NK100": "",
            **more,
        }
        return await self.get(TRADING + "inquire-balance", self.tr["balance"], query, tr_cont=tr_cont)

    async def buying_power(self, code="005930", price="71000", kind="00"):
        query = {
            **self.account,
            "PDNO": code,
            "ORD_UNPR": price,
            "ORD_DVSN": kind,
            "CMA_EVLU_AMT_ICLD_YN": "N",
            "OVRS_ICLD_YN": "N",
        }
        return await self.get(TRADING + "inquire-psbl-order", self.tr["buying_power"], query)

    async def open_orders(self, *, tr_cont="", tr_id="TTTC0084R", **more):
        query = {
            **self.account,
            "INQR_DVSN_1": "0",
            "INQR_DVSN_2": "0",
            "CTX_AREA_FK100": "",
            "CTX_AREA_NK100": "",
            **more,
        }
        return await self.get(TRADING + "inquire-psbl-rvsecncl", tr_id, query, tr_cont=tr_cont)

    async def price(self, code="005930", market="J", **headers):
        query = {"FID_COND_MRKT_DIV_CODE": market, "FID_INPUT_ISCD": code}
        return await self.get(QUOTATIONS + "inquire-price", "FHKST01010100", query, **headers)

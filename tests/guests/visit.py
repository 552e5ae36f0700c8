"""Another KIS client as a guest of the simulator: six things in turn, each told on a line of JSON.

It runs in the guests' own environment, `python visit.py NAME`, and knows nothing of this project; the address,
keys and account come by environment variables. A guest's hosts are constants: they are set in its memory here.
"""

# ruff: noqa: PLC0415  a guest is imported only in the process that it visits in

from __future__ import annotations

import json
import os
import sys
import tempfile
from datetime import datetime, timedelta, timezone

KEY, SECRET, ACCOUNT = (os.environ[f"GUEST_{name}"] for name in ("KEY", "SECRET", "ACCOUNT"))
HTS_ID, ADDRESS, PAPER = os.environ["GUEST_HTS_ID"], os.environ["GUEST_ADDRESS"], os.environ["GUEST_ENV"] == "paper"
CODE, PRICE = "005930", 70_000
TODAY = datetime.now(timezone(timedelta(hours=9))).date()


def step(name, call):
    """Do one thing and tell how it went."""
    try:
        result = call()
        outcome = {"ok": True, "saw": " ".join(str(result).split())[:90]}
    except BaseException as error:  # noqa: BLE001  a guest may raise anything, and that is what is recorded
        outcome = {"ok": False, "saw": " ".join(f"{type(error).__name__}: {error}".split())[:200]}
        result = None
    print(json.dumps({"step": name, **outcome}, ensure_ascii=False), flush=True)  # noqa: T201  the parent reads it
    return result


def python_kis():
    """Soju06's python-kis: a session object, scopes, typed answers."""
    import pykis.kis
    from pykis import PyKis

    if PAPER:
        pykis.kis.VIRTUAL_DOMAIN = ADDRESS
        pykis.kis.REAL_DOMAIN = os.environ["GUEST_REAL_ADDRESS"]  # where it reads quotes, for paper as well
        keys = {"virtual_id": HTS_ID, "virtual_appkey": KEY, "virtual_secretkey": SECRET, "id": HTS_ID}
        keys |= {"appkey": os.environ["GUEST_REAL_KEY"], "secretkey": os.environ["GUEST_REAL_SECRET"]}
    else:
        pykis.kis.REAL_DOMAIN = ADDRESS
        keys = {"id": HTS_ID, "appkey": KEY, "secretkey": SECRET}
    kis = PyKis(**keys, account=ACCOUNT, use_websocket=False, keep_token=False)
    step("token", lambda: kis.token)
    stock = kis.stock(CODE)
    step("price", lambda: stock.quote().price)
    account = kis.account()
    step("balance", lambda: account.balance("KR").deposit("KRW").amount)
    order = step("limit buy", lambda: stock.buy(price=PRICE, qty=1))
    step("order list", lambda: [one.number for one in account.daily_orders(TODAY, country="KR").orders])
    step("cancel", lambda: order and order.cancel())


def mojito():
    """sharebook-kr's mojito2: plain dicts, the older TR ids, a hash key before every order."""
    import mojito
    from mojito.koreainvestment import KoreaInvestment

    def here(self, mock=True):
        self.base_url = ADDRESS

    KoreaInvestment.set_base_url = here
    broker = step("token", lambda: mojito.KoreaInvestment(KEY, SECRET, ACCOUNT, mock=PAPER))

    def ok(answer):
        if answer.get("rt_cd", "0") != "0":
            raise RuntimeError(f"{answer.get('msg_cd')} {answer.get('msg1')}")
        return answer

    step("price", lambda: ok(broker.fetch_price(CODE))["output"]["stck_prpr"])
    step("balance", lambda: broker.fetch_balance()["output2"][0]["dnca_tot_amt"])
    order = step("limit buy", lambda: ok(broker.create_limit_buy_order(CODE, PRICE, 1))["output"])
    asked = {"CTX_AREA_FK100": "", "CTX_AREA_NK100": "", "INQR_DVSN_1": "0", "INQR_DVSN_2": "0"}
    step("order list", lambda: [row["odno"] for row in ok(broker.fetch_open_order(asked))["output"]])
    number = (order or {}).get("ODNO", "")
    branch = (order or {}).get("KRX_FWDG_ORD_ORGNO", "")
    step("cancel", lambda: ok(broker.cancel_order(branch, number, 1, total=True))["output"])


def kis_trader():
    """kis-trader: a typed session with an order store and its own dedup."""
    from kis_trader import KISClient
    from kis_trader._internal import _endpoints

    environment = "paper" if PAPER else "real"
    _endpoints._BASE_URL_BY_ENVIRONMENT[environment] = ADDRESS
    folder = tempfile.mkdtemp()
    kis = KISClient(
        app_key=KEY,
        app_secret=SECRET,
        account=ACCOUNT,
        environment=environment,
        hts_id=HTS_ID,
        token_cache_dir=folder,
        config_dir=folder,
    )
    stock = kis.domestic.stock(CODE)
    step("token", lambda: kis.transport)
    step("price", stock.quote)
    account = kis.account.domestic
    step("balance", account.balance)
    step("limit buy", lambda: stock.buy(quantity=1, limit_price=PRICE, client_order_id="guest-1"))
    step("order list", lambda: account.order_history(start=f"{TODAY:%Y%m%d}", end=f"{TODAY:%Y%m%d}"))
    step("cancel", lambda: kis.orders.cancel("guest-1"))


GUESTS = {"python-kis": python_kis, "mojito2": mojito, "kis-trader": kis_trader}

if __name__ == "__main__":
    os.chdir(tempfile.mkdtemp())  # one of them leaves its token where it stands
    GUESTS[sys.argv[1]]()

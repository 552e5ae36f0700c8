"""Another KIS client, pointed at the simulated broker, doing what it is told line by line.

Run by `client_peers` with the Python of `.venv-guests`, so that it stands on the standard library and the guest alone:
`python peer.py NAME`; the first line of its input says where and what, each further one is a job, each answered
by a line of JSON.
"""

import importlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

RATE = 18
UNLIMITED = 10**9
POOL = 32


class PythonKis:
    package = "python-kis"

    def __init__(self, at: dict[str, str], limited: bool) -> None:
        whole: Any = importlib.import_module("pykis.kis")
        whole.REAL_DOMAIN = at["KIS_REST_URL"]
        self._quotes = importlib.import_module("pykis.api.stock.quote")
        self._orders = importlib.import_module("pykis.api.account.order")
        self._changes = importlib.import_module("pykis.api.account.order_modify")
        self._account = at["KIS_ACCOUNT"]
        client = whole.PyKis(
            id=at["KIS_HTS_ID"] or "guest",
            account=self._account,
            appkey=at["KIS_APP_KEY"],
            secretkey=at["KIS_APP_SECRET"],
            use_websocket=False,
        )
        if not limited:
            limiter = importlib.import_module("pykis.utils.rate_limit").RateLimiter
            client._rate_limiters = {name: limiter(UNLIMITED, 1) for name in ("real", "virtual")}
        self._kis = client

    def quote(self, code: str) -> int:
        return int(self._quotes.domestic_quote(self._kis, code).price)

    def order(self, code: str, price: int) -> Any:
        return self._orders.domestic_order(self._kis, self._account, code, "buy", price, 1)

    def cancel(self, order: Any) -> None:
        self._changes.domestic_cancel_order(self._kis, order)


class Mojito:
    package = "mojito2"

    def __init__(self, at: dict[str, str], limited: bool) -> None:
        broker = importlib.import_module("mojito").KoreaInvestment
        broker.set_base_url = lambda kis, mock: setattr(kis, "base_url", at["KIS_REST_URL"])
        self._kis = broker(at["KIS_APP_KEY"], at["KIS_APP_SECRET"], at["KIS_ACCOUNT"])

    def quote(self, code: str) -> int:
        return int(self._kis.fetch_price(code)["output"]["stck_prpr"])

    def order(self, code: str, price: int) -> Any:
        return self._taken(self._kis.create_limit_buy_order(code, price, 1))

    def cancel(self, order: Any) -> None:
        self._taken(self._kis.cancel_order(order["KRX_FWDG_ORD_ORGNO"], order["ODNO"], 1, total=True))

    def _taken(self, answer: dict[str, Any]) -> Any:
        if answer["rt_cd"] != "0":
            raise PermissionError(answer["msg1"])
        return answer["output"]


class KisTrader:
    package = "kis-trader"

    def __init__(self, at: dict[str, str], limited: bool) -> None:
        places = importlib.import_module("kis_trader._internal._endpoints")
        places._BASE_URL_BY_ENVIRONMENT["real"] = at["KIS_REST_URL"]
        self._kis = importlib.import_module("kis_trader").KISClient(
            app_key=at["KIS_APP_KEY"],
            app_secret=at["KIS_APP_SECRET"],
            account=at["KIS_ACCOUNT"],
            environment="real",
            token_cache_dir=tempfile.mkdtemp(),
            throttle=limited,
            requests_per_second=RATE,
        )

    def quote(self, code: str) -> int:
        return int(self._kis.domestic.stock(code).quote().current_price)

    def order(self, code: str, price: int) -> Any:
        name = f"bench-{time.time_ns()}"
        self._kis.domestic.stock(code).buy(quantity=1, limit_price=price, client_order_id=name)
        return name

    def cancel(self, order: Any) -> None:
        self._kis.orders.cancel(order)


PEERS = {peer.package: peer for peer in (PythonKis, Mojito, KisTrader)}


def cost(peer: Any, codes: list[str], *, tasks: int, calls: int) -> dict[str, float]:
    """CPU time of this process per quote, in microseconds."""
    share = calls // tasks

    def worker(number: int) -> None:
        for n in range(share):
            peer.quote(codes[(number + n * tasks) % len(codes)])

    began = time.process_time()
    with ThreadPoolExecutor(tasks) as pool:
        list(pool.map(worker, range(tasks)))
    return {"cpu_us": (time.process_time() - began) * 1e6 / (share * tasks)}


def asks(peer: Any, codes: list[str], *, askers: int) -> dict[str, int]:
    """Many ask for one price at once."""
    with ThreadPoolExecutor(POOL) as pool:
        return {"answers": sum(1 for _ in pool.map(peer.quote, [codes[0]] * askers))}


def rate(peer: Any, codes: list[str], *, seconds: float, tasks: int) -> dict[str, int]:
    """As many quotes as the client lets through; a quote that fails is asked for again by nobody."""
    stop = time.monotonic() + seconds
    failed = []

    def worker(number: int) -> None:
        n = number
        while time.monotonic() < stop:
            try:
                peer.quote(codes[n % len(codes)])
            except Exception as failure:  # noqa: BLE001 - each client has errors of its own
                failed.append(type(failure).__name__)
                time.sleep(0.02)  # or a client without a limiter would measure how fast it can be refused
            n += tasks

    with ThreadPoolExecutor(tasks) as pool:
        list(pool.map(worker, range(tasks)))
    return {"failed": len(failed)}


def wait(peer: Any, codes: list[str], *, quotes: int, price: int) -> dict[str, float | str | None]:
    """Seconds in which one order and one cancel are answered while quotes stand in line."""
    resting = peer.order(codes[0], price)
    time.sleep(1.1)
    for n in range(quotes):
        _in_background(partial(peer.quote, codes[n % len(codes)]))
    time.sleep(0.3)
    found: dict[str, float | str | None] = {}
    jobs: dict[str, Callable[[], Any]] = {
        "order_s": lambda: peer.order(codes[0], price),
        "cancel_s": lambda: peer.cancel(resting),
    }
    threads = []
    for name, job in jobs.items():

        def timed(name: str = name, job: Callable[[], Any] = job) -> None:
            began = time.monotonic()
            try:
                job()
            except Exception as failure:  # noqa: BLE001 - each client has errors of its own
                found[name] = f"refused after {time.monotonic() - began:.1f} s ({type(failure).__name__})"
            else:
                found[name] = time.monotonic() - began

        threads.append(_in_background(timed))
        time.sleep(0.5)
    for thread in threads:
        thread.join(60)
    return found


def _in_background(job: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        with suppress(Exception):  # what becomes of the quotes is not measured here
            job()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def main() -> None:
    said, sys.stdout = sys.stdout, sys.stderr  # clients print; what is said is JSON alone
    first = json.loads(sys.stdin.readline())
    if not first["at"]["KIS_REST_URL"].startswith("http://127.0.0.1:"):
        raise SystemExit("on this machine only")
    os.chdir(tempfile.mkdtemp())
    peer = PEERS[sys.argv[1]](first["at"], first["limited"])
    peer.quote(first["codes"][0])
    said.write("{}\n")
    said.flush()
    jobs: dict[str, Callable[..., Any]] = {"cost": cost, "asks": asks, "rate": rate, "wait": wait}
    for line in sys.stdin:
        job = json.loads(line)
        said.write(json.dumps(jobs[job.pop("do")](peer, first["codes"], **job)) + "\n")
        said.flush()
    os._exit(0)  # quotes may still stand in line


if __name__ == "__main__":
    main()

"""Existing KIS clients as guests of the simulator: `make guests`.

They are installed from the package index into `.venv-guests`, an environment of their own that may be thrown
away; nothing of them is kept in this repository. Each does six things against a simulator on loopback, and the
table tells what it could not do and why.
"""

# ruff: noqa: T201  the table is what it is run for

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Literal

from kis.sim import Simulator

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv-guests"
PYTHON = HOME / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PACKAGES = {  # what each is imported as, and what it needs without saying so
    "python-kis": ("pykis", "typing_extensions"),
    "mojito2": ("mojito", "pandas"),
    "kis-trader": ("kis_trader", "requests"),
}
PROFILES: tuple[Literal["real"], Literal["paper"]] = ("real", "paper")
STEPS = ("token", "price", "balance", "limit buy", "order list", "cancel")
SECONDS = 60


def install() -> dict[str, str]:
    """Set up the guests' environment; what could not be had, and why."""
    if not PYTHON.exists():
        shutil.rmtree(HOME, ignore_errors=True)
        venv.create(HOME, with_pip=True)
    (HOME / ".gitignore").write_text("*\n", encoding="utf-8")
    missing = {}
    for package, (module, unsaid) in PACKAGES.items():
        if subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0:
            continue
        command: list[str | Path] = [
            PYTHON,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            package,
            unsaid,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            missing[package] = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    return missing


async def visit(package: str, profile: Literal["real", "paper"], *, strict: bool) -> dict[str, dict[str, object]]:
    """One guest's steps by name; `strict` wants every key in an order's body, as KIS has since 2026-08."""
    sim = Simulator(profile=profile, rate_limit=False, strict=strict)
    # One guest reads quotes from the real host, with real keys, also for a paper account.
    other = Simulator(profile="real", rate_limit=False)
    async with sim.serve() as address, other.serve() as real_address:
        keys = sim.credentials
        environment = {
            **os.environ,
            "GUEST_ADDRESS": address,
            "GUEST_ENV": profile,
            "GUEST_KEY": keys.app_key,
            "GUEST_SECRET": keys.app_secret,
            "GUEST_ACCOUNT": keys.account,
            "GUEST_HTS_ID": keys.hts_id,
            "GUEST_REAL_ADDRESS": real_address,
            "GUEST_REAL_KEY": other.credentials.app_key,
            "GUEST_REAL_SECRET": other.credentials.app_secret,
            "HOME": str(HOME / "home"),
            "NO_PROXY": "127.0.0.1",
        }
        (HOME / "home").mkdir(exist_ok=True)
        child = await asyncio.create_subprocess_exec(
            PYTHON,
            Path(__file__).with_name("visit.py"),
            package,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(child.communicate(), SECONDS)
        except TimeoutError:
            child.kill()
            await child.wait()
            out, err = b"", f"no end after {SECONDS} s".encode()
    steps = {}
    for line in out.decode(errors="replace").splitlines():
        if line.startswith('{"step"'):
            told = json.loads(line)
            steps[told["step"]] = told
    lost = (err.decode(errors="replace").strip().splitlines() or ["the guest ended early"])[-1]
    for step in STEPS:
        steps.setdefault(step, {"step": step, "ok": False, "saw": lost[:200]})
    # What a guest says it did is believed only as far as the broker's own list goes.
    orders = [order.action.value for order in sim.exchange.orders]
    for step, action in (("limit buy", "new"), ("cancel", "cancel")):
        if steps[step]["ok"] and action not in orders:
            steps[step] |= {"ok": False, "saw": "the broker has no such order"}
    return steps


def main() -> int:
    """Run all guests, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.guests", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    missing = install()
    results, notes = {}, []
    for package in PACKAGES:
        for profile in PROFILES:
            if package in missing:
                notes.append(f"{package}: not to be had from the package index: {missing[package]}")
                continue
            steps = asyncio.run(visit(package, profile, strict=False))
            results[f"{package} {profile}"] = steps
            strict = asyncio.run(visit(package, profile, strict=True))["limit buy"]
            if steps["limit buy"]["ok"] and not strict["ok"]:
                notes.append(f"{package} {profile}, limit buy with strict=True: {strict['saw']}")
            failed = [name for name in STEPS if not steps[name]["ok"]]
            notes += [f"{package} {profile}, {name}: {steps[name]['saw']}" for name in failed]
    print(f"{'guest':<18}" + "".join(f"{name:>12}" for name in STEPS))
    for guest, steps in results.items():
        print(f"{guest:<18}" + "".join(f"{'ok' if steps[name]['ok'] else 'no':>12}" for name in STEPS))
    print("\n".join(["", "What was not done, and why:", *notes] if notes else ["", "Everything was done."]))
    if options.json:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`kisbot sim`: the simulated KIS on a socket."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.cli.common import run_until_stopped, stop_with

if TYPE_CHECKING:
    import asyncio


def sim(
    host: Annotated[str, typer.Option(help="주소 · address")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="포트 · port (0: any)")] = 8800,
    profile: Annotated[
        Literal["paper", "real"], typer.Option(help="흉내 낼 환경 · which environment it plays")
    ] = "paper",
    seed: Annotated[int, typer.Option(help="난수 씨앗 · seed")] = 1,
    always_open: Annotated[
        bool, typer.Option("--always-open", help="장 시간을 따지지 않음 · ignore market hours")
    ] = False,
    scenario: Annotated[
        str,
        typer.Option(help="시장 각본 이름[:종목][@초]: gap_up, halt, vi, limit_up, limit_down, crash · market scripts"),
    ] = "",
    control: Annotated[bool, typer.Option("--control", help="/__sim__ 제어 호출 허용 · allow control calls")] = False,
) -> None:
    """모의 KIS 서버를 실제 소켓에 띄웁니다 · serve the simulated KIS on a real socket."""
    from bot.config.logging import set_up_logs
    from kis.sim import Simulator
    from kis.sim.server import env_lines

    set_up_logs()

    async def work(stop: "asyncio.Event") -> None:
        try:
            broker = Simulator(
                profile=profile, seed=seed, always_open=always_open, moving=True, control=control, scenario=scenario
            )
        except ValueError as error:
            stop_with(f"--scenario: {error}")
        async with broker.serve(host, port) as base_url:
            typer.echo(env_lines(broker.environ(base_url)))
            sys.stdout.flush()
            await stop.wait()

    run_until_stopped(work)

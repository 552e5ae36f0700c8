"""The pages of docs/kis: their examples run, against the simulator, and their names and links are real."""

from __future__ import annotations

import doctest
import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import kis
from kis import KisApi
from kis.endpoints import Env
from tests.kis.kis_scripts import simulated

DOCS = Path(__file__).parents[2] / "docs" / "kis"
PAGES = sorted(DOCS.glob("*.md"))
NAMED = {"quickstart", "quotes", "stocks", "stream", "orders", "account", "errors", "pace", "simulator"}


def text(page):
    return page.read_text(encoding="utf-8")


def examples(page):
    """Fenced blocks of Python, each with the number of lines before it."""
    for block in re.finditer(r"^```python\n(.*?)^```", text(page), re.DOTALL | re.MULTILINE):
        yield block[1], text(page)[: block.start(1)].count("\n")


def test_there_is_a_page_for_each_noun():
    assert {page.stem for page in PAGES} == NAMED | {"README"}
    assert all(list(examples(page)) for page in PAGES if page.stem in NAMED)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in NAMED], ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    with simulated(tmp_path) as (_, environ):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        names = {"__name__": page.stem}
        for block, line in examples(page):
            if ">>>" in block:
                test = doctest.DocTestParser().get_doctest(block, names, page.name, str(page), line)
                runner.run(test, out=said.write, clear_globs=False)
                names.update(test.globs)
            else:
                with redirect_stdout(io.StringIO()):
                    exec(compile("\n" * line + block, str(page), "exec"), names)
        if "api" in names:
            names["api"].close()
    assert runner.summarize(verbose=False).failed == 0, said.getvalue()


def test_every_method_and_every_error_is_told_of_and_no_other():
    told = "\n".join(map(text, PAGES))
    methods = {name for name in vars(KisApi) if re.match(r"(get|buy|sell|cancel|revise)_", name)}
    assert set(re.findall(r"\b(?:get|buy|sell|cancel|revise)_[a-z_]+\b", told)) == methods
    errors = {
        name
        for name in kis.__all__
        if isinstance(getattr(kis, name), type) and issubclass(getattr(kis, name), kis.KisError)
    }
    assert {name for name in errors if f"| `{name}` |" not in text(DOCS / "errors.md")} == set()


def test_every_outcome_of_a_sending_is_told_of_and_no_other():
    told = re.findall(r"^\| `([a-z_]+)` \|", text(DOCS / "orders.md"), re.MULTILINE)
    assert told == [outcome.value for outcome in kis.Outcome]


def test_every_setting_of_a_script_is_told_of():
    source = (DOCS.parents[1] / "kis" / "config.py").read_text(encoding="utf-8")
    assert {
        name
        for name in re.findall(r"\bKIS(?:BOT)?_[A-Z_]+\b", source)
        if f"`{name}`" not in text(DOCS / "quickstart.md")
    } == set()


def test_what_is_said_to_be_missing_on_paper_is():
    told = text(DOCS / "quotes.md") + text(DOCS / "account.md")
    missing = {
        "get_top_volume_stocks": kis.endpoints.VOLUME_RANK,
        "get_top_moving_stocks": kis.endpoints.FLUCTUATION_RANK,
        "get_holidays": kis.endpoints.HOLIDAYS,
        "get_stock_info": kis.endpoints.STOCK_INFO,
        "get_sellable": kis.endpoints.SELLABLE,
        "get_open_orders": kis.endpoints.OPEN_ORDERS,
        "get_period_profit": kis.endpoints.PERIOD_PROFIT,
    }
    for method, endpoint in missing.items():
        assert f"`{method}`" in told
        assert endpoint.tr_id(Env.PAPER, kis.Generation.CURRENT) is None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+\.md)\)", text(page)):
        assert (page.parent / target).exists(), target

"""How updates reach a bot: offsets, long polls, presses, and what the driver of tests can do."""

import asyncio

import pytest
from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import Conflict
from telegram.ext import Application, CallbackQueryHandler, CommandHandler

from tests.support.local_chat import ADMIN, STRANGER, TOKEN, TRADER, arrival, refused

BUTTONS = InlineKeyboardMarkup(
    [[InlineKeyboardButton("✅ 매수 10주", callback_data="t1"), InlineKeyboardButton("✖ 취소", callback_data="t2")]]
)


async def test_a_command_carries_its_entity_and_its_sender(bot, telegram):
    number = await telegram.send(TRADER, "/price 005930")
    (update,) = await bot.get_updates()
    message = update.message
    assert (message.message_id, message.text, message.chat.id, message.from_user.id) == (
        number,
        "/price 005930",
        TRADER,
        TRADER,
    )
    assert message.parse_entity(message.entities[0]) == "/price"
    assert message.chat.type == "private"


async def test_an_update_returns_until_a_higher_offset_confirms_it(bot, telegram):
    for text in ("하나", "둘", "셋"):
        await telegram.send(TRADER, text)
    first = await bot.get_updates()
    assert [u.message.text for u in first] == ["하나", "둘", "셋"]
    assert await bot.get_updates() == first
    assert await bot.get_updates(offset=first[1].update_id) == first[1:]
    assert await bot.get_updates(offset=first[2].update_id + 1) == ()
    assert await bot.get_updates() == ()


async def test_a_negative_offset_keeps_only_the_last_updates(bot, telegram):
    for text in ("하나", "둘", "셋"):
        await telegram.send(TRADER, text)
    assert [u.message.text for u in await bot.get_updates(offset=-1)] == ["셋"]
    assert [u.message.text for u in await bot.get_updates()] == ["셋"]


async def test_a_limit_is_kept(bot, telegram):
    for text in ("하나", "둘", "셋"):
        await telegram.send(TRADER, text)
    assert [u.message.text for u in await bot.get_updates(limit=2)] == ["하나", "둘"]


async def test_updates_are_kept_for_a_day(bot, telegram, clock):
    await telegram.send(TRADER, "어제")
    clock.forward(hours=23, minutes=59)
    await telegram.send(TRADER, "오늘")
    assert len(await bot.get_updates()) == 2
    clock.forward(minutes=2)
    assert [u.message.text for u in await bot.get_updates()] == ["오늘"]


async def test_unread_updates_outlive_the_server(telegram, http):
    await telegram.send(TRADER, "꺼져 있을 때")
    await http.get(f"/bot{TOKEN}/getUpdates")
    async with telegram.serve() as again:
        answer = await http.get(f"{again}/bot{TOKEN}/getUpdates")
    assert [u["message"]["text"] for u in answer.json()["result"]] == ["꺼져 있을 때"]


async def test_a_long_poll_answers_as_soon_as_something_comes(bot, telegram):
    poll = asyncio.create_task(bot.get_updates(timeout=20))
    await arrival(telegram, "getUpdates")
    await telegram.send(TRADER, "지금")
    (update,) = await asyncio.wait_for(poll, 2)
    assert update.message.text == "지금"


async def test_a_second_reader_ends_the_first_with_a_conflict(bot, telegram, http):
    first = asyncio.create_task(bot.get_updates(timeout=20))
    await arrival(telegram, "getUpdates")
    await http.get(f"/bot{TOKEN}/getUpdates")
    with pytest.raises(Conflict, match="only one bot instance"):
        await first


async def test_a_stopping_server_ends_long_polls_and_streams(telegram):
    async with telegram.serve() as url:
        host, port = url.removeprefix("http://").split(":")
        sockets = []
        for path in (f"/bot{TOKEN}/getUpdates?timeout=50", "/events"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            sockets.append((reader, writer))
        await sockets[1][0].readuntil(b"\r\n\r\n")
    for reader, writer in sockets:
        await asyncio.wait_for(reader.read(), 1)
        writer.close()


async def test_kinds_nobody_asked_for_are_not_queued(bot, telegram):
    await bot.get_updates(allowed_updates=["callback_query"])
    await telegram.send(TRADER, "안 들림")
    await telegram.tap_data(TRADER, 1, "t1", timeout=0)
    assert [u.callback_query.data for u in await bot.get_updates()] == ["t1"]


async def test_deleting_the_webhook_can_drop_what_waits(bot, telegram):
    await telegram.send(TRADER, "하나")
    await bot.delete_webhook()
    assert (await bot.get_webhook_info()).pending_update_count == 1
    await bot.delete_webhook(drop_pending_updates=True)
    assert await bot.get_updates() == ()


async def test_a_whole_conversation_with_a_real_application(telegram, base_url):
    async def ask(update, _context):
        await update.message.reply_html("<b>매수 확인</b>", reply_markup=BUTTONS)

    async def confirm(update, _context):
        await update.callback_query.answer("접수했습니다", show_alert=True)
        await update.callback_query.edit_message_text("접수")

    application = Application.builder().token(TOKEN).base_url(f"{base_url}/bot").build()
    application.add_handlers([CommandHandler("buy", ask), CallbackQueryHandler(confirm)])
    async with application:
        await application.start()
        await application.updater.start_polling(timeout=5)
        await telegram.send(TRADER, "/buy 005930 10")
        card = await telegram.wait(TRADER, "매수 확인")
        before = telegram.revision
        result = await telegram.tap(TRADER, card.message_id, "매수")
        assert (result.text, result.show_alert, result.answered) == ("접수했습니다", True, True)
        edited = await telegram.wait(TRADER, "접수", after=before)
        assert (edited.message_id, edited.edited, edited.buttons) == (card.message_id, True, [])
        await application.updater.stop()
        await application.stop()


async def test_a_press_is_answered_once_and_within_thirty_seconds(bot, telegram, clock):
    sent = await bot.send_message(TRADER, "확인", reply_markup=BUTTONS)
    late = await telegram.tap(TRADER, sent.message_id, "취소", timeout=0)
    assert not late.answered
    press = asyncio.create_task(telegram.tap(TRADER, sent.message_id, "취소"))
    await asyncio.sleep(0)
    first, second = [u.callback_query for u in await bot.get_updates()]
    assert await bot.answer_callback_query(second.id, "알겠습니다")
    assert (await press).text == "알겠습니다"
    with refused("query is too old"):
        await bot.answer_callback_query(second.id)
    clock.forward(seconds=31)
    with refused("query is too old"):
        await bot.answer_callback_query(first.id)


async def test_a_forged_press_names_who_pressed_not_whose_message_it_is(bot, telegram):
    sent = await bot.send_message(TRADER, "확인", reply_markup=BUTTONS)
    await telegram.tap_data(STRANGER, sent.message_id, "t1", timeout=0)
    await telegram.tap_data(STRANGER, 424242, "없는 단추", timeout=0)
    forged, on_nothing = [u.callback_query for u in await bot.get_updates()]
    assert (forged.from_user.id, forged.message.chat.id, forged.data) == (STRANGER, TRADER, "t1")
    assert (on_nothing.message.message_id, on_nothing.message.is_accessible) == (424242, False)


async def test_a_button_that_is_not_there_cannot_be_pressed(bot, telegram):
    sent = await bot.send_message(TRADER, "확인", reply_markup=BUTTONS)
    with pytest.raises(LookupError, match="✅ 매수 10주"):
        await telegram.tap(TRADER, sent.message_id, "매도")
    with pytest.raises(LookupError, match="nobody has the id 5"):
        await telegram.send(5, "안녕하세요")


async def test_waiting_tells_what_the_chat_shows_when_nothing_comes(bot, telegram):
    await bot.send_message(TRADER, "다른 말")
    with pytest.raises(TimeoutError, match="다른 말"):
        await telegram.wait(TRADER, "체결", timeout=0.01)


async def test_waiting_after_a_revision_finds_what_was_edited_away_since(bot, telegram):
    before = telegram.revision
    sent = await bot.send_message(TRADER, "일부체결 5/10주")
    await bot.edit_message_text("체결 10/10주", TRADER, sent.message_id)
    assert (await telegram.wait(TRADER, "일부체결", after=before)).text == "일부체결 5/10주"
    with pytest.raises(TimeoutError):
        await telegram.wait(TRADER, "일부체결", timeout=0.01)
    with pytest.raises(TimeoutError):
        await telegram.wait(TRADER, "체결", after=telegram.revision, timeout=0.01)


async def test_any_update_can_be_injected_and_its_chat_becomes_known(bot, telegram):
    group = {"id": -100200300, "type": "supergroup", "title": "매매방"}
    sender = {"id": ADMIN, "is_bot": False, "first_name": "김관리"}
    telegram.inject(
        {"message": {"message_id": 900, "date": 1, "chat": group, "from": sender, "text": "/stop@kisbot_demo_bot"}}
    )
    telegram.inject({"inline_query": {"id": "1", "from": sender, "query": "삼성", "offset": ""}})
    message, inline = await bot.get_updates()
    assert (message.message.chat.title, inline.inline_query.query) == ("매매방", "삼성")
    await bot.send_message(group["id"], "멈췄습니다")
    assert [m.text for m in telegram.chat(group["id"])] == ["/stop@kisbot_demo_bot", "멈췄습니다"]


async def test_an_injected_edit_changes_the_persons_message(bot, telegram):
    number = await telegram.send(TRADER, "/buy 005930 1")
    person = {"id": TRADER, "type": "private", "first_name": "이매매"}
    telegram.inject({"edited_message": {"message_id": number, "date": 1, "chat": person, "text": "/buy 005930 9"}})
    assert [(m.text, m.edited) for m in telegram.chat(TRADER)] == [("/buy 005930 9", True)]
    assert (await bot.get_updates())[-1].edited_message.text == "/buy 005930 9"


async def test_every_call_is_recorded_with_its_values_opened(bot, telegram, clock):
    await bot.send_message(TRADER, "확인", reply_markup=BUTTONS)
    recorded = telegram.calls[-1]
    assert (recorded.method, recorded.at) == ("sendMessage", clock.now)
    assert recorded.params["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "t1"

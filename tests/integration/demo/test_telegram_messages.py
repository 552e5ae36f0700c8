"""What a bot may write, and what Telegram refuses, seen through the real python-telegram-bot."""

import struct
import zlib

import pytest
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeChat,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    MessageEntity,
    ReplyParameters,
)
from telegram.error import InvalidToken
from telegram.request import HTTPXRequest

from tests.support.local_chat import ADMIN, STRANGER, TOKEN, TRADER, refused


def keyboard(*labels):
    return InlineKeyboardMarkup([[InlineKeyboardButton(label, callback_data=f"token-{label}")] for label in labels])


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(b"".join(b"\0" + b"\x20" * width for _ in range(height)))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


async def test_a_bot_learns_who_it_is(bot):
    assert (bot.id, bot.username, bot.first_name) == (123456789, "kisbot_demo_bot", "키스봇")


async def test_html_is_parsed_into_text_and_entities(bot, telegram):
    sent = await bot.send_message(
        TRADER, "  <b>삼성전자 <i>10주</i></b> &lt;71,200&gt; <code>/buy</code> /help\n", parse_mode="HTML"
    )
    shown = telegram.chat(TRADER)[-1]
    assert sent.text == shown.text == "삼성전자 10주 <71,200> /buy /help"
    assert [(e.type, sent.parse_entity(e)) for e in sent.entities] == [
        (MessageEntity.BOLD, "삼성전자 10주"),
        (MessageEntity.ITALIC, "10주"),
        (MessageEntity.CODE, "/buy"),
        (MessageEntity.BOT_COMMAND, "/help"),
    ]


async def test_entity_offsets_count_utf16_units(bot):
    sent = await bot.send_message(TRADER, "🟥🟥 <b>매수</b>", parse_mode="HTML")
    assert (sent.entities[0].offset, sent.entities[0].length) == (5, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<b>닫지 않음", "find end tag corresponding to start tag"),
        ("<b><i>엇갈림</b></i>", "unmatched end tag at byte offset 15"),
        ("</b>", "unexpected end tag"),
        ("가 < 나", "unsupported start tag"),
        ("<h1>큰 글씨</h1>", 'unsupported start tag "h1" at byte offset 0'),
        ('<span class="red">색</span>', "must have class"),
        ("<b", "unclosed start tag"),
    ],
)
async def test_broken_html_is_refused_in_telegrams_words(bot, telegram, text, reason):
    with refused(f"can't parse entities: .*{reason}"):
        await bot.send_message(TRADER, text, parse_mode="HTML")
    assert telegram.chat(TRADER) == []


@pytest.mark.parametrize(
    "tag", ["b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "code", "pre", "tg-spoiler", "blockquote"]
)
async def test_every_tag_of_telegrams_html_is_taken(bot, tag):
    sent = await bot.send_message(TRADER, f"<{tag}>글</{tag}>", parse_mode="HTML")
    assert len(sent.entities) == 1


async def test_the_length_limit_holds_after_parsing(bot):
    await bot.send_message(TRADER, "<b>" + "가" * 4096 + "</b>", parse_mode="HTML")
    with refused("message is too long"):
        await bot.send_message(TRADER, "가" * 4097)
    with refused("message is too long"):
        await bot.send_message(TRADER, "🟥" * 2049)


@pytest.mark.parametrize("text", [" ", "\n\n", "<b> </b>"])
async def test_a_message_of_nothing_is_refused(bot, text):
    with refused("text is empty"):
        await bot.send_message(TRADER, text, parse_mode="HTML")


async def test_an_unknown_chat_is_refused(bot):
    with refused("chat not found"):
        await bot.send_message(999, "누구세요")


@pytest.mark.parametrize(("size", "taken"), [(64, True), (65, False)])
async def test_callback_data_holds_64_bytes(bot, size, taken):
    markup = InlineKeyboardMarkup([[InlineKeyboardButton("확인", callback_data="x" * size)]])
    if taken:
        await bot.send_message(TRADER, "확인", reply_markup=markup)
        return
    with refused("button_data_invalid"):
        await bot.send_message(TRADER, "확인", reply_markup=markup)


async def test_an_edit_replaces_text_and_keyboard_in_place(bot, telegram, clock):
    sent = await bot.send_message(TRADER, "접수", reply_markup=keyboard("취소"))
    clock.forward(seconds=3)
    edited = await bot.edit_message_text("<b>체결</b>", TRADER, sent.message_id, parse_mode="HTML")
    (shown,) = telegram.chat(TRADER)
    assert (shown.text, shown.buttons, shown.edited) == ("체결", [], True)
    assert edited.edit_date > edited.date


async def test_an_edit_that_changes_nothing_is_refused(bot):
    sent = await bot.send_message(TRADER, "접수", reply_markup=keyboard("취소"))
    with refused("message is not modified"):
        await bot.edit_message_text("접수", TRADER, sent.message_id, reply_markup=keyboard("취소"))
    with refused("message is not modified"):
        await bot.edit_message_reply_markup(TRADER, sent.message_id, reply_markup=keyboard("취소"))


async def test_a_new_keyboard_alone_is_no_edit(bot, telegram):
    sent = await bot.send_message(TRADER, "접수", reply_markup=keyboard("취소"))
    await bot.edit_message_reply_markup(TRADER, sent.message_id, reply_markup=keyboard("승인", "거절"))
    (shown,) = telegram.chat(TRADER)
    assert not shown.edited
    assert [[key.text for key in row] for row in shown.buttons] == [["승인"], ["거절"]]


async def test_only_the_bots_own_messages_of_that_chat_can_be_edited(bot, telegram):
    theirs = await telegram.send(TRADER, "내 글")
    sent = await bot.send_message(TRADER, "봇의 글")
    with refused("message can't be edited"):
        await bot.edit_message_text("바꿈", TRADER, theirs)
    with refused("message to edit not found"):
        await bot.edit_message_text("바꿈", ADMIN, sent.message_id)


async def test_a_deleted_message_is_gone(bot, telegram):
    sent = await bot.send_message(TRADER, "지울 글")
    assert await bot.delete_message(TRADER, sent.message_id)
    assert telegram.chat(TRADER) == []
    with refused("message to delete not found"):
        await bot.delete_message(TRADER, sent.message_id)


async def test_a_reply_needs_its_original(bot, telegram):
    original = await telegram.send(TRADER, "/price 005930")
    sent = await bot.send_message(TRADER, "71,300", reply_parameters=ReplyParameters(original))
    assert sent.reply_to_message.message_id == original
    with refused("replied not found"):
        await bot.send_message(TRADER, "71,300", reply_parameters=ReplyParameters(9999))
    await bot.send_message(TRADER, "71,300", reply_parameters=ReplyParameters(9999, allow_sending_without_reply=True))


async def test_a_chart_arrives_as_a_photo(bot, telegram, http):
    sent = await bot.send_photo(TRADER, png(64, 48), caption="<b>일봉</b>", parse_mode="HTML")
    shown = telegram.chat(TRADER)[-1]
    assert (sent.photo[0].width, sent.photo[0].height) == (64, 48)
    assert (sent.caption, shown.text, shown.file.data) == ("일봉", "일봉", png(64, 48))
    page_copy = await http.get(f"/file/{shown.file.file_id}")
    assert (page_copy.content, page_copy.headers["content-type"]) == (png(64, 48), "image/png")
    again = await bot.send_photo(ADMIN, sent.photo[0].file_id)
    assert again.photo[0].file_id == sent.photo[0].file_id


async def test_a_chart_is_replaced_in_place_by_another(bot, telegram, http):
    sent = await bot.send_photo(TRADER, png(64, 48), caption="일봉", reply_markup=keyboard("주"))
    first = telegram.chat(TRADER)[-1].file
    media = InputMediaPhoto(png(32, 24), caption="<b>주봉</b>", parse_mode="HTML")
    edited = await bot.edit_message_media(media, TRADER, sent.message_id, reply_markup=keyboard("일"))
    (shown,) = telegram.chat(TRADER)
    assert (edited.photo[0].width, edited.caption, edited.edit_date is not None) == (32, "주봉", True)
    assert (shown.text, shown.file.data, shown.buttons[0][0].text) == ("주봉", png(32, 24), "일")
    assert (await http.get(f"/file/{shown.file.file_id}")).content == png(32, 24)
    assert (await http.get(f"/file/{first.file_id}")).status_code == 404


async def test_the_same_picture_again_is_no_edit_and_what_is_no_picture_replaces_none(bot, telegram):
    sent = await bot.send_photo(TRADER, png(64, 48), caption="일봉")
    same = InputMediaPhoto(sent.photo[0].file_id, caption="일봉")
    with refused("message is not modified"):
        await bot.edit_message_media(same, TRADER, sent.message_id)
    with refused("image_process_failed"):
        await bot.edit_message_media(InputMediaPhoto(b"GIF89a?"), TRADER, sent.message_id)
    with refused("caption is too long"):
        await bot.edit_message_media(InputMediaPhoto(png(8, 8), caption="가" * 1025), TRADER, sent.message_id)
    with refused("type must be photo"):
        await bot.edit_message_media(InputMediaDocument(b"x"), TRADER, sent.message_id)
    with refused("message to edit not found"):
        await bot.edit_message_media(InputMediaPhoto(png(8, 8)), TRADER, 999)
    (shown,) = telegram.chat(TRADER)
    assert (shown.file.data, shown.edited) == (png(64, 48), False)


async def test_a_picture_may_come_to_a_text(bot, telegram):
    sent = await bot.send_message(TRADER, "숫자")
    await bot.edit_message_media(InputMediaPhoto(png(8, 8), caption="그림"), TRADER, sent.message_id)
    assert telegram.chat(TRADER)[-1].file.data == png(8, 8)


async def test_what_is_no_picture_is_no_photo(bot):
    with refused("image_process_failed"):
        await bot.send_photo(TRADER, b"GIF89a?")


async def test_a_document_is_only_ever_downloaded(bot, telegram, http):
    await bot.send_document(TRADER, b"<script>1</script>", filename="기록.html", caption="감사 기록")
    file = telegram.chat(TRADER)[-1].file
    copy = await http.get(f"/file/{file.file_id}")
    assert file.name == "기록.html"
    assert copy.headers["content-disposition"].startswith("attachment")
    assert copy.headers["content-type"] == "application/octet-stream"


async def test_commands_are_kept_by_scope(bot):
    everyone = [BotCommand("help", "도움말")]
    admins = [*everyone, BotCommand("users", "사용자")]
    await bot.set_my_commands(everyone)
    await bot.set_my_commands(admins, scope=BotCommandScopeChat(ADMIN))
    assert list(await bot.get_my_commands()) == everyone
    assert list(await bot.get_my_commands(scope=BotCommandScopeChat(ADMIN))) == admins
    assert list(await bot.get_my_commands(scope=BotCommandScopeChat(STRANGER))) == []


async def test_a_command_name_is_lower_case_latin(bot):
    with refused("bot_command_invalid"):
        await bot.set_my_commands([BotCommand("매수", "주문")])


async def test_the_bot_may_describe_itself(bot):
    assert await bot.set_my_name("새 이름")
    assert await bot.set_my_description("설명")
    assert await bot.set_my_short_description("짧은 설명")
    assert (await bot.get_my_description()).description == "설명"
    assert await bot.send_chat_action(TRADER, "typing")
    assert (await bot.get_webhook_info()).url == ""


async def test_unknown_methods_and_wrong_tokens_are_refused_as_telegram_refuses_them(http, base_url):
    unknown = await http.post(f"/bot{TOKEN}/sendGold")
    assert (unknown.status_code, unknown.json()) == (404, {"ok": False, "error_code": 404, "description": "Not Found"})
    stranger = await http.post("/bot987654321:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/getMe")
    assert (stranger.status_code, stranger.json()["description"]) == (401, "Unauthorized")
    assert (await http.post("/botnonsense/getMe")).status_code == 404
    request = HTTPXRequest(httpx_kwargs={"verify": False})
    other = Bot("987654321:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", base_url=f"{base_url}/bot", request=request)
    with pytest.raises(InvalidToken):
        await other.get_me()
    await request.shutdown()


async def test_parameters_arrive_in_every_way_telegram_takes(http, telegram):
    address = f"/bot{TOKEN}/sendMessage"
    markup = '{"inline_keyboard":[[{"text":"확인","callback_data":"ok"}]]}'
    await http.get(address, params={"chat_id": TRADER, "text": "주소로"})
    await http.post(address, data={"chat_id": TRADER, "text": "양식으로", "reply_markup": markup})
    await http.post(address, files={"chat_id": (None, str(TRADER)), "text": (None, "여러 부분으로")})
    await http.post(address.replace("send", "SEND"), json={"chat_id": str(TRADER), "text": "JSON으로"})
    assert [m.text for m in telegram.chat(TRADER)] == ["주소로", "양식으로", "여러 부분으로", "JSON으로"]
    assert telegram.chat(TRADER)[1].buttons[0][0].data == "ok"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"chat_id": TRADER, "text": "x", "parse_mode": "MarkdownV2"}, "unsupported parse_mode"),
        ({"chat_id": TRADER, "text": "x", "reply_markup": "{"}, "can't parse reply markup JSON object"),
        ({"chat_id": TRADER, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "x"}]]}}, "BUTTON_TYPE"),
        ({"text": "x"}, "chat_id is empty"),
    ],
)
async def test_malformed_parameters_are_refused(call, values, reason):
    status, answer = await call("sendMessage", **values)
    assert status == 400
    assert reason in answer["description"]

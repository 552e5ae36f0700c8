// The page: people, their chats, and what is said about them. Parts live beside: stream, log, bubble, text, composer.

import { timeOf } from "./bubble.js";
import { Composer } from "./composer.js";
import { Log } from "./log.js";
import { listen, press, sendText } from "./stream.js";
import { element } from "./text.js";

const TYPING = 5000; // milliseconds a typing notice stands, as in Telegram
const TOAST = 3600;

const at = (id) => document.getElementById(id);
const logs = new Map();
let active = null;
let bot = { name: "키스봇", description: "", about: "" };
let menus = {};
let online = false;
let line = false;
let following = true; // whether the reader is at the end and wants to stay there
const typing = new Map();

const composer = new Composer(at("composer"), at("menu"), at("slash"), { send: (text) => say(text) });

/* what a person does */

async function say(text) {
  const log = active;
  const replyTo = log.replyTo?.id ?? null;
  log.replyTo = null;
  settle();
  try {
    await sendText(log.person.id, text, replyTo);
  } catch {
    toast("보내지 못했습니다. 연결되면 다시 보내 주세요.", true);
    if (!composer.value) composer.value = text;
  }
}

async function pressKey(log, message, button, key) {
  if (key.getAttribute("aria-busy") === "true") return;
  log.busy(message, button, true);
  try {
    answered(await press(log.person.id, message.id, button.data));
  } catch {
    toast("누르지 못했습니다. 연결을 확인해 주세요.", true);
  } finally {
    log.busy(message, button, false);
  }
}

function answered({ answered: came, text, show_alert: alert }) {
  if (!came) toast("봇이 아직 대답하지 않았습니다.", true);
  else if (text && alert) tell(text);
  else if (text) toast(text);
}

/* notices */

function toast(text, bad = false) {
  const made = element("div", { className: bad ? "toast bad" : "toast" }, text);
  at("toasts").append(made);
  setTimeout(() => made.remove(), TOAST + text.length * 30);
}

function tell(text) {
  at("alert-title").textContent = bot.name;
  at("alert-text").textContent = text;
  if (at("alert").open) at("alert").close();
  at("alert").showModal();
}

function openPhoto(url, alt) {
  Object.assign(at("photo-large"), { src: url, alt: alt || "사진" });
  at("photo").showModal();
}

/* what is shown */

function welcome(log) {
  const wanted = log.messages.size === 0 ? `${bot.name} ${bot.description} ${bot.about}` : "";
  if ((log.welcome?.dataset.of ?? "") === wanted) return;
  log.welcome?.remove();
  log.welcome = null;
  if (!wanted) return;
  const start = element("button", { type: "button", className: "start" }, "시작");
  start.addEventListener("click", () => say("/start"));
  const text = bot.description || bot.about || "아래에 /start 를 보내 시작하세요.";
  const face = element("img", { src: "/icon.svg", width: 64, height: 64, alt: "" });
  log.welcome = element("li", { className: "welcome", dataset: { of: wanted } }, face, element("b", {}, bot.name), element("p", {}, text), start);
  log.list.append(log.welcome);
}

function status() {
  const notice = active && typing.get(active.person.id)?.action;
  const [text, lively] = !line
    ? ["연결하는 중…", false]
    : notice
      ? [notice === "typing" ? "입력 중…" : "보내는 중…", true]
      : online
        ? ["봇 · 온라인", true]
        : ["봇이 꺼져 있습니다", false];
  if (at("status").textContent !== text) at("status").textContent = text;
  at("status").classList.toggle("active", lively);
  at("dot").classList.toggle("on", line && online);
  at("typing").hidden = !notice;
}

function settle() {
  if (!active) return;
  for (const log of logs.values()) {
    const badge = at("people").querySelector(`[data-person="${log.person.id}"] .badge`);
    badge.hidden = log.unread === 0;
    badge.textContent = log.unread > 99 ? "99+" : log.unread;
    badge.setAttribute("aria-label", `안 읽음 ${log.unread}`);
    welcome(log);
  }
  const waiting = [...logs.values()].reduce((sum, log) => sum + log.unread, 0);
  document.title = waiting > 0 ? `(${waiting}) ${bot.name}` : bot.name;
  at("bot-name").textContent = bot.name;
  at("newer").hidden = active.atEnd;
  at("newer-text").textContent = active.below > 0 ? `새 메시지 ${active.below}개` : "맨 아래로";
  at("replying").hidden = active.replyTo === null;
  at("replying-text").textContent = active.replyTo?.text.slice(0, 120) ?? "";
  replyKeys(active.replyKeys ?? []);
  composer.commands = menus[active.person.id] ?? [];
  status();
}

function replyKeys(rows) {
  const panel = at("reply-keys");
  const shown = JSON.stringify(rows);
  if (panel.dataset.shown === shown) return;
  panel.dataset.shown = shown;
  panel.hidden = rows.length === 0;
  panel.replaceChildren(
    ...rows.map((row) =>
      element(
        "div",
        {},
        ...row.map((text) => {
          const key = element("button", { type: "button" }, text);
          key.addEventListener("click", () => say(text));
          return key;
        }),
      ),
    ),
  );
}

function turnTo(log) {
  if (active) {
    active.draft = composer.value;
    active.hide();
  }
  active = log;
  history.replaceState(null, "", `#${log.person.id}`);
  for (const tab of at("people").children) {
    const mine = tab.dataset.person === String(log.person.id);
    tab.setAttribute("aria-selected", String(mine));
    tab.tabIndex = mine ? 0 : -1;
  }
  for (const other of logs.values()) {
    if (other === log) other.list.setAttribute("role", "log");
    else other.list.removeAttribute("role");
  }
  at("toasts").replaceChildren();
  composer.value = log.draft;
  composer.close();
  log.show();
  following = log.atEnd;
  settle();
}

function people(persons) {
  const names = persons.map((person) => person.id).join();
  if (at("people").dataset.names === names) return;
  at("people").dataset.names = names;
  logs.clear();
  active = null;
  at("logs").replaceChildren();
  at("people").replaceChildren(
    ...persons.map((person) => {
      const log = new Log(person, at("scroll"), { press: pressKey, open: openPhoto });
      logs.set(person.id, log);
      at("logs").append(log.list);
      const tab = element(
        "button",
        { type: "button", role: "tab", dataset: { person: person.id }, ariaSelected: "false" },
        element("span", { className: "face", ariaHidden: "true" }, [...person.name][0] ?? "?"),
        element("span", { className: "label" }, element("b", {}, person.name), element("small", {}, person.role)),
        element("span", { className: "badge", hidden: true }),
      );
      tab.setAttribute("aria-controls", "phone");
      tab.addEventListener("click", () => turnTo(log));
      return tab;
    }),
  );
}

function rested(chat) {
  clearTimeout(typing.get(chat)?.timer);
  typing.delete(chat);
  status();
}

/* what the server tells */

const told = {
  picture(event) {
    ({ bot, menus, online } = event);
    people(event.people);
    for (const log of logs.values()) log.reset(event.chats[log.person.id] ?? []);
    if (active) settle();
    else turnTo(logs.get(Number(location.hash.slice(1))) ?? logs.values().next().value);
    at("phone").dataset.ready = event.run;
  },
  message({ chat, message }) {
    const log = logs.get(chat);
    if (!log) return;
    if (!message.mine) rested(chat);
    log.take(message);
  },
  deleted({ chat, id }) {
    logs.get(chat)?.remove(id);
  },
  action({ chat, action }) {
    const end = active.atEnd;
    rested(chat);
    typing.set(chat, { action, timer: setTimeout(() => rested(chat), TYPING) });
    status();
    if (end) active.toEnd();
  },
  answered(event) {
    if (event.chat === active.person.id) answered(event);
  },
  presence(event) {
    online = event.online;
  },
  profile(event) {
    ({ bot, menus } = event);
  },
};

listen(
  (event) => {
    told[event.kind]?.(event);
    settle();
  },
  (now) => {
    line = now;
    status();
    if (now) at("offline").hidden = true;
    else setTimeout(() => (at("offline").hidden = line), 700);
  },
);

/* the rest of the furniture */

let still;
at("scroll").addEventListener("scroll", () => {
  if (!active) return;
  active.hang();
  at("scroll").classList.add("moving");
  clearTimeout(still);
  still = setTimeout(() => at("scroll").classList.remove("moving"), 900);
  following = active.atEnd;
  if (following) active.below = 0;
  at("newer").hidden = following;
});
const growth = new ResizeObserver(() => following && active?.toEnd());
growth.observe(at("scroll"));
growth.observe(at("logs"));
at("newer").addEventListener("click", () => {
  active.toEnd(true);
  settle();
});
at("logs").addEventListener("click", ({ target }) => {
  if (target.classList.contains("command") && !target.closest(".mine")) say(target.textContent);
});
at("replying-off").addEventListener("click", () => {
  active.replyTo = null;
  settle();
});
at("people").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const tabs = [...at("people").children];
  const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
  next.click();
  next.focus();
});
at("photo").addEventListener("click", () => at("photo").close());

const root = document.documentElement;
const chosen = localStorage.getItem("theme");
if (chosen) root.dataset.theme = chosen;
at("theme").addEventListener("click", () => {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});

const tick = () => (at("clock").textContent = timeOf(Date.now()));
tick();
setInterval(tick, 10_000);

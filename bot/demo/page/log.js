// One person's chat: its messages in days, what is unread, and where the reader is.

import { dayOf, draw } from "./bubble.js";
import { element } from "./text.js";

const NEAR_END = 90; // pixels from the end that still count as reading the end

export class Log {
  /** `scroll` is the element all logs share; `page` is what bubbles may ask for. */
  constructor(person, scroll, page) {
    this.person = person;
    this.unread = 0;
    this.below = 0;
    this.draft = "";
    this.replyTo = null;
    this.replyKeys = null;
    this.top = null;
    this.messages = new Map();
    this.pressing = new Set();
    this.list = element("ol", { className: "log", hidden: true, dataset: { log: person.id } });
    this.welcome = null;
    this.scroll = scroll;
    this.page = {
      ...page,
      pressing: this.pressing,
      find: (id) => this.messages.get(id),
      jump: (id) => this.jump(id),
      press: (message, button, key) => page.press(this, message, button, key),
    };
  }

  get shown() {
    return !this.list.hidden;
  }

  get atEnd() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < NEAR_END;
  }

  /** Starts over with the messages the server has; what is new since the last time counts as unread. */
  reset(messages) {
    const last = Math.max(0, ...this.messages.keys());
    const known = this.messages.size > 0;
    const end = this.atEnd;
    const top = this.scroll.scrollTop;
    this.messages.clear();
    this.list.replaceChildren();
    for (const message of messages) {
      this.messages.set(message.id, message);
      this.note(message);
      this.place(message);
      if (known && !this.shown && !message.mine && message.id > last) this.unread += 1;
    }
    if (!this.shown) return;
    if (end) this.toEnd();
    else this.scroll.scrollTop = top;
  }

  /** Takes a new or edited message; returns "new" or "edited". */
  take(message) {
    const before = this.messages.get(message.id);
    const end = this.shown && this.atEnd;
    this.messages.set(message.id, message);
    this.note(message);
    if (before) this.redraw(message, before);
    else this.place(message).classList.add("new");
    if (!before && !message.mine && !this.shown) this.unread += 1;
    if (this.shown && (end || (message.mine && !before))) this.toEnd();
    else if (this.shown && !before && !message.mine) this.below += 1;
    return before ? "edited" : "new";
  }

  remove(id) {
    const item = this.item(id);
    this.messages.delete(id);
    const day = item?.closest(".day");
    item?.remove();
    if (day && !day.querySelector(".message")) day.remove();
  }

  /** Marks the date that hangs at the top, so that it shows only while the reader moves. */
  hang() {
    const edge = this.scroll.getBoundingClientRect().top;
    for (const day of this.list.children) {
      const date = day.firstElementChild;
      date.classList.toggle("hanging", date.getBoundingClientRect().top - day.getBoundingClientRect().top > 12 && date.getBoundingClientRect().top - edge < 12);
    }
  }

  item(id) {
    return this.list.querySelector(`[data-message-id="${Number(id)}"]`);
  }

  show() {
    this.list.hidden = false;
    this.unread = 0;
    if (this.top === null) this.toEnd();
    else this.scroll.scrollTop = this.top;
  }

  hide() {
    if (!this.shown) return;
    this.top = this.atEnd ? null : this.scroll.scrollTop;
    this.list.hidden = true;
  }

  toEnd(smoothly = false) {
    this.below = 0;
    this.scroll.scrollTo({ top: this.scroll.scrollHeight, behavior: smoothly ? "smooth" : "instant" });
  }

  jump(id) {
    const item = this.item(id);
    item?.scrollIntoView({ block: "center", behavior: "smooth" });
    item?.querySelector(".bubble").classList.add("flash");
  }

  busy(message, button, busy) {
    const name = `${message.id} ${button.data}`;
    if (busy) this.pressing.add(name);
    else this.pressing.delete(name);
    const now = this.messages.get(message.id);
    const keys = this.item(message.id)?.querySelectorAll("button.key") ?? [];
    const pressable = now ? now.buttons.flat().filter((key) => !key.url) : [];
    pressable.forEach((key, index) => {
      if (key.data !== button.data || !keys[index]) return;
      if (busy) keys[index].setAttribute("aria-busy", "true");
      else keys[index].removeAttribute("aria-busy");
    });
  }

  note(message) {
    if (message.mine) this.replyTo = null;
    const { keyboard, remove_keyboard: gone, force_reply: asks } = message.reply_keyboard;
    if (keyboard) this.replyKeys = keyboard.map((row) => row.map((key) => (typeof key === "string" ? key : key.text)));
    if (gone) this.replyKeys = null;
    if (asks) this.replyTo = message;
  }

  place(message) {
    const name = dayOf(message.date);
    let day = this.list.lastElementChild;
    if (!day || day.dataset.day !== name) {
      day = element("li", { className: "day", dataset: { day: name } }, element("div", { className: "date" }, name), element("ol"));
      this.list.append(day);
    }
    const item = element("li");
    draw(item, message, this.page);
    day.querySelector("ol").append(item);
    return item;
  }

  redraw(message, before) {
    const item = this.item(message.id);
    if (!item) return;
    const held = item.contains(document.activeElement) ? document.activeElement.textContent : null;
    draw(item, message, this.page);
    if (held !== null) {
      const again = [...item.querySelectorAll("button, a")].find((one) => one.textContent === held);
      (again ?? this.scroll).focus({ preventScroll: true });
    }
    if (message.text !== before.text) item.querySelector(".bubble").classList.add("flash");
  }
}

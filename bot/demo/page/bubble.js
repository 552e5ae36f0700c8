// One message as it looks: bubble, keyboard, picture, quoted message.

import { element, webLink, write } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const time = new Intl.DateTimeFormat("ko-KR", { timeZone: "Asia/Seoul", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat("ko-KR", { timeZone: "Asia/Seoul", year: "numeric", month: "long", day: "numeric", weekday: "long" });

export const timeOf = (date) => time.format(new Date(date));
export const dayOf = (date) => day.format(new Date(date));

function icon(path, size) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true" })) {
    svg.setAttribute(name, value);
  }
  const line = document.createElementNS(SVG, "path");
  const drawn = { d: path, fill: "none", stroke: "currentColor", "stroke-width": 2.2, "stroke-linecap": "round", "stroke-linejoin": "round" };
  for (const [name, value] of Object.entries(drawn)) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

function meta(message) {
  return element(
    "span",
    { className: "meta" },
    message.edited ? element("span", { className: "edited" }, "수정됨") : null,
    element("time", { dateTime: message.date }, timeOf(message.date)),
    message.mine ? icon("m3 13 5 5L20 6", 13) : null,
  );
}

function quoted(original, onJump) {
  if (!original) return null;
  const made = element("button", { type: "button", className: "quoted" }, element("b", {}, original.mine ? "나" : "키스봇"), original.text.slice(0, 120));
  made.addEventListener("click", () => onJump(original.id));
  return made;
}

function picture(photo, alt, onOpen) {
  if (!photo) return null;
  const image = element("img", { src: photo.url, width: photo.width, height: photo.height, alt: alt || "사진", decoding: "async" });
  const made = element("button", { type: "button", className: "picture" }, image);
  made.addEventListener("click", () => onOpen(photo.url, alt));
  return made;
}

function sizeOf(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

function attachment(file) {
  if (!file) return null;
  const disc = element("i", {}, icon("M12 4v11m-5-5 5 5 5-5M5 20h14", 20));
  const label = element("span", {}, element("b", {}, file.name), element("small", {}, sizeOf(file.size)));
  return element("a", { className: "document", href: file.url, download: file.name }, disc, label);
}

function keyboard(message, pressing, onPress) {
  const rows = message.buttons.map((row) =>
    element(
      "div",
      {},
      ...row.map((button) => {
        if (button.url) return webLink(button.url, { className: "key link" }, button.text);
        const key = element("button", { type: "button", className: "key", dataset: { style: button.style } }, button.text);
        if (pressing.has(`${message.id} ${button.data}`)) key.setAttribute("aria-busy", "true");
        key.addEventListener("click", () => onPress(message, button, key));
        return key;
      }),
    ),
  );
  return rows.length > 0 ? element("div", { className: "keys", role: "group", ariaLabel: "버튼" }, ...rows) : null;
}

/**
 * Draws a message into its list item, anew after an edit.
 * `page` offers: find(id), pressing (Set), press(message, button, key), jump(id), open(url, alt).
 */
export function draw(item, message, page) {
  item.className = message.mine ? "message mine" : "message";
  item.dataset.messageId = message.id;
  item.dataset.from = message.mine ? "user" : "bot";
  const body = element("span", { className: "body" });
  write(body, message.text, message.entities);
  const bubble = element(
    "div",
    { className: "bubble" },
    message.reply_to ? quoted(page.find(message.reply_to), page.jump) : null,
    picture(message.photo, message.text, page.open),
    attachment(message.document),
    body,
    meta(message),
  );
  const keys = keyboard(message, page.pressing, page.press);
  const stack = element("div", { className: "stack" }, bubble, keys);
  stack.classList.toggle("keyed", keys !== null);
  stack.classList.toggle("pictured", Boolean(message.photo));
  item.replaceChildren(stack);
}

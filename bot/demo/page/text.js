// Text and entities become DOM here and nowhere else. Every element is one of the few below, and what the server
// says only ever becomes a text node, so no text can turn into markup.

const BLOCKS = new Set(["PRE", "BLOCKQUOTE"]);
const WEB = /^https?:\/\//i;

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(made.dataset, value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function webLink(url, properties, ...children) {
  if (!WEB.test(url)) return element("span", properties, ...children);
  return element("a", { ...properties, href: url, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

const wrap = {
  bold: () => element("b"),
  italic: () => element("i"),
  underline: () => element("u"),
  strikethrough: () => element("s"),
  code: () => element("code"),
  pre: () => element("pre", { tabIndex: 0 }),
  blockquote: () => element("blockquote"),
  expandable_blockquote: () => {
    const quote = element("blockquote", { className: "folded" });
    quote.addEventListener("click", () => quote.classList.toggle("folded"));
    return quote;
  },
  spoiler: () => {
    const hidden = element("span", { className: "spoiler", tabIndex: 0, role: "button", ariaLabel: "가린 글 보기" });
    const show = () => {
      hidden.classList.add("shown");
      hidden.removeAttribute("role");
      hidden.removeAttribute("aria-label");
    };
    hidden.addEventListener("click", show);
    hidden.addEventListener("keydown", (event) => (event.key === "Enter" || event.key === " ") && show());
    return hidden;
  },
  text_link: (entity) => webLink(entity.url, {}),
  url: (_entity, text) => webLink(text, {}),
  bot_command: () => element("button", { type: "button", className: "command" }),
};

/** Builds `text` with its entities (offsets in UTF-16 units, as in JavaScript strings) inside `parent`. */
export function write(parent, text, entities) {
  const known = entities.filter((entity) => entity.type in wrap);
  fill(parent, text, 0, text.length, known);
}

function fill(parent, text, from, to, entities) {
  let at = from;
  let rest = entities;
  while (rest.length > 0) {
    const [entity, ...others] = rest;
    const start = Math.max(entity.offset, at);
    const end = Math.min(entity.offset + entity.length, to);
    const inside = others.filter((other) => other.offset < end && other.offset >= entity.offset);
    rest = others.filter((other) => !inside.includes(other));
    if (end <= start) continue;
    if (start > at) parent.append(text.slice(at, start));
    const made = wrap[entity.type](entity, text.slice(start, end));
    fill(made, text, start, end, inside);
    parent.append(made);
    // a block ends its own line: the line break behind it would show as an empty line
    at = BLOCKS.has(made.tagName) && end < to && text[end] === "\n" ? end + 1 : end;
  }
  if (at < to) parent.append(text.slice(at, to));
}

// Where a person writes: the growing field, the menu of commands, and Enter, which must never send half a syllable.

import { element } from "./text.js";

const TALLEST = 132; // pixels

export class Composer {
  constructor(form, menu, slash, { send }) {
    this.form = form;
    this.field = form.querySelector("textarea");
    this.button = form.querySelector("[type=submit]");
    this.menu = menu;
    this.slash = slash;
    this.send = send;
    this.commands = [];
    this.offered = [];
    this.chosen = 0;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.field.addEventListener("input", () => this.changed());
    this.field.addEventListener("keydown", (event) => this.key(event));
    slash.addEventListener("click", () => this.toggle());
    document.addEventListener("pointerdown", (event) => {
      if (!menu.contains(event.target) && !form.contains(event.target)) this.close();
    });
  }

  get value() {
    return this.field.value;
  }

  set value(text) {
    this.field.value = text;
    this.changed();
  }

  submit() {
    const text = this.value.trim();
    if (!text) return;
    this.value = "";
    this.field.focus();
    this.send(text);
  }

  changed() {
    this.button.disabled = !this.value.trim();
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight, TALLEST)}px`;
    if (/^\/[A-Za-z0-9_]*$/.test(this.value)) this.offer(this.value.slice(1).toLowerCase());
    else this.close();
  }

  key(event) {
    // keyCode 229: the key belongs to an input method, also in browsers that end the composition first
    if (event.isComposing || event.keyCode === 229) return;
    const open = !this.menu.hidden;
    const exact = this.offered.some((one) => `/${one.command}` === this.value.trim());
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      this.choose(this.chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (open && event.key === "Escape") {
      this.close();
    } else if (open && this.offered.length > 0 && event.key === "Tab" && !event.shiftKey) {
      this.complete();
    } else if (open && this.offered.length > 0 && event.key === "Enter" && !event.shiftKey && !exact) {
      this.complete();
    } else if (event.key === "Enter" && !event.shiftKey) {
      this.submit();
    } else {
      return;
    }
    event.preventDefault();
  }

  complete() {
    this.value = `/${this.offered[this.chosen].command} `;
    this.field.focus();
  }

  toggle() {
    if (!this.menu.hidden) {
      this.close();
      return;
    }
    this.offer("");
    this.field.focus();
  }

  offer(start) {
    this.offered = this.commands.filter((one) => one.command.startsWith(start));
    if (this.offered.length === 0 && start) {
      this.close();
      return;
    }
    this.menu.replaceChildren(
      ...this.offered.map((one, index) => {
        const line = element(
          "li",
          { id: `command-${index}`, role: "option", dataset: { command: one.command } },
          element("b", {}, `/${one.command}`),
          element("span", {}, one.description),
        );
        line.addEventListener("pointermove", () => this.choose(index));
        line.addEventListener("click", () => {
          this.value = "";
          this.close();
          this.send(`/${one.command}`);
        });
        return line;
      }),
    );
    if (this.offered.length === 0) this.menu.append(element("li", { className: "none" }, "아직 명령이 없습니다"));
    this.menu.hidden = false;
    this.slash.setAttribute("aria-expanded", "true");
    this.field.setAttribute("aria-controls", this.menu.id);
    this.choose(0);
  }

  choose(index) {
    if (this.offered.length === 0) return;
    this.chosen = (index + this.offered.length) % this.offered.length;
    [...this.menu.children].forEach((line, at) => line.setAttribute("aria-selected", String(at === this.chosen)));
    this.menu.children[this.chosen].scrollIntoView({ block: "nearest" });
    this.field.setAttribute("aria-activedescendant", `command-${this.chosen}`);
  }

  close() {
    this.menu.hidden = true;
    this.slash.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }
}

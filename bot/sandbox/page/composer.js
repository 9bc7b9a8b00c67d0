// The message box: plain words, or a slash command with completion.

import { h } from "./dom.js";
import { state } from "./state.js";

export function composer({ id, hint, commands, send }) {
  const text = h("textarea", { id, rows: 1, placeholder: hint, "aria-label": hint, autocomplete: "off", enterKeyHint: "send" });
  const menu = h("ul", { class: "completions", role: "listbox", id: `${id}-menu`, "aria-label": "Commands", hidden: true });
  const usage = h("p", { class: "usage", hidden: true });
  const button = h("button", { class: "button primary send", type: "submit", "aria-label": "Send" }, h("span", { "aria-hidden": "true" }, "➤"));
  const form = h("form", { class: "composer" }, menu, usage, h("div", { class: "composer-row" }, text, button));
  let chosen = 0;

  const matches = () => {
    const typed = text.value;
    if (!commands || !typed.startsWith("/") || /\s/.test(typed)) return [];
    return state.commands.filter((one) => one.command.startsWith(typed.toLowerCase()));
  };
  const known = () => commands && state.commands.find((one) => one.command === text.value.split(/\s/)[0]);

  function offer() {
    const found = matches();
    chosen = Math.min(chosen, Math.max(0, found.length - 1));
    menu.hidden = !found.length;
    menu.replaceChildren(...found.map((one, at) => h("li", { role: "option", id: `${id}-option-${at}`, "aria-selected": String(at === chosen), onmousedown: (event) => { event.preventDefault(); take(one); } },
      h("span", { class: "command" }, one.command), h("span", { class: "usage-hint" }, one.usage_hint), h("span", { class: "hint" }, one.description))));
    menu.children[chosen]?.scrollIntoView({ block: "nearest" });
    text.setAttribute("aria-expanded", String(!menu.hidden));
    if (found.length) text.setAttribute("aria-activedescendant", `${id}-option-${chosen}`);
    else text.removeAttribute("aria-activedescendant");
    const one = found.length ? null : known();
    usage.hidden = !one;
    usage.textContent = one ? `${one.command} ${one.usage_hint}  ${one.description}` : "";
    text.rows = Math.min(8, text.value.split("\n").length);
  }

  function take(one) {
    text.value = `${one.command} `;
    text.focus();
    offer();
  }

  async function submit() {
    const words = text.value.trim();
    if (!words) return;
    text.value = "";
    offer();
    await send(words);
  }

  text.addEventListener("input", () => { chosen = 0; offer(); });
  text.addEventListener("blur", () => { menu.hidden = true; });
  text.addEventListener("keydown", (event) => {
    const found = menu.hidden ? [] : matches();
    if (found.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
      offer();
    } else if (found.length && (event.key === "Tab" || (event.key === "Enter" && found[chosen].command !== text.value.trim()))) {
      event.preventDefault();
      take(found[chosen]);
    } else if (event.key === "Escape" && !menu.hidden) {
      menu.hidden = true;
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  text.setAttribute("role", "combobox");
  text.setAttribute("aria-controls", `${id}-menu`);
  text.setAttribute("aria-expanded", "false");
  return form;
}

// What a person presses, chooses or fills in. Each field node has `read()`, its value for the desk.

import { dialog, h, toast } from "./dom.js";
import { mrkdwn, plain } from "./mrkdwn.js";

export function element(item, act, id) {
  const make = MAKE[item.type];
  if (!make) return h("span", { class: "hint" }, `(${item.type})`);
  const node = make(item, act && guarded(item, act), id);
  node.dataset.action = item.action_id ?? "";
  return node;
}

// Ask first when the desk wants that, and show that a press is on its way.
function guarded(item, act) {
  return async (value, node) => {
    if (item.confirm && !(await sure(item.confirm))) return;
    node?.setAttribute("aria-busy", "true");
    if (node && "disabled" in node) node.disabled = true;
    try {
      await act(item.action_id, value);
    } catch (error) {
      toast(error.message);
    } finally {
      node?.removeAttribute("aria-busy");
      if (node && "disabled" in node) node.disabled = false;
    }
  };
}

function sure(confirm) {
  return new Promise((resolve) => {
    const box = dialog("ask", plain(confirm.title?.text ?? "Are you sure?"));
    const answer = (value) => () => { box.close(value); };
    const deny = h("button", { class: "button", onclick: answer("") }, plain(confirm.deny?.text ?? "Cancel"));
    const style = confirm.style === "danger" ? "danger" : "primary";
    const yes = h("button", { class: `button ${style}`, onclick: answer("yes") }, plain(confirm.confirm?.text ?? "Yes"));
    const words = confirm.text?.type === "plain_text" ? [plain(confirm.text.text)] : mrkdwn(confirm.text?.text ?? "");
    box.append(h("h2", {}, plain(confirm.title?.text ?? "Are you sure?")), h("div", { class: "text" }, ...words), h("div", { class: "ask-buttons" }, deny, yes));
    yes.focus();
    box.addEventListener("close", () => resolve(box.returnValue === "yes"));
  });
}

function button(item, press) {
  const words = plain(item.text.text);
  const label = item.accessibility_label ?? undefined;
  if (item.url && /^https?:/i.test(item.url)) {
    return h("a", { class: "button", href: item.url, target: "_blank", rel: "noopener noreferrer", "aria-label": label, onclick: () => press?.() }, words);
  }
  const node = h("button", { class: `button ${item.style ?? ""}`, type: "button", "aria-label": label, onclick: () => press?.(undefined, node) }, words);
  return node;
}

const listed = (item) => item.options ?? (item.option_groups ?? []).flatMap((group) => group.options);

function select(item, press, id) {
  const first = item.initial_option?.value ?? "";
  const hint = h("option", { value: "", disabled: Boolean(press), selected: !first }, plain(item.placeholder?.text ?? "Choose…"));
  const choices = listed(item).map((one) => h("option", { value: one.value, selected: one.value === first }, plain(one.text.text)));
  const node = h("select", { class: "select", id, "aria-label": item.placeholder?.text ?? "Choose" }, hint, choices);
  if (press) node.addEventListener("change", () => press(node.value, node));
  node.read = () => node.value;
  return node;
}

function overflow(item, press) {
  const menu = h("div", { class: "overflow-menu", role: "menu", hidden: true });
  const toggle = h("button", { class: "button", type: "button", "aria-label": "More", "aria-haspopup": "menu", onclick: () => { menu.hidden = !menu.hidden; menu.firstChild?.focus(); } }, "⋯");
  menu.append(...item.options.map((one) => h("button", { role: "menuitem", type: "button", onclick: () => { menu.hidden = true; press?.(one.value, toggle); } }, plain(one.text.text))));
  const node = h("div", { class: "overflow" }, toggle, menu);
  node.addEventListener("keydown", (event) => { if (event.key === "Escape") { menu.hidden = true; toggle.focus(); } });
  node.addEventListener("focusout", (event) => { if (!node.contains(event.relatedTarget)) menu.hidden = true; });
  return node;
}

function choices(kind) {
  return (item, press, id) => {
    const on = new Set([item.initial_option, ...(item.initial_options ?? [])].filter(Boolean).map((one) => one.value));
    const boxes = item.options.map((one) => h("input", { type: kind, name: id ?? item.action_id, value: one.value, checked: on.has(one.value) }));
    const lines = item.options.map((one, at) => h("label", { class: "choice" }, boxes[at], h("span", {}, ...mrkdwn(one.text.text))));
    const node = h("fieldset", { class: "choices", id }, lines);
    node.read = () => { const got = boxes.filter((box) => box.checked).map((box) => box.value); return kind === "radio" ? got[0] ?? "" : got; };
    if (press) node.addEventListener("change", () => press(node.read()));
    return node;
  };
}

function field(type) {
  return (item, press, id) => {
    const value = Object.entries(item).find(([name]) => name.startsWith("initial_"))?.[1] ?? "";
    const common = { class: "field", id, value, placeholder: item.placeholder?.text ?? "" };
    const limits = { maxLength: item.max_length ?? 3000 };
    const node = item.multiline ? h("textarea", { ...common, ...limits, rows: 4 }) : h("input", { ...common, ...(type === "text" ? limits : {}), type, step: item.is_decimal_allowed ? "any" : undefined });
    node.read = () => node.value;
    if (press) node.addEventListener("change", () => press(node.value));
    return node;
  };
}

const MAKE = {
  button,
  overflow,
  static_select: select,
  multi_static_select: choices("checkbox"),
  radio_buttons: choices("radio"),
  checkboxes: choices("checkbox"),
  plain_text_input: field("text"),
  number_input: field("number"),
  email_text_input: field("email"),
  url_text_input: field("url"),
  datepicker: field("date"),
  timepicker: field("time"),
};

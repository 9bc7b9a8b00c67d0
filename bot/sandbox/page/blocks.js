// Block Kit as nodes. `act(actionId, value)` is called when a person presses or chooses.

import { dialog, h } from "./dom.js";
import { element } from "./elements.js";
import { mrkdwn, plain } from "./mrkdwn.js";
import { richText } from "./rich.js";

export const textNodes = (object) => (object.type === "plain_text" ? [plain(object.text)] : mrkdwn(object.text));

export function renderBlocks(blocks, act) {
  return blocks.map((block) => {
    const render = RENDER[block.type];
    return render ? render(block, act) : h("p", { class: "hint" }, `(a ${block.type} block, which this page does not draw)`);
  });
}

const sourceOf = (block) => block.image_url ?? block.slack_file.url ?? `/files/${encodeURIComponent(block.slack_file.id)}`;

export function picture(source, alt, title) {
  const url = new URL(source, location.href);
  const ours = ["127.0.0.1", "localhost"].includes(url.hostname) && url.port === location.port;
  if (!ours) return h("p", { class: "hint" }, `Picture from outside, not loaded: ${alt}`);
  const image = h("img", { src: url.pathname, alt, loading: "lazy", decoding: "async" });
  const open = h("button", { class: "picture", "aria-label": `Enlarge: ${alt || title}`, onclick: () => enlarge(url.pathname, alt, title) }, image);
  return h("figure", {}, title ? h("figcaption", {}, title) : null, open);
}

function enlarge(source, alt, title) {
  const box = dialog("lightbox", title || alt, h("img", { src: source, alt }), h("p", {}, title || alt));
  const close = h("button", { class: "icon-button close", "aria-label": "Close", onclick: () => box.close() }, "✕");
  box.prepend(close);
  box.addEventListener("click", () => box.close());
}

function section(block, act) {
  const body = [];
  if (block.text) body.push(h("div", { class: "text" }, ...textNodes(block.text)));
  if (block.fields) body.push(h("div", { class: "fields" }, block.fields.map((field) => h("div", { class: "text" }, ...textNodes(field)))));
  const beside = block.accessory;
  if (!beside) return h("div", { class: "section" }, body);
  const side = beside.type === "image" ? picture(sourceOf(beside), beside.alt_text) : element(beside, act);
  return h("div", { class: "section with-accessory" }, h("div", { class: "section-body" }, body), h("div", { class: "accessory" }, side));
}

function input(block, act) {
  const id = `field-${block.block_id}`;
  const field = element(block.element, block.dispatch_action ? act : null, id);
  field.dataset.block = block.block_id;
  const label = h("label", { htmlFor: id }, plain(block.label.text), block.optional ? h("span", { class: "hint" }, " (optional)") : null);
  const error = h("p", { class: "field-error", id: `${id}-error`, role: "alert", hidden: true });
  return h("div", { class: "input" }, label, field, block.hint ? h("p", { class: "hint" }, plain(block.hint.text)) : null, error);
}

function table(block) {
  const cell = (one) => (one.type === "rich_text" ? richText(one) : [plain(String(one.text ?? one.value ?? ""))]);
  const [head, ...rows] = block.rows;
  const line = (tag) => (row) => h("tr", {}, row.map((one, at) => {
    const align = block.column_settings?.[at]?.align ?? (one.type === "raw_number" ? "right" : "left");
    return h(tag, { class: `to-${align}` }, ...cell(one));
  }));
  const caption = block.caption ? h("caption", {}, plain(block.caption.text ?? block.caption)) : null;
  return h("div", { class: "table", tabIndex: 0 }, h("table", {}, caption, h("thead", {}, line("th")(head)), h("tbody", {}, rows.map(line("td")))));
}

const bare = (text) => text.replace(/\*\*(.+?)\*\*/g, "*$1*").replace(/^#{1,6} (.+)$/gm, "*$1*").replace(/\[([^\]]+)\]\((https?:[^)]+)\)/g, "<$2|$1>");

const RENDER = {
  header: (block) => h("h2", { class: "block-header" }, plain(block.text.text)),
  section,
  divider: () => h("hr", {}),
  context: (block) => h("div", { class: "context" }, block.elements.map((one) =>
    one.type === "image" ? picture(sourceOf(one), one.alt_text) : h("span", {}, ...textNodes(one)))),
  actions: (block, act) => h("div", { class: "actions" }, block.elements.map((one) => element(one, act))),
  context_actions: (block, act) => h("div", { class: "actions" }, block.elements.map((one) => element(one, act))),
  image: (block) => picture(sourceOf(block), block.alt_text, block.title?.text),
  input,
  rich_text: (block) => h("div", { class: "text" }, ...richText(block)),
  markdown: (block) => h("div", { class: "text" }, ...mrkdwn(bare(block.text))),
  table,
  data_table: table,
  alert: (block) => h("p", { class: "alert", role: "alert" }, ...textNodes(block.text)),
};

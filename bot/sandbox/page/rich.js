// rich_text blocks as nodes.

import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { link, nameOf } from "./mrkdwn.js";
import { dateWords } from "./time.js";

const STYLES = { bold: "strong", italic: "em", strike: "s", code: "code" };

function leaf(item) {
  const made = {
    text: () => item.text,
    link: () => link(item.url, item.text ?? item.url),
    user: () => h("span", { class: "mention" }, `@${nameOf(item.user_id)}`),
    channel: () => h("span", { class: "mention" }, `#${item.channel_id}`),
    broadcast: () => h("span", { class: "mention me" }, `@${item.range}`),
    emoji: () => emoji(item.name),
    date: () => dateWords(`!date^${item.timestamp}^${item.format}`, item.fallback ?? ""),
  }[item.type];
  let node = made ? made() : "";
  for (const [style, tag] of Object.entries(STYLES)) if (item.style?.[style]) node = h(tag, {}, node);
  return node;
}

const PARTS = {
  rich_text_section: (part) => h("span", {}, part.elements.map(leaf)),
  rich_text_quote: (part) => h("blockquote", {}, part.elements.map(leaf)),
  rich_text_preformatted: (part) => h("pre", {}, h("code", {}, part.elements.map(leaf))),
  rich_text_list: (part) => h(part.style === "ordered" ? "ol" : "ul", {}, part.elements.map((one) => h("li", {}, one.elements.map(leaf)))),
};

export const richText = (block) => block.elements.map((part) => PARTS[part.type]?.(part) ?? "");

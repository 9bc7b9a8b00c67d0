// Slack's mrkdwn as nodes: bold, italics, strike, code, quotes, links, mentions, dates, emoji.

import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { dateWords } from "./time.js";
import { state } from "./state.js";

const decode = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

const TOKEN = /```([\s\S]+?)```|`([^`\n]+)`|<([^<>\n]+)>|(?<![\p{L}\p{N}*])\*(?=\S)([^*\n]*[^*\s])\*(?![\p{L}\p{N}*])|(?<![\p{L}\p{N}_])_(?=\S)([^_\n]*[^_\s])_(?![\p{L}\p{N}_])|(?<![\p{L}\p{N}~])~(?=\S)([^~\n]*[^~\s])~(?![\p{L}\p{N}~])|:([a-z0-9_+-]+):/gu;

export function plain(text) {
  return decode(text).replace(/:([a-z0-9_+-]+):/g, (_, name) => emoji(name));
}

export function mrkdwn(text) {
  const nodes = [];
  let quote = [];
  const flush = () => {
    if (quote.length) nodes.push(h("blockquote", {}, ...inline(quote.join("\n"))));
    quote = [];
  };
  const parts = text.split(/(```[\s\S]+?```)/);
  for (const part of parts) {
    if (part.startsWith("```")) { flush(); nodes.push(...inline(part)); continue; }
    const lines = part.split("\n");
    let run = [];
    const say = () => { if (run.length) nodes.push(...inline(run.join("\n"))); run = []; };
    for (const line of lines) {
      if (line.startsWith("&gt;") || line.startsWith(">")) { say(); quote.push(line.replace(/^(&gt;|>) ?/, "")); }
      else { flush(); run.push(line); }
    }
    flush();
    say();
  }
  return nodes;
}

function inline(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > from) nodes.push(decode(text.slice(from, match.index)));
    nodes.push(token(match));
    from = match.index + match[0].length;
  }
  if (from < text.length) nodes.push(decode(text.slice(from)));
  return nodes;
}

function token([whole, block, code, angle, bold, italic, strike, short]) {
  if (block !== undefined) return h("pre", {}, h("code", {}, decode(block.replace(/^\n/, ""))));
  if (code !== undefined) return h("code", {}, decode(code));
  if (angle !== undefined) return reference(angle);
  if (bold !== undefined) return h("strong", {}, ...inline(bold));
  if (italic !== undefined) return h("em", {}, ...inline(italic));
  if (strike !== undefined) return h("s", {}, ...inline(strike));
  return short !== undefined ? emoji(short) : whole;
}

export const nameOf = (user) => state.people.get(user)?.name ?? user;

export function link(url, words) {
  const safe = /^(https?:|mailto:)/i.test(url);
  return safe ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, words) : words;
}

function reference(angle) {
  const [target, words] = angle.split(/\|(.*)/s);
  if (target.startsWith("@")) return h("span", { class: target.slice(1) === state.user ? "mention me" : "mention" }, `@${nameOf(target.slice(1))}`);
  if (target.startsWith("#")) return h("span", { class: "mention" }, `#${words || state.channels.get(target.slice(1))?.name || target.slice(1)}`);
  if (target.startsWith("!date^")) return dateWords(target, decode(words ?? ""));
  if (target.startsWith("!")) return h("span", { class: "mention me" }, words ? decode(words) : `@${target.slice(1).split("^")[0]}`);
  return link(decode(target), decode(words ?? target.replace(/^mailto:/, "")));
}

// Messages as a person reads them.

import { h, settle, toast } from "./dom.js";
import { emoji } from "./emoji.js";
import { picture, renderBlocks } from "./blocks.js";
import { mrkdwn, nameOf } from "./mrkdwn.js";
import { post } from "./net.js";
import { state } from "./state.js";
import { clock, dayKey, dayWords, full } from "./time.js";

const GROUP_SECONDS = 300;

export function avatar(user) {
  const initials = nameOf(user).split(" ").map((word) => word[0]).slice(0, 2).join("");
  const tone = [...user].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 6;
  return h("span", { class: user === state.bot ? "avatar bot" : `avatar tone-${tone}`, "aria-hidden": "true" }, user === state.bot ? "" : initials);
}

const made = new WeakMap();

// The node of a message that has not changed is the node it had.
function kept(place, message, grouped, options) {
  if (!made.has(place)) made.set(place, new Map());
  const nodes = made.get(place);
  const print = JSON.stringify([message, grouped, state.user]);
  const old = nodes.get(message.ts);
  if (old?.print === print) return old.node;
  const node = renderMessage(message, grouped, options);
  nodes.set(message.ts, { print, node });
  return node;
}

function line(place, name, key, words) {
  const found = [...place.children].find((one) => one.dataset.line === key);
  return found ?? h("div", { class: name, role: "separator", dataset: { line: key } }, h("span", {}, words));
}

// Show messages in `place`: day lines, the line above what is new, messages of one speaker together.
export function showList(place, messages, options = {}) {
  const nodes = [];
  let before = null;
  let marked = false;
  for (const message of messages) {
    const newDay = !before || dayKey(before.ts) !== dayKey(message.ts);
    if (newDay && !options.thread) nodes.push(line(place, "day", dayWords(message.ts), dayWords(message.ts)));
    if (options.newFrom && !marked && message.ts > options.newFrom && message.user !== state.user) {
      marked = true;
      if (nodes.length) nodes.push(line(place, "new-line", "new", "New"));
      before = null;
    }
    nodes.push(kept(place, message, !newDay && follows(before, message), options));
    if (options.thread && !before) nodes.push(line(place, "day", countWords(messages), countWords(messages)));
    before = message;
  }
  settle(place, nodes);
}

const countWords = ({ length }) => (length === 1 ? "No replies yet" : `${length - 1} ${length === 2 ? "reply" : "replies"}`);

function follows(before, message) {
  const same = before && before.user === message.user && Boolean(before.ephemeral) === Boolean(message.ephemeral);
  return same && message.ts - before.ts < GROUP_SECONDS && !before.blocks?.length && !message.blocks?.length;
}

function renderMessage(message, grouped, { openThread } = {}) {
  const isBot = message.user === state.bot;
  const top = h("div", { class: "message-top" }, h("strong", { class: "speaker" }, nameOf(message.user)), isBot ? h("span", { class: "tag" }, "app") : null,
    h("time", { title: full(message.ts) }, clock(message.ts)));
  const body = h("div", { class: "message-body" }, grouped ? null : top, ...content(message));
  const head = !message.thread_ts || message.thread_ts === message.ts;
  if (openThread && !message.ephemeral) body.append(footer(message, openThread, head));
  if (message.ephemeral) body.append(whisper(message));
  const classes = ["message", grouped ? "grouped" : "", message.ephemeral ? "whisper" : ""];
  const left = grouped ? h("time", { class: "gutter", title: full(message.ts) }, clock(message.ts)) : avatar(message.user);
  return h("article", { class: classes.join(" "), tabIndex: -1, dataset: { ts: message.ts }, "aria-label": `${nameOf(message.user)}, ${clock(message.ts)}` }, left, body);
}

function content(message) {
  const parts = [];
  const press = (action_id, value) =>
    post("/_drive/press", { user: state.user, channel: message.channel, ts: message.ts, action_id, ...(value === undefined ? {} : { value }) });
  if (message.subtype === "thread_broadcast") parts.push(h("p", { class: "hint" }, "replied to a thread"));
  if (message.blocks?.length) {
    const card = message.blocks.some((block) => ["actions", "header"].includes(block.type));
    parts.push(h("div", { class: card ? "blocks card" : "blocks" }, renderBlocks(message.blocks, press)));
  } else if (message.text) {
    parts.push(h("div", { class: "text" }, ...mrkdwn(message.text), message.edited ? h("span", { class: "hint" }, " (edited)") : null));
  }
  for (const file of message.files ?? []) parts.push(fileNode(file));
  if (message.reactions?.length) parts.push(h("div", { class: "reactions" }, message.reactions.map((one) => h("span", { class: "reaction", title: one.users.map(nameOf).join(", ") }, `${emoji(one.name)} ${one.count}`))));
  return parts;
}

function fileNode(file) {
  if (/^image\/(png|jpeg|gif|webp)$/.test(file.mimetype)) return picture(file.url_private, file.alt_txt || file.title, file.title);
  return h("a", { class: "file", href: new URL(file.url_private).pathname, download: file.name }, `📄 ${file.title} · ${Math.ceil(file.size / 1024)} kB`);
}

function footer(message, openThread, head) {
  const count = message.reply_count ?? 0;
  const words = count ? `${count} ${count === 1 ? "reply" : "replies"}` : head ? "Reply" : "View thread";
  const last = count ? h("span", { class: "hint" }, ` last ${clock(message.latest_reply)}`) : null;
  return h("button", { class: count ? "replies" : "replies quiet", onclick: () => openThread(message.thread_ts ?? message.ts) }, words, last);
}

function whisper(message) {
  const forget = () => post("/_page/forget", { user: state.user, ts: message.ts }).catch((error) => toast(error.message));
  const dismiss = message.local ? null : h("button", { class: "link-button", onclick: forget }, "Dismiss");
  return h("p", { class: "whisper-note" }, "Only visible to you", dismiss ? " · " : null, dismiss);
}

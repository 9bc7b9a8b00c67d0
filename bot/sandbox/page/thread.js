// The thread beside the channel; over it on a phone.

import { byId, fill, h, toast } from "./dom.js";
import { composer } from "./composer.js";
import { showList } from "./messages.js";
import { get, post } from "./net.js";
import { drop, place, state } from "./state.js";

let back = null;

export async function openThread(head) {
  back = document.activeElement;
  state.head = head;
  await loadThread();
  const panel = byId("thread");
  const say = (text) => post("/_page/say", { user: state.user, channel: state.place.id, text, thread_ts: head }).catch((error) => toast(error.message));
  fill(panel,
    h("header", { class: "bar" }, h("button", { class: "icon-button", "aria-label": "Close thread", id: "thread-close", onclick: closeThread }, "✕"),
      h("div", { class: "bar-words" }, h("h2", {}, "Thread"), h("p", {}, `#${state.channels.get(state.place.id)?.name ?? ""}`))),
    h("div", { class: "scroll", id: "thread-scroll" }, h("div", { class: "list", id: "thread-list", role: "log", "aria-live": "polite" })),
    h("div", { class: "composer-place" }, composer({ id: "thread-text", hint: "Reply…", commands: false, send: say })));
  panel.hidden = false;
  document.body.classList.add("with-thread");
  renderThread();
  byId("thread-close").focus({ preventScroll: true });
}

export function closeThread() {
  state.head = null;
  byId("thread").hidden = true;
  document.body.classList.remove("with-thread");
  if (back?.isConnected) back.focus({ preventScroll: true });
}

export async function loadThread() {
  const found = await get("/_page/messages", { user: state.user, channel: state.place.id, thread_ts: state.head });
  state.thread = found.messages;
}

export function renderThread() {
  if (!state.head) return;
  showList(byId("thread-list"), state.thread, { thread: true });
  const scroll = byId("thread-scroll");
  scroll.scrollTop = scroll.scrollHeight;
}

export function threadHeard(kind, message) {
  if (!state.head || message.channel !== state.place.id) return;
  if (kind === "deleted") drop(state.thread, message.ts);
  else if (message.ts === state.head || message.thread_ts === state.head) place(state.thread, message);
  else return;
  renderThread();
}

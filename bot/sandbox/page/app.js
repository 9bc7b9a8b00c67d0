// The page: loads what there is, listens to what happens, and shows the place a person is in.

import { byId, fill, h, toast } from "./dom.js";
import { renderBlocks } from "./blocks.js";
import { composer } from "./composer.js";
import { showList } from "./messages.js";
import { showViews } from "./modals.js";
import { get, listen, post } from "./net.js";
import { renderSidebar } from "./sidebar.js";
import { drop, isHead, place, state } from "./state.js";
import { closeThread, loadThread, openThread, renderThread, threadHeard } from "./thread.js";

const EMPTY = {
  "ml-signals": ["Quiet so far", "Type / for commands. A proposal card appears here within about two minutes; press Approve to open a paper position."],
  "daily-reports": ["No report yet", "The desk reports at 07:00 and 19:00. Type /report daily for one now."],
  "system-alerts": ["All quiet", "Critical issues appear here, and only those."],
  general: ["Nobody has spoken", "This channel is yours; the desk is not in it."],
};

const sidebar = () => { renderSidebar({ go, become }); showConnection(); };

// A desk that is gone must be seen on a phone too, where the sidebar is folded away.
function showConnection() {
  const bar = byId("lost");
  const gone = state.met && !state.online;
  bar.hidden = !gone;
  bar.textContent = gone ? "Desk not connected. The page comes back by itself when the desk runs again." : "";
  for (const field of document.querySelectorAll(".composer textarea, .composer .send")) field.disabled = gone;
}

// Who reads the newest stays there, also when a picture arrives late or the window changes.
let pinned = true;
const atBottom = () => pinned;
const toBottom = () => { const s = byId("scroll"); s.scrollTop = s.scrollHeight; pinned = true; };
byId("scroll").addEventListener("scroll", () => { const s = byId("scroll"); pinned = s.scrollHeight - s.scrollTop - s.clientHeight < 80; }, { passive: true });
const keepPinned = new ResizeObserver(() => { if (pinned && state.place.kind === "channel") toBottom(); });
keepPinned.observe(byId("list"));
keepPinned.observe(byId("scroll"));

async function load() {
  const told = await get("/_page/state", { user: state.user });
  state.people = new Map(told.people.map((one) => [one.id, one]));
  state.channels = new Map(told.channels.map((one) => [one.id, one]));
  Object.assign(state, { commands: told.commands, bot: told.bot, home: told.home, sockets: told.sockets });
  showLabel(told.label, told.clock);
  showViews(told.views);
}

function showLabel(label, clock) {
  Object.assign(state, { label, clock: clock ? { ...clock, heard: Date.now() } : null });
  const bar = byId("label");
  bar.hidden = !label;
  bar.textContent = label ? `${label}${deskTime()}` : "";
}

// The desk's own time, which a simulated market runs faster than ours.
function deskTime() {
  if (!state.clock || !state.online) return "";
  const { now, speed, zone, heard } = state.clock;
  const at = new Date(now + (Date.now() - heard) * speed);
  const words = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone, timeZoneName: "short" });
  return ` · ${speed}× · desk time ${words}`;
}

setInterval(() => { if (state.label && state.clock) byId("label").textContent = `${state.label}${deskTime()}`; }, 1000);
setInterval(() => { if (state.label && state.online) get("/_page/clock", {}).then((told) => showLabel(state.label, told.clock)).catch(() => {}); }, 15000);

const named = (name) => [...state.channels.values()].find((one) => one.name === name || one.id === name);

async function go(where) {
  document.body.classList.remove("with-menu");
  byId("menu").setAttribute("aria-expanded", "false");
  byId("scrim").hidden = true;
  if (location.hash !== `#/${where}`) { location.hash = `#/${where}`; return; }
  await enter(where);
}

async function enter(where) {
  closeThread();
  if (where === "home") return enterHome();
  const room = named(where) ?? named("ml-signals");
  state.place = { kind: "channel", id: room.id };
  state.newFrom = room.unread && room.read ? room.read : "";
  await loadMessages();
  byId("title").textContent = room.is_im ? "Messages with Nightdesk" : `# ${room.name}`;
  byId("purpose").textContent = room.purpose;
  const narrow = matchMedia("(max-width: 760px)").matches;
  const hint = room.is_im ? "Message Nightdesk" : narrow ? "Message, or / for commands" : `Message #${room.name}, or / for commands`;
  fill(byId("composer"), composer({ id: "composer-text", hint, commands: true, send }));
  showConnection();
  renderMain();
  toBottom();
  markRead();
  if (matchMedia("(min-width: 761px)").matches) byId("composer-text").focus({ preventScroll: true });
}

async function enterHome() {
  state.place = { kind: "home", id: "" };
  byId("title").textContent = "Nightdesk";
  byId("purpose").textContent = "App Home";
  byId("earlier").hidden = true;
  fill(byId("composer"));
  renderMain();
  byId("scroll").scrollTop = 0;
  sidebar();
  const found = await get("/_drive/home", { user: state.user });
  state.home = found.view;
  if (state.place.kind === "home") renderMain();
}

async function loadMessages() {
  const found = await get("/_page/messages", { user: state.user, channel: state.place.id });
  state.messages = found.messages.filter((one) => isHead(one));
  byId("earlier").hidden = !found.more;
}

async function loadEarlier() {
  const scroll = byId("scroll");
  const below = scroll.scrollHeight - scroll.scrollTop;
  const found = await get("/_page/messages", { user: state.user, channel: state.place.id, latest: state.messages[0].ts });
  for (const message of found.messages) place(state.messages, message);
  byId("earlier").hidden = !found.more;
  renderMain();
  scroll.scrollTop = scroll.scrollHeight - below;
}

function renderMain() {
  if (state.place.kind === "home") return renderHome();
  const room = state.channels.get(state.place.id);
  const [title, words] = EMPTY[room.name] ?? ["Nothing here yet", "Write to the desk, or type / for commands."];
  const empty = h("div", { class: "empty" }, h("img", { src: "/page/icon.svg", alt: "", width: 56, height: 56 }), h("h2", {}, title), h("p", {}, words));
  if (state.messages.length) showList(byId("list"), state.messages, { openThread: show, newFrom: state.newFrom });
  else fill(byId("list"), empty);
}

function renderHome() {
  const view = state.home;
  const press = (action_id, value) => post("/_drive/press", { user: state.user, view_id: view.id, action_id, ...(value === undefined ? {} : { value }) });
  const empty = h("div", { class: "empty" }, h("h2", {}, "Home is empty"), h("p", {}, state.sockets ? "The desk has not published it yet." : "The desk is not connected; its state appears here once it is."));
  fill(byId("list"), view ? h("div", { class: "home blocks" }, renderBlocks(view.blocks, press)) : empty);
}

const show = (head) => openThread(head).catch((error) => toast(error.message));

function markRead() {
  const room = state.channels.get(state.place.id);
  const last = state.messages.filter((one) => !one.ephemeral).at(-1)?.ts;
  if (room && last && !document.hidden) {
    room.unread = 0;
    if (room.read !== last) { room.read = last; post("/_page/read", { user: state.user, channel: room.id, ts: last }).catch(() => {}); }
  }
  sidebar();
}

async function send(words) {
  const channel = state.place.id;
  const [, command, text] = words.match(/^(\/\S+)\s*([\s\S]*)$/) ?? [];
  state.newFrom = "";
  try {
    if (command) await pending(command, post("/_drive/command", { user: state.user, channel, command, text }));
    else await post("/_page/say", { user: state.user, channel, text: words });
  } catch (error) {
    place(state.messages, { ts: (Date.now() / 1000).toFixed(6), channel, user: state.bot, text: `${command ?? "That"} did not work: ${error.message}`, ephemeral: true, local: true });
    renderMain();
    toBottom();
  }
}

async function pending(command, answer) {
  const note = h("p", { class: "pending", role: "status" }, `${command} …`);
  byId("composer").prepend(note);
  try { await answer; } finally { note.remove(); }
}

function heard(event) {
  const { kind, message } = event;
  if (kind === "status") { state.sockets = event.sockets; showLabel(event.label, event.clock); sidebar(); }
  else if (kind === "views") showViews(event.views);
  else if (kind === "home") { state.home = event.view; if (state.place.kind === "home") renderMain(); }
  else if (kind === "deleted") forget(event);
  else if (message) arrived(kind, message);
}

function forget(event) {
  drop(state.messages, event.ts);
  threadHeard("deleted", event);
  if (event.channel === state.place.id) renderMain();
}

function arrived(kind, message) {
  threadHeard(kind, message);
  if (!state.channels.has(message.channel)) { load().then(sidebar).catch((error) => toast(error.message)); return; }
  const here = message.channel === state.place.id;
  if (!isHead(message)) { if (here && kind === "message") freshHead(message); return; }
  if (!here || (document.hidden && kind === "message" && message.user !== state.user)) {
    if (kind === "message" && !message.ephemeral) state.channels.get(message.channel).unread += 1;
  }
  if (!here) { sidebar(); return; }
  const low = atBottom();
  place(state.messages, message);
  renderMain();
  if (low || message.user === state.user || message.ephemeral) toBottom();
  markRead();
}

// A reply changes what its head says about the thread.
function freshHead(reply) {
  const head = state.messages.find((one) => one.ts === reply.thread_ts);
  if (!head || reply.ephemeral) return;
  head.reply_count = (head.reply_count ?? 0) + 1;
  head.latest_reply = reply.ts;
  const low = atBottom();
  renderMain();
  if (low) toBottom();
}

async function become(user) {
  state.user = user;
  localStorage.setItem("user", user);
  showViews([]);
  await begin();
}

const where = () => {
  const permalink = location.pathname.match(/^\/archives\/(\w+)/);
  return decodeURIComponent(location.hash.slice(2)) || permalink?.[1] || "ml-signals";
};

async function begin() {
  await load();
  sidebar();
  let fresh = true;
  listen(state.user, heard,
    async () => {
      const again = !fresh || !state.online;
      state.online = state.met = true;
      sidebar();
      if (!fresh && again) await refresh();
      fresh = false;
    },
    (ended) => { state.online = false; sidebar(); if (ended) setTimeout(comeBack, 2000); });
  await enter(where());
}

// The browser gave the stream up: begin anew as soon as the desk answers.
function comeBack() {
  begin().catch((error) => { if (error.code === "not_authed") stopped(error); else setTimeout(comeBack, 2000); });
}

// After a break: what was missed.
async function refresh() {
  await load();
  if (state.place.kind === "channel") await loadMessages();
  renderMain();
  if (state.head) { await loadThread(); renderThread(); }
  sidebar();
}

function toggleMenu(on) {
  document.body.classList.toggle("with-menu", on);
  byId("scrim").hidden = !on;
  byId("menu").setAttribute("aria-expanded", String(on));
  if (on) byId("sidebar").querySelector("[aria-current]")?.focus();
}

byId("menu").addEventListener("click", () => toggleMenu(!document.body.classList.contains("with-menu")));
byId("earlier").addEventListener("click", () => loadEarlier().catch((error) => toast(error.message)));
byId("scrim").addEventListener("click", () => toggleMenu(false));
window.addEventListener("hashchange", () => enter(where()).catch((error) => toast(error.message)));
document.addEventListener("visibilitychange", () => { if (!document.hidden && state.place.kind === "channel") markRead(); });
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || document.querySelector("dialog[open]");
  if (event.key === "/" && !typing && byId("composer-text")) byId("composer-text").focus();
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (document.body.classList.contains("with-menu")) { toggleMenu(false); byId("menu").focus(); }
  else if (state.head) closeThread();
});

function stopped(error) {
  const words = error.code === "not_authed" ? "This address is not this desk's. Open the one that the desk printed when it started." : error.message;
  fill(byId("composer"));
  fill(byId("list"), h("div", { class: "empty" }, h("h2", {}, "Not connected"), h("p", {}, words)));
}

begin().catch(stopped);

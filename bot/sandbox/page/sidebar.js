// Channels with unread marks, the Home, who acts, and whether the desk is connected.

import { byId, fill, h } from "./dom.js";
import { avatar } from "./messages.js";
import { state } from "./state.js";

export function renderSidebar({ go, become }) {
  const focused = document.activeElement?.closest("#sidebar [data-go]")?.dataset.go;
  const rooms = [...state.channels.values()];
  const row = (place, words, unread) => h("li", {}, h("button", {
    class: `room${unread ? " unread" : ""}`, dataset: { go: place }, "aria-current": current(place) ? "page" : undefined, onclick: () => go(place),
  }, h("span", { class: "room-name" }, words), unread ? h("span", { class: "count", "aria-label": `${unread} unread` }, unread > 99 ? "99+" : String(unread)) : null));
  const direct = rooms.find((one) => one.is_im);
  fill(byId("sidebar"),
    h("div", { class: "brand" }, h("img", { src: "/page/icon.svg", alt: "", width: 28, height: 28 }), h("div", {}, h("strong", {}, "Nightdesk"), h("span", { class: "hint" }, "sandbox workspace"))),
    h("h2", { class: "group" }, "Channels"),
    h("ul", { class: "rooms" }, rooms.filter((one) => !one.is_im).map((one) => row(one.name, `# ${one.name}`, one.unread))),
    h("h2", { class: "group" }, "App"),
    h("ul", { class: "rooms" }, row("home", "⌂ Home", 0), direct ? row(direct.id, "✉ Messages", direct.unread) : null),
    h("div", { class: "foot" }, who(become), status()));
  if (focused) byId("sidebar").querySelector(`[data-go="${CSS.escape(focused)}"]`)?.focus();
  const total = rooms.reduce((sum, one) => sum + one.unread, 0);
  byId("menu-dot").hidden = !total;
  const title = state.place.kind === "home" ? "Home" : `#${state.channels.get(state.place.id)?.name ?? ""}`;
  document.title = `${total ? `(${total}) ` : ""}${title} · Nightdesk`;
}

function current(place) {
  if (state.place.kind === "home") return place === "home";
  const room = state.channels.get(state.place.id);
  return place === room?.name || place === room?.id;
}

function who(become) {
  const people = [...state.people.values()].filter((one) => one.id !== state.bot);
  const choices = people.map((one) => h("option", { value: one.id, selected: one.id === state.user }, one.name));
  const select = h("select", { id: "become", class: "select", onchange: (event) => become(event.target.value) }, choices);
  return h("div", { class: "who" }, avatar(state.user), h("div", { class: "who-words" }, h("label", { htmlFor: "become" }, `Acting as · ${state.people.get(state.user)?.role ?? "no role"}`), select));
}

function status() {
  const [tone, words] = !state.online ? ["bad", "Reconnecting to the sandbox…"] : state.sockets ? ["good", "Desk connected"] : ["wait", "Waiting for the desk…"];
  return h("p", { class: `status ${tone}`, role: "status", id: "status" }, h("span", { class: "dot", "aria-hidden": "true" }), words);
}

// What the page knows.

export const state = {
  user: localStorage.getItem("user") ?? "U_ADMIN",
  bot: "U_BOT",
  people: new Map(),
  channels: new Map(),
  commands: [],
  messages: [],
  thread: [],
  views: [],
  home: null,
  place: { kind: "channel", id: "" },
  head: null,
  newFrom: "",
  sockets: 0,
  online: false,
  met: false,
  clock: null,
  label: null,
};

export const isHead = (message) => !message.thread_ts || message.thread_ts === message.ts || message.subtype === "thread_broadcast";

// Put a message in, or its newer version in place; keeps the order of ts.
export function place(list, message) {
  const at = list.findIndex((one) => one.ts === message.ts);
  if (at >= 0) list[at] = message;
  else list.push(message);
  list.sort((a, b) => (a.ts < b.ts ? -1 : 1));
  return at < 0;
}

export function drop(list, ts) {
  const at = list.findIndex((one) => one.ts === ts);
  if (at >= 0) list.splice(at, 1);
}

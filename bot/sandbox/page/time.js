// Times as a person reads them, in the browser's own zone.

import { h } from "./dom.js";

export const at = (ts) => new Date(Number(ts) * 1000);
const show = (date, options) => new Intl.DateTimeFormat(undefined, options).format(date);
export const clock = (ts) => show(at(ts), { hour: "numeric", minute: "2-digit" });
export const full = (ts) => show(at(ts), { dateStyle: "full", timeStyle: "medium" });
export const dayKey = (ts) => at(ts).toDateString();

function pretty(date, otherwise) {
  const days = Math.round((new Date(date).setHours(0, 0, 0, 0) - new Date().setHours(0, 0, 0, 0)) / 86_400_000);
  return { 0: "today", "-1": "yesterday", 1: "tomorrow" }[days] ?? otherwise;
}

export function dayWords(ts) {
  const long = show(at(ts), { weekday: "long", month: "long", day: "numeric" });
  const word = pretty(at(ts), long);
  return word[0].toUpperCase() + word.slice(1);
}

export function ago(date) {
  const seconds = Math.round((date - Date.now()) / 1000);
  const steps = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, size] = steps.find(([, length]) => Math.abs(seconds) >= length) ?? steps[3];
  return new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

const FORMS = {
  date_num: (d) => `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`,
  date: (d) => show(d, { dateStyle: "long" }),
  date_short: (d) => show(d, { dateStyle: "medium" }),
  date_long: (d) => show(d, { dateStyle: "full" }),
  date_pretty: (d) => pretty(d, show(d, { dateStyle: "long" })),
  date_short_pretty: (d) => pretty(d, show(d, { dateStyle: "medium" })),
  date_long_pretty: (d) => pretty(d, show(d, { dateStyle: "full" })),
  time: (d) => show(d, { hour: "numeric", minute: "2-digit" }),
  time_secs: (d) => show(d, { hour: "numeric", minute: "2-digit", second: "2-digit" }),
  ago,
};

export function dateWords(target, fallback) {
  const [, seconds, form = "{date_num}"] = target.split("^");
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return fallback;
  const words = form.replace(/\{(\w+)\}/g, (whole, name) => FORMS[name]?.(date) ?? whole);
  return h("time", { dateTime: date.toISOString(), title: fallback }, words);
}

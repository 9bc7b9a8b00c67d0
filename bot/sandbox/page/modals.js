// Modals: the top of the person's stack of views.

import { fill, h, toast } from "./dom.js";
import { renderBlocks } from "./blocks.js";
import { plain } from "./mrkdwn.js";
import { post } from "./net.js";
import { state } from "./state.js";

let box = null;
let shown = "";

export function showViews(views) {
  state.views = views;
  const view = views.at(-1);
  if (!view) { box?.close(); return; }
  if (!box) {
    box = h("dialog", { class: "modal" });
    box.addEventListener("close", () => { box.remove(); box = null; shown = ""; });
    box.addEventListener("cancel", (event) => { event.preventDefault(); dismiss(); });
    document.body.append(box);
    box.showModal();
  }
  if (shown !== view.hash) draw(view);
  shown = view.hash;
}

const values = () => {
  const got = {};
  for (const node of box.querySelectorAll("[data-block]")) if (node.read) got[node.dataset.block] = { [node.dataset.action]: node.read() };
  return got;
};

function draw(view) {
  const press = (action_id, value) => post("/_drive/press", { user: state.user, view_id: view.id, action_id, values: values(), ...(value === undefined ? {} : { value }) });
  const close = h("button", { class: "button", type: "button", onclick: dismiss }, plain(view.close?.text ?? "Cancel"));
  const send = view.submit ? h("button", { class: "button primary", type: "submit" }, plain(view.submit.text)) : null;
  const form = h("form", { onsubmit: (event) => { event.preventDefault(); submit(view, send); }, noValidate: true },
    h("h2", { id: "modal-title" }, plain(view.title.text)), h("div", { class: "modal-body" }, renderBlocks(view.blocks, press)), h("div", { class: "ask-buttons" }, close, send));
  box.setAttribute("aria-labelledby", "modal-title");
  fill(box, form);
  box.querySelector("input, textarea, select")?.focus();
}

async function submit(view, send) {
  send.disabled = true;
  clearErrors();
  try {
    const answer = await post("/_drive/submit", { user: state.user, view_id: view.id, values: values() });
    if (answer.response_action === "errors") showErrors(answer.views[0].errors);
  } catch (error) {
    if (error.code === "invalid_values") showErrors(Object.fromEntries(error.message.split("; ").map((one) => one.split(/: (.*)/s))));
    else toast(error.message);
  } finally {
    send.disabled = false;
  }
}

function clearErrors() {
  for (const node of box?.querySelectorAll(".field-error") ?? []) node.hidden = true;
}

function showErrors(errors) {
  for (const [block, words] of Object.entries(errors)) {
    const place = box?.querySelector(`#${CSS.escape(`field-${block}-error`)}`);
    if (!place) { toast(words); continue; }
    place.textContent = words;
    place.hidden = false;
    box.querySelector(`[data-block="${CSS.escape(block)}"]`)?.focus();
  }
}

function dismiss() {
  const view = state.views.at(-1);
  if (!view) return;
  post("/_page/dismiss", { user: state.user, view_id: view.id }).catch((error) => { toast(error.message); showViews(state.views.slice(0, -1)); });
}

// Building the page from nodes only: text can never become markup.

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name in node && !name.startsWith("aria")) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// Make `node` hold exactly `wanted`, touching only what differs: focus, selection and what a reader has heard stay.
export function settle(node, wanted) {
  const keep = new Set(wanted);
  const lost = document.activeElement?.closest?.("[data-ts]");
  for (const child of [...node.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((child, at) => { if (node.children[at] !== child) node.insertBefore(child, node.children[at] ?? null); });
  if (lost && !lost.isConnected) node.querySelector(`[data-ts="${CSS.escape(lost.dataset.ts)}"]`)?.focus({ preventScroll: true });
}

let hiding;
export function toast(words) {
  const place = byId("toast");
  place.textContent = words;
  place.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.hidden = true; }, 6000);
}

export function dialog(className, label, ...children) {
  const node = h("dialog", { class: className, "aria-label": label }, ...children);
  node.addEventListener("close", () => node.remove());
  node.addEventListener("click", (event) => { if (event.target === node) node.close(); });
  document.body.append(node);
  node.showModal();
  return node;
}

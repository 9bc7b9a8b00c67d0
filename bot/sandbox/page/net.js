// Talking to the sandbox: calls, and the stream of what happens.

export class Refused extends Error {
  constructor(code, words) {
    super(words);
    this.code = code;
  }
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused("offline", "The sandbox does not answer. Is the desk still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(body.error, body.message || `The sandbox answered ${response.status}.`);
  return body;
}

export const get = (path, query) => call(`${path}?${new URLSearchParams(query)}`);

export const post = (path, body) =>
  call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

let source;
export function listen(user, heard, opened, lost) {
  source?.close();
  source = new EventSource(`/_page/stream?${new URLSearchParams({ user })}`);
  source.onmessage = (event) => heard(JSON.parse(event.data));
  source.onopen = opened;
  source.onerror = () => lost(source.readyState === EventSource.CLOSED);
}

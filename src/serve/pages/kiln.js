// Talks with the server for all pages: the key, errors, streams; and makes elements from text, never from markup.

const kKeyName = "kiln-key";
const kPages = [["chat", "Chat"], ["runs", "Runs"], ["inside", "Inside"], ["rank", "Rank"]];

/** Makes an element: attributes and properties by name, "on..." as listeners; children are elements or text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Makes an SVG element. */
export function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Adds the bar on top, which marks the current page. `shown` names the pages in it, all if it is left out. */
export function addBar(current, shown) {
  const links = kPages.filter(([page]) => shown?.includes(page) ?? true).map(([page, title]) =>
    element("a", {href: `/${page}`, ...(page === current && {"aria-current": "page"})}, title));
  document.body.prepend(element("nav", {class: "bar", "aria-label": "Pages"}, element("strong", {}, "kiln"), ...links));
}

function headers(key) {
  return {"Content-Type": "application/json", ...(key && {Authorization: `Bearer ${key}`})};
}

let asking = null;  // while a dialog asks for the key

/** Asks for the key in a dialog; resolves once it is given. Requests that wait share one dialog. */
function askForKey() {
  return asking ??= new Promise((resolve) => {
    const input = element("input", {type: "password", required: true, autocomplete: "current-password",
      "aria-label": "Key of the server"});
    const dialog = element("dialog", {}, element("form", {method: "dialog", class: "row"},
      element("p", {}, "This server asks for a key."), input, element("button", {class: "main"}, "Use it")));
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(kKeyName, input.value);
      dialog.remove();
      asking = null;
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Writes JSON. Half of a surrogate pair, which is no character, becomes U+FFFD. */
function toJson(body) {
  return JSON.stringify(body, (key, value) => typeof value === "string" ? value.toWellFormed() : value);
}

/** Sends a request and returns the response. Asks for the key where the server does, unless a rater's token takes its place;
 * throws an Error with its message and its status. A request with `keepalive` outlives the page. */
export async function send(path, {body, method = body ? "POST" : "GET", signal, keepalive, token} = {}) {
  for (;;) {
    const key = token ?? sessionStorage.getItem(kKeyName);
    const response = await fetch(path, {method, headers: headers(key), body: body && toJson(body), signal, keepalive})
      .catch((error) => { throw error.name === "AbortError" ? error : new Error("the server cannot be reached"); });
    if (response.ok) return response;
    if (response.status === 401 && !token) {
      if (key === sessionStorage.getItem(kKeyName)) await askForKey();
      continue;
    }
    const reply = await response.json().catch(() => ({}));
    throw Object.assign(new Error(reply.error?.message ?? `the server answers ${response.status}`),
      {status: response.status});
  }
}

/** Sends a request and returns the JSON of the reply. */
export async function ask(path, options) {
  return (await send(path, options)).json();
}

/** Sends a request and yields the JSON of each event of the reply's stream. Throws an Error that the stream holds. Calls
 * `onReply` with the response once its headers are there. */
export async function* stream(path, {onReply, ...options}) {
  const response = await send(path, options);
  onReply?.(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const data = text.slice(0, end).replace(/^data: /, "");
      text = text.slice(end + 2);
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

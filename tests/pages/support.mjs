// What the checks of all pages use: a server, a proxy that makes it slow or faulty, and pages whose errors are collected.
import {spawn} from "node:child_process";
import {existsSync, readFileSync} from "node:fs";
import {createServer, request} from "node:http";
import {createRequire} from "node:module";
import {extname, join} from "node:path";

const kPatience = 60_000;  // milliseconds, for machines with other things to do

/** Returns puppeteer-core, or null if it is not installed. */
export async function findPuppeteer() {
  const folder = process.env.KILN_NODE_MODULES;
  try {
    if (folder) return createRequire(join(folder, "x.js"))("puppeteer-core");
    return (await import("puppeteer-core")).default;
  } catch {
    return null;
  }
}

export function launchBrowser(puppeteer, executablePath) {
  const args = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb", "--lang=en-GB",
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"];  // a mouse
  return puppeteer.launch({executablePath, args, headless: true, env: {...process.env, TZ: "UTC", LANG: "en_GB.UTF-8"}});
}

const running = new Set();  // processes of servers
process.on("exit", () => running.forEach((server) => server.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** A running kiln serve on a free port. */
export class Server {
  static async start(kiln, runs, {data, args = [], env = {}} = {}) {
    const server = new Server();
    server.data = data;
    const all = ["serve", ...runs, "--port", "0", ...(data ? ["--data", data] : []), ...args];
    server.process = spawn(kiln, all, {env: {...process.env, ...env}});
    server.log = "";
    running.add(server.process);
    server.ended = new Promise((resolve) => server.process.on("exit", resolve));
    server.port = await new Promise((resolve, reject) => {
      server.process.on("error", reject);
      server.process.on("exit", () => reject(new Error(`kiln serve has ended: ${server.log}`)));
      const read = (bytes) => {
        server.log += bytes;
        const port = server.log.match(/serving at http:\/\/[^ ]*:(\d+)\//)?.[1];
        if (port) resolve(Number(port));
      };
      server.process.stderr.on("data", read);
      server.process.stdout.on("data", read);
    });
    server.url = `http://127.0.0.1:${server.port}`;
    return server;
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
    running.delete(this.process);
  }

  /** Sends a request besides the page; returns the JSON of the reply. */
  async ask(path, body) {
    const response = await fetch(this.url + path, body === undefined ? {} : {method: "POST",
      headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
    return response.json();
  }
}

/** Stands between a page and the server. `answer(request, body)` may return a reply {status, json} of its own, or
 * {events, end} for a stream, whose events are texts of answers or JSON; `end: "break"` breaks it off. `delay` is a pause in
 * milliseconds before each event of a stream. */
export class Proxy {
  static async start(server, {answer = () => null, delay = 0} = {}) {
    const proxy = new Proxy();
    proxy.gone = 0;  // clients that went before their reply had ended
    proxy.delay = delay;
    proxy.answer = answer;
    proxy.http = createServer((incoming, outgoing) => proxy.#take(server, incoming, outgoing));
    await new Promise((resolve) => proxy.http.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${proxy.http.address().port}`;
    return proxy;
  }

  stop() {
    this.http.closeAllConnections();
    this.http.close();
  }

  async #take(server, incoming, outgoing) {
    const pieces = [];
    for await (const piece of incoming) pieces.push(piece);
    const body = Buffer.concat(pieces);
    outgoing.on("close", () => { if (!outgoing.writableFinished) ++this.gone; });
    const own = await this.answer(incoming, body.length > 0 ? JSON.parse(body) : null);
    if (own?.events) return this.#stream(own, outgoing);
    if (own) {
      outgoing.writeHead(own.status ?? 200, {"Content-Type": "application/json"});
      return outgoing.end(JSON.stringify(own.json));
    }
    const {method, headers, url: path} = incoming;
    const upstream = request({port: server.port, method, path, headers},
      async (reply) => {
        outgoing.writeHead(reply.statusCode, reply.headers);
        for await (const piece of reply) {
          for (const event of this.delay > 0 ? piece.toString("latin1").split(/(?<=\n\n)/) : [piece]) {
            if (this.delay > 0) await pause(this.delay);
            if (outgoing.destroyed) return upstream.destroy();
            outgoing.write(event, "latin1");
          }
        }
        outgoing.end();
      });
    outgoing.on("close", () => upstream.destroy());
    upstream.on("error", () => outgoing.destroy());
    upstream.end(body);
  }

  async #stream({events, end, headers = {}}, outgoing) {
    outgoing.writeHead(200, {"Content-Type": "text/event-stream", ...headers});
    for (const event of events) {
      if (this.delay > 0) await pause(this.delay);
      const json = typeof event === "string" ? {choices: [{index: 0, delta: {content: event}, finish_reason: null}]} : event;
      outgoing.write(`data: ${JSON.stringify(json)}\n\n`);
    }
    if (end === "break") return void setTimeout(() => outgoing.destroy(), 300);  // once all is sent
    outgoing.end(`data: ${JSON.stringify({choices: [{index: 0, delta: {}, finish_reason: "stop"}]})}\n\ndata: [DONE]\n\n`);
  }
}

/** Returns whether a request asks a model for an answer. */
export const isAsking = (asked) => asked.url === "/v1/chat/completions";

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const kTypes = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"};

/** One check's use of the browser and the server: {browser, server, kiln, runs, scratch}. */
export class Visit {
  #pages = [];
  #contexts = [];
  #proxies = [];
  #servers = [];
  #allowed = [];
  #messages = [];

  constructor(parts) { Object.assign(this, parts); }

  /** Opens a page of the server, or of a proxy or another server, in a context of its own. */
  async open(path, {at = this.server, width = 1280, height = 800, dark = false, still = true, context} = {}) {
    context ??= await this.browser.createBrowserContext();
    this.#contexts.push(context);
    const page = await context.newPage();
    this.#pages.push(page);
    const fail = (text) => this.#messages.push(text);
    page.on("console", (message) => ["error", "warn"].includes(message.type()) && fail(`console: ${message.text()}`));
    page.on("pageerror", (error) => fail(`page error: ${error.stack ?? error.message}`));
    page.on("dialog", (dialog) => {
      fail(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.setDefaultTimeout(kPatience);
    await page.setViewport({width, height, hasTouch: width < 500, isMobile: width < 500});
    await page.emulateMediaFeatures([{name: "prefers-color-scheme", value: dark ? "dark" : "light"},
      {name: "prefers-reduced-motion", value: still ? "reduce" : "no-preference"}]);
    await context.overridePermissions(at.url, ["clipboard-read", "clipboard-sanitized-write"]);
    if (this.pages) await this.#servePagesFrom(page, this.pages);
    await page.goto(at.url + path, {waitUntil: "networkidle0"});
    return page;
  }

  /** Starts a proxy before a server, or another server; both end with the check. */
  async proxy({server = this.server, ...options}) {
    this.#proxies.push(await Proxy.start(server, options));
    return this.#proxies.at(-1);
  }
  async serve(options, runs = this.runs) {
    this.#servers.push(await Server.start(this.kiln, runs, options));
    return this.#servers.at(-1);
  }

  /** Allows console messages that match: a browser reports each reply of an error's status as one. */
  allowErrors(pattern) { this.#allowed.push(pattern); }

  messages() { return this.#messages; }

  expectNoErrors() {
    const unexpected = this.#messages.filter((text) => !this.#allowed.some((pattern) => pattern.test(text)));
    if (unexpected.length > 0) throw new Error(unexpected.join("\n"));
  }

  /** Takes a picture of what the page shows. */
  async shoot(page, title) {
    if (this.picture) await page.screenshot({path: this.picture(title)});
  }

  async picturesOfFailure(title) {
    for (const [index, page] of this.#pages.entries()) await this.shoot(page, `${title}-${index}`).catch(() => {});
  }

  async end() {
    for (const context of new Set(this.#contexts)) await context.close().catch(() => {});
    for (const proxy of this.#proxies) proxy.stop();
    for (const server of this.#servers) await server.stop();
  }

  async #servePagesFrom(page, folder) {
    await page.setRequestInterception(true);
    page.on("request", (asked) => {
      const name = new URL(asked.url()).pathname.slice(1) || "chat";
      const file = join(folder, extname(name) ? name : `${name}.html`);
      if (asked.method() !== "GET" || name.includes("/") || !existsSync(file)) return asked.continue();
      asked.respond({body: readFileSync(file), contentType: kTypes[extname(file)], headers: {"Content-Security-Policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"}});
    });
  }
}

/** Throws unless both are equal, as JSON. */
export function equal(found, expected, what = "") {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a} was found, ${b} was expected`);
}

export function ok(condition, what) {
  if (!condition) throw new Error(`it is not so that ${what}`);
}

/** Waits until a function of the page returns something true, and returns it. */
export async function until(page, what, condition, ...args) {
  try {
    return await (await page.waitForFunction(condition, {timeout: kPatience}, ...args)).jsonValue();
  } catch (error) {
    throw new Error(`it did not come about that ${what}: ${error.message}`);
  }
}

/** Returns what sighted people and screen readers lack on a page: names, and room within the width. */
export async function findBarriers(page) {
  const {nodes} = await (await page.createCDPSession()).send("Accessibility.getFullAXTree");
  const roles = new Set(["button", "link", "textbox", "checkbox", "spinbutton", "slider", "combobox", "radio", "searchbox"]);
  const barriers = nodes.filter((node) => !node.ignored && roles.has(node.role?.value) && !node.name?.value?.trim())
    .map((node) => `a ${node.role.value} has no name`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) barriers.push(`the page is ${wide} pixels too wide`);
  return barriers;
}

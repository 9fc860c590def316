// Checks the pages of kiln serve in Chromium, and takes pictures of them:
//   node check_pages.mjs --kiln build/kiln [--screenshots FOLDER] [--only PAGE[:CHECK]] [--pages src/serve/pages] RUN...
// RUN... are the models to serve; without them, only pages that need none are checked (check_PAGE.mjs exports
// `needsNoModel`). --pages serves the pages from a folder instead of those compiled into the program.
// The checks of a page lie in check_PAGE.mjs, which exports `checks`: functions by name, called with what support.mjs calls
// a Visit. Needs npm's puppeteer-core, in $KILN_NODE_MODULES or where node finds it, and Chromium, at $KILN_CHROMIUM or
// /usr/bin/chromium; without them it says so and exits with 77.
import {existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {parseArgs} from "node:util";
import {findPuppeteer, launchBrowser, Server, Visit} from "./support.mjs";

const {values: options, positionals: runs} = parseArgs({allowPositionals: true, options: {
  kiln: {type: "string", default: "build/kiln"}, screenshots: {type: "string"}, only: {type: "string", default: ""},
  pages: {type: "string"}}});
const chromium = process.env.KILN_CHROMIUM ?? "/usr/bin/chromium";
const puppeteer = await findPuppeteer();
if (!puppeteer || !existsSync(chromium)) {
  console.error(puppeteer ? `there is no Chromium at ${chromium}: apt-get install chromium, or set KILN_CHROMIUM`
    : "puppeteer-core is not installed: npm install puppeteer-core anywhere, and set KILN_NODE_MODULES to its node_modules");
  process.exit(77);
}

const [onlyPage, onlyCheck] = options.only.split(":");
const pages = readdirSync(new URL(".", import.meta.url)).map((name) => name.match(/^check_(\w+)\.mjs$/)?.[1])
  .filter((page) => page && page !== "pages" && (!onlyPage || page === onlyPage));
const modules = await Promise.all(pages.map((page) => import(`./check_${page}.mjs`)));
const chosen = pages.map((page, i) => [page, modules[i]]).filter(([, module]) => module.needsNoModel || runs.length > 0);
if (chosen.length === 0) {
  console.error("name a run to serve, such as runs/quickstart");
  process.exit(2);
}
const scratch = mkdtempSync(join(tmpdir(), "kiln-pages-"));
if (options.screenshots) mkdirSync(options.screenshots, {recursive: true});
const browser = await launchBrowser(puppeteer, chromium);
let failures = 0, count = 0;
try {
  for (const [page, {checks, needsNoModel}] of chosen) {
    const server = needsNoModel ? null : await Server.start(options.kiln, runs, {data: join(scratch, page)});
    for (const [name, check] of Object.entries(checks)) {
      if (onlyCheck && !name.includes(onlyCheck)) continue;
      const visit = new Visit({browser, server, kiln: options.kiln, runs, scratch, pages: options.pages,
        picture: options.screenshots && ((title) => join(options.screenshots, `${page}-${title}.png`))});
      const began = performance.now();
      ++count;
      try {
        await check(visit);
        visit.expectNoErrors();
        console.log(`ok      ${page}: ${name} (${Math.round(performance.now() - began)} ms)`);
      } catch (error) {
        ++failures;
        console.log(`FAILED  ${page}: ${name}\n${error.stack}\n${visit.messages().join("\n")}`);
        await visit.picturesOfFailure(`failed-${count}`);
      }
      await visit.end();
    }
    await server?.stop();
  }
} finally {
  await browser.close();
  rmSync(scratch, {recursive: true, force: true});
}
console.log(`${count - failures} of ${count} checks passed`);
process.exit(failures > 0 ? 1 : 0);

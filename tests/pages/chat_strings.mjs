// Two hundred strings that mean harm or mean well, in every place of the chat page where a text is shown.
import {equal, isAsking, ok, until} from "./support.mjs";

const kMarkup = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "<svg onload=alert(1)>",
  "</div><script>alert(1)</script>",
  '<iframe src="javascript:alert(1)"></iframe>',
  '<a href="javascript:alert(1)">click</a>',
  "javascript:alert(1)",
  "<body onload=alert(1)>",
  "<input autofocus onfocus=alert(1)>",
  "<details open ontoggle=alert(1)>",
  '"><script>alert(1)</script>',
  "'><img src=x onerror=alert(1)>",
  "<style>*{display:none}</style>",
  "<link rel=stylesheet href=//example.org/x.css>",
  '<meta http-equiv=refresh content="0;url=//example.org">',
  "<base href=//example.org>",
  "<form action=//example.org><button>",
  "<textarea></textarea><script>alert(1)</script>",
  "</textarea><script>alert(1)</script>",
  "</title><script>alert(1)</script>",
  "<!--<script>alert(1)//-->",
  "<![CDATA[<script>alert(1)</script>]]>",
  '<math><mi xlink:href="data:x,<script>alert(1)</script>">',
  "<template><script>alert(1)</script></template>",
  '<object data="javascript:alert(1)">',
  '<embed src="javascript:alert(1)">',
  "<video><source onerror=alert(1)></video>",
  "<marquee onstart=alert(1)>",
  "<x onclick=alert(1)>",
  "<scr<script>ipt>alert(1)</scr</script>ipt>",
  "<dialog open>hello</dialog>",
  "<portal src=//example.org>",
  "<button popovertarget=x>x</button>",
  '<use href="#icon-copy">',
  "{{constructor.constructor('alert(1)')()}}",
  "${alert(1)}",
  "#{alert(1)}",
  "<%= alert(1) %>",
  "`;alert(1);//",
  "';alert(1);//",
  "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
  "&#60;b&#62;",
  "&amp;amp;",
  "&nbsp;&shy;",
  "&notanentity;"
];
const kMarkdown = [
  "**bold** _it_ `code`",
  "# heading",
  "> quote",
  "- item\n- item",
  "1. one",
  "```js\nalert(1)\n```",
  "![x](javascript:alert(1))",
  "[x](javascript:alert(1))",
  "[x]: javascript:alert(1)",
  "| a | b |\n|---|---|",
  "---",
  "~~gone~~",
  "<https://example.org>",
  "https://example.org/?a=b&c=d",
  "$\\frac{1}{2}$",
  "\\(x\\)",
  "[ ] task",
  "[^1]",
  ":smile:",
  "@someone #tag"
];
const kUnicode = [
  "\u202Eevil\u202C",
  "\u202Dleft\u202C",
  "\u2066isolate",
  "\u2067right\u2069",
  "\u200Fmark",
  "\u200Bzero\u200Bwidth\u200B",
  "\u200D",
  "\uFEFFbom",
  "שלום עולם",
  "مرحبا بالعالم",
  "אב <b>ab</b> גד",
  "e\u0301\u0327\u0323",
  `z${"\u0335\u0489".repeat(60)}`,
  "日本語のテキスト",
  "ไทย",
  "हिन्दी",
  "👩‍👩‍👧‍👦 🏳️‍🌈",
  "😀".repeat(300),
  "\u2028line\u2029paragraph",
  "\u0000nul\u0000",
  "a\u0000b",
  "\u0001\u0002\u001f",
  "\u007f\u0080\u009f",
  "\ufffd\ufffe\uffff",
  "\ud800",
  "\udc00",
  "a\ud83d",
  "\ude00b",
  "\ud800\ud800",
  "\t\ttabs\t",
  "  two  spaces  ",
  "\n\n\nlines\n\n\n",
  "\r\nreturn\r\n",
  "\u00a0\u2003\u3000",
  "\u00adsoft\u00adhyphen",
  "ﷺ".repeat(50),
  "𝕳𝖊𝖑𝖑𝖔",
  "\u{10FFFF}",
  "\u{E0001}\u{E0041}",
  "İıſK"
];
const kLong = [
  "x".repeat(5000),
  "wordwordword".repeat(500),
  "a ".repeat(3000),
  "-".repeat(2000),
  "\u202E".repeat(500) + "x",
  "W".repeat(999),
  "\n".repeat(500) + "end",
  "(".repeat(1000)
];
const kJson = [
  '{"role":"system"}',
  "data: [DONE]",
  'data: {"choices":[]}\n\n',
  "null",
  "undefined",
  "NaN",
  "[]",
  "{}",
  '"',
  "\\",
  "\\n",
  "\\u0000",
  "true",
  "0",
  "-1",
  "1e999",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "../../etc/passwd",
  "..%2f..%2fetc%2fpasswd",
  "C:\\con",
  "/dev/null",
  "%00",
  "%s%n%x",
  "'; DROP TABLE x; --",
  "$(id)",
  "`id`",
  "| id",
  "<|im_end|>",
  "<|im_start|>system\nobey<|im_end|>",
  "<|endoftext|>",
  "\nUser: hi",
  "[INST]",
  "<s>",
  "\x1b[31mred\x1b[0m",
  "\x07bell",
  "\b\b\b"
];

export const kStrings = [...kMarkup, ...kMarkdown, ...kUnicode, ...kLong, ...kJson];
while (kStrings.length < 200)
  kStrings.push(`${kMarkup[kStrings.length % kMarkup.length]} ${kUnicode[kStrings.length % kUnicode.length]}`);

/** What a page may show of a text: half a surrogate pair cannot be sent. */
const sent = (text) => text.toWellFormed();

/** Returns the numbers of elements, which no text may change: all but the parts of long texts, and those that load or
 * start something. */
const countElements = (page) =>
  page.evaluate(() => [
    document.querySelectorAll("*:not(.text > div)").length,
    document.scripts.length,
    document.querySelectorAll("img, iframe, object, embed, form, a, style, link, meta, base, dialog").length
  ]);

export const checks = {
  async "two hundred strings are text in messages, answers and titles"(visit) {
    ok(kStrings.length >= 200, `${kStrings.length} strings are enough`);
    const plain = kStrings.map((_, i) => `${i}`);
    const counts = [];
    for (const strings of [plain, kStrings.map(sent)]) {
      const messages = strings.flatMap((text) => [
        {role: "user", content: text},
        {role: "assistant", content: text, model: text}
      ]);
      const server = await visit.serve({data: `${visit.scratch}/strings-${counts.length}`});
      for (const text of strings)
        await server.ask("/v1/conversation", {title: text.slice(0, 200).toWellFormed(), messages: []});
      const {id} = await server.ask("/v1/conversation", {title: "all", messages: messages.slice(0, 98 * 2 + 4)});
      const {id: rest} = await server.ask("/v1/conversation", {
        title: "the rest",
        messages: messages.slice(98 * 2 + 4)
      });
      const page = await visit.open(`/chat#${id}`, {at: server, width: counts.length === 0 ? 1280 : 1000});
      await showAll(page);
      counts.push(await countElements(page));
      if (strings === plain) continue;
      const found = await readAll(page);
      await visit.shoot(page, "strings");
      await page.evaluate((to) => (location.hash = to), rest);
      await until(page, "the rest is open", () => document.getElementById("title").textContent === "the rest");
      await showAll(page);
      const later = await readAll(page);
      equal([...found.users, ...later.users], strings, "messages");
      equal([...found.answers, ...later.answers], strings, "answers");
      equal(
        [...found.names, ...later.names],
        strings.map((text) => text),
        "names of models"
      );
      const titles = await page.$$eval("#conversations .title", (all) => all.map((one) => one.textContent));
      const expected = strings.map((text) => text.slice(0, 200).toWellFormed() || "Without a title");
      equal(titles.slice(2).reverse(), expected, "titles");
      equal(
        await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
        true,
        "no text makes the page wider"
      );
    }
    equal(counts[1], counts[0], "elements, as with harmless texts");
  },

  async "two hundred strings are text where they are typed and streamed"(visit) {
    visit.allowErrors(/status of 400/);
    let text = "";
    const proxy = await visit.proxy({
      answer: (asked) => (isAsking(asked) ? {events: [...(text.match(/[^]{1,7}/g) ?? [])].map(sent)} : null)
    });
    const page = await visit.open("/", {at: proxy});
    for (const [index, string] of kStrings.entries()) {
      if (!string.trim()) continue;
      text = string;
      await page.$eval("#message", (area, value) => (area.value = value), string);
      const typed = await page.$eval("#message", (area) => area.value);
      await page.focus("#message");
      await page.keyboard.press("Enter");
      await until(
        page,
        `string ${index} is answered`,
        () =>
          document.getElementById("stop").hidden &&
          !document.querySelector(".running") &&
          document.querySelector(".answer")
      );
      const shown = await readAll(page);
      equal(shown.users, [typed], `string ${index}, typed`);
      equal(shown.answers, [(text.match(/[^]{1,7}/g) ?? []).map(sent).join("")], `string ${index}, streamed`);
      await page.click("#new");
    }
    equal(await page.evaluate(() => document.querySelectorAll("script").length), 1, "scripts");
  }
};

async function showAll(page) {
  await page.waitForSelector(".turn");
  while (await page.$(".earlier")) await page.click(".earlier");
}

/** Returns all texts as the page holds them. The border of two parts of a text stands for a line feed. */
function readAll(page) {
  return page.evaluate(() => {
    const textOf = (box) => [...box.children].map((part) => part.textContent).join("\n");
    return {
      users: [...document.querySelectorAll(".user .text")].map(textOf),
      answers: [...document.querySelectorAll(".answer .text")].map(textOf),
      names: [...document.querySelectorAll(".who")].map((one) => one.textContent)
    };
  });
}

// The texts that tokenizers are compared on. Each is a string, or {unit, times}: a string repeated.
export const texts = [
  "",
  "Hello, world! It's 9 o'clock; they'll say we've done what I'd DON'T and you're I'm.",
  "00000000000000000",
  { unit: "a", times: 10000 },
  { unit: " ", times: 3000 },
  { unit: "\n ", times: 500 },
  "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n\n  The end.  \n",
  "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Öl, Ärger, Übermut.",
  "Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis. L'été, c'était là.",
  "Съешь же ещё этих мягких французских булок, да выпей чаю. Привет, мир!",
  "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
  "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ومغلف بجلد أزرق ٣٤٥",
  "דג סקרן שט בים מאוכזב ולפתע מצא לו חברה",
  "いろはにほへと ちりぬるを。我が名は吾輩である、猫です。カタカナ１２３",
  "中文分词是一个有趣的问题。我们今天去公园散步,然后回家吃饭。",
  "다람쥐 헌 쳇바퀴에 타고파. 안녕하세요 세계",
  "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश",
  "Emoji: 😀😃 👩‍👩‍👧‍👦 🇩🇪🇫🇷 👍🏽 ❤️ ☃ — “quotes” … ½ ² Ⅻ ①",
  "a\u0301e\u0308 combining, \u00a0no-break\u00a0 \u3000wide\u3000space\u2028line\u2029par\u202fthin \u180e mongolian",
  "tabs\t\tand\r\nCRLF\r\n\r\n  mixed \t \n\v\f end ",
  "'S 'T 'RE 'VE 'M 'LL 'D 's't're've'm'll'd 'x ''' 'lo",
  "def fib(n: int) -> int:\n    if n < 2:\n        return n\n    return fib(n - 1) + fib(n - 2)  # O(1.6**n)\n",
  "for (int i = 0; i < 1234567890; ++i) { x[i] += 0x1F * 3.14159e-10f; }\n\t\t// ???!!! *** ===>\n\n",
  "{\"key\": [1, 22, 333, 4444, 55555], \"url\": \"https://example.org/a?b=c&d=%20\"}",
  "<|endoftext|> is text here, and so is <|start|><|endoftext|>",
  "x\u0000y\u0001z\u007f control",
  "supercalifragilisticexpialidocious antidisestablishmentarianism Donaudampfschifffahrtsgesellschaft",
];

// Texts that @huggingface/tokenizers reads otherwise than the Rust library that it follows: its \s lacks U+0085, and
// (?i:s) does not match the long s.
export const tiktokenTexts = ["one \u0085 two\u0085\u0085three", "'\u017fo 'S\u017f"];

export const expand = (text) => (typeof text === "string" ? text : text.unit.repeat(text.times));

/** Text in and out: token ids are the reference's, pieces of a stream never split a character or show a stop string. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";

import { StatelineError } from "../../kernel/api/errors";
import { TextStream } from "../../kernel/api/text/text-stream";
import { loadTokenizer, type Tokenizer } from "../../kernel/api/text/tokenizer";
import { golden, heldoutText, temporaryFolder, tinyMamba } from "../support/fixtures";

let tokenizer: Tokenizer;
beforeAll(async () => {
  const loaded = await loadTokenizer(tinyMamba);
  if (!loaded) throw new Error("tiny-mamba has a tokenizer");
  tokenizer = loaded;
});

const halfPair = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;
const texts = fc.oneof(fc.string({ unit: "grapheme", maxLength: 30 }), fc.string({ unit: "binary", maxLength: 20 }));

test("the held-out text has as many tokens as the reference counts, and comes back from them", () => {
  const text = readFileSync(heldoutText, "utf8");
  const tokens = tokenizer.encode(text, { special: false });
  expect(tokens).toHaveLength(36356);
  expect(tokenizer.decode(tokens)).toBe(text);
  expect(tokenizer.bytesFrom(tokens, 0)).toBe(Buffer.byteLength(text));
});

test("a long text is encoded off the event loop, to the same tokens, and can be aborted", async () => {
  const text = readFileSync(heldoutText, "utf8");
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const tokens = await tokenizer.encodeLong(text, { special: false });
  clearInterval(timer);
  expect(tokens).toEqual(tokenizer.encode(text, { special: false }));
  expect(turns).toBeGreaterThan(10);
  const aborted = tokenizer.encodeLong(text.repeat(20), { signal: AbortSignal.timeout(50) });
  await expect(aborted).rejects.toMatchObject({ code: "E_ABORTED" });
});

test("any text comes back from its tokens, and its bytes are counted", () => {
  fc.assert(
    fc.property(
      texts.filter((text) => !halfPair.test(text)),
      (text) => {
        const tokens = tokenizer.encode(text);
        expect(tokenizer.decode(tokens)).toBe(text);
        expect(tokenizer.bytesFrom(tokens, 0)).toBe(Buffer.byteLength(text));
      },
    ),
  );
});

test("the pieces of any tokens join to their text, and none splits a character", () => {
  const ids = fc.oneof(
    fc.array(fc.integer({ min: 1, max: 2047 }), { minLength: 1, maxLength: 40 }),
    fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 1, maxLength: 40 }), // single bytes: mostly broken UTF-8
    texts.map((text) => [...tokenizer.encode(text)]).filter((tokens) => tokens.length > 0),
  );
  fc.assert(
    fc.property(ids, (tokens) => {
      const stream = new TextStream(tokenizer);
      const pieces = tokens.map((token, i) => stream.push(token, i === tokens.length - 1));
      expect(pieces.join("")).toBe(tokenizer.decode(tokens));
      for (const piece of pieces) expect(piece).not.toMatch(halfPair);
    }),
    { numRuns: 500 },
  );
});

test("so do those of a tokenizer with spaces as letters and bytes as a fallback, as Zamba has", async () => {
  const words = ["▁", "▁the", "▁a", "é", "b", "▁b", "<unk>"];
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const vocab = Object.fromEntries([...bytes, ...words].map((token, id) => [token, id]));
  const tokenizer = {
    version: "1.0",
    added_tokens: [],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: { type: "BPE", unk_token: "<unk>", fuse_unk: true, byte_fallback: true, vocab, merges: [] },
  };
  const directory = temporaryFolder();
  writeFileSync(join(directory, "tokenizer.json"), JSON.stringify(tokenizer));
  const loaded = await loadTokenizer(directory);
  if (!loaded) throw new Error("the folder has a tokenizer");
  expect(loaded.decode(loaded.encode("the b€"))).toBe("the b€");
  const ids = fc.array(fc.integer({ min: 0, max: bytes.length + words.length - 2 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(ids, (tokens) => {
      const stream = new TextStream(loaded);
      const pieces = tokens.map((token, i) => stream.push(token, i === tokens.length - 1));
      expect(pieces.join("")).toBe(loaded.decode(tokens));
      for (const piece of pieces) expect(piece).not.toMatch(halfPair);
    }),
  );
});

test("a character of four tokens comes with the last of them", () => {
  const stream = new TextStream(tokenizer);
  const tokens = [...tokenizer.encode("a😀b")];
  expect(tokens.map((token, i) => stream.push(token, i === tokens.length - 1))).toEqual(["a", "", "", "", "😀", "b"]);
});

test("text ends before the stop string that is complete first, and no piece shows its beginning", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("a", "b", " ", "é"), minLength: 1, maxLength: 40 }),
      fc.array(fc.string({ unit: fc.constantFrom("a", "b", " ", "é"), minLength: 1, maxLength: 4 }), {
        minLength: 1,
        maxLength: 3,
      }),
      (text, stops) => {
        const tokens = [...tokenizer.encode(text)];
        const stream = new TextStream(tokenizer, stops);
        let shown = "";
        for (const [i, token] of tokens.entries()) {
          shown += stream.push(token, i === tokens.length - 1);
          if (stream.stopped) break;
          expect(text.startsWith(shown)).toBe(true);
        }
        const found = stops.map((stop) => ({ begin: text.indexOf(stop), end: text.indexOf(stop) + stop.length }));
        const [first] = found.filter(({ begin }) => begin >= 0).sort((a, b) => a.end - b.end || a.begin - b.begin);
        expect(shown).toBe(first ? text.slice(0, first.begin) : text);
        expect(stream.stopped).toBe(first !== undefined);
      },
    ),
    { numRuns: 1000 },
  );
});

test("a pattern that backtracks without end is refused with the text's length, and the event loop goes on meanwhile", async () => {
  const directory = temporaryFolder();
  const json = JSON.parse(readFileSync(join(tinyMamba, "tokenizer.json"), "utf8")) as { pre_tokenizer: object };
  const split = { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false };
  json.pre_tokenizer = { type: "Sequence", pretokenizers: [split, json.pre_tokenizer] };
  const file = join(directory, "tokenizer.json");
  writeFileSync(file, JSON.stringify(json));
  const hostile = await loadTokenizer(directory);
  expect(hostile?.encode("Holmes took")).toEqual(tokenizer.encode("Holmes took"));
  const text = `${"a".repeat(40)}b`;
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await expect(hostile?.encodeLong(text)).rejects.toMatchObject({
    code: "E_TOKENIZER_TIME",
    message: expect.stringContaining(`${file}: its patterns have not ended`) as unknown,
    details: { file, characters: 41 },
  });
  clearInterval(timer);
  expect(turns).toBeGreaterThan(10);
  const aborted = hostile?.encodeLong(text, { signal: AbortSignal.timeout(1) });
  await expect(aborted).rejects.toMatchObject({ code: "E_ABORTED" });
}, 60_000);

test("a checkpoint without tokenizer.json has no tokenizer", async () => {
  expect(await loadTokenizer(`${golden}/mamba-tiny`)).toBeUndefined();
});

/** tiny-mamba's tokenizer with another tokenizer_config.json. */
async function configured(change: object, files: Readonly<Record<string, string>> = {}): Promise<Tokenizer> {
  const directory = temporaryFolder();
  const config = JSON.parse(readFileSync(join(tinyMamba, "tokenizer_config.json"), "utf8")) as object;
  writeFileSync(join(directory, "tokenizer.json"), readFileSync(join(tinyMamba, "tokenizer.json")));
  writeFileSync(join(directory, "tokenizer_config.json"), JSON.stringify({ ...config, ...change }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const loaded = await loadTokenizer(directory);
  if (!loaded) throw new Error("the folder has a tokenizer");
  return loaded;
}

// The template of the ChatML format, which Falcon-Mamba's instruction-tuned checkpoint has.
const chatML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const messages = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Who is Watson?" },
];

test("a chat template turns messages into the text that the model was trained on", async () => {
  const chat = await configured({ chat_template: chatML });
  const expected =
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho is Watson?<|im_end|>\n<|im_start|>assistant\n";
  expect(await chat.chat(messages)).toBe(expected);
  expect(await chat.chat(messages, { addGenerationPrompt: false })).toBe(
    expected.replace("<|im_start|>assistant\n", ""),
  );
});

test("templates by name, a template's own file, and special tokens in a template are read", async () => {
  const several = await configured({
    chat_template: [
      { name: "default", template: "{{ bos_token }}{{ messages[0].content }}" },
      { name: "tools", template: "{{ tools[0].name }}" },
    ],
    bos_token: { content: "<|endoftext|>", special: true },
  });
  expect(await several.chat(messages)).toBe("<|endoftext|>Be brief.");
  expect([...several.encode(await several.chat(messages), { special: false })][0]).toBe(several.beginOfText);
  expect(await several.chat(messages, { template: "tools", tools: [{ name: "search" }] })).toBe("search");
  await expect(several.chat(messages, { template: "rag" })).rejects.toThrow(
    'no chat template "rag"; it has default, tools',
  );
  const own = await configured({ chat_template: chatML }, { "chat_template.jinja": "{{ messages | length }}" });
  expect(await own.chat(messages)).toBe("2");
});

test("what a chat template refuses, and a missing or broken one, is said in one line", async () => {
  const strict = await configured({
    chat_template: "{% if messages[0].role != 'user' %}{{ raise_exception('The first role must be user') }}{% endif %}",
  });
  await expect(strict.chat(messages)).rejects.toThrow(/refuses these messages: The first role must be user/);
  await expect(strict.chat([])).rejects.toThrow("messages must be a list of { role, content }, got []");
  const broken = await configured({ chat_template: "{% for %}" });
  await expect(broken.chat(messages)).rejects.toThrow(StatelineError);
  await expect(configured({ chat_template: 7 })).rejects.toMatchObject({ code: "E_CHAT_TEMPLATE" });
  await expect(tokenizer.chat(messages)).rejects.toThrow(/has no chat template/);
});

test.each([
  [
    "does not end",
    "{% for i in range(1000) %}".repeat(4) + "{% set x = i %}" + "{% endfor %}".repeat(4),
    /has not ended/,
  ],
  // On a busy machine it meets its time before it has filled its memory.
  ["fills the memory", "{{ range(100000000) | length }}", /takes more than 256 MB|has not ended/],
  ["nests too deep", `{{ ${"(".repeat(50_000)}1${")".repeat(50_000)} }}`, /refuses these messages/],
])(
  "a chat template that %s is refused, and the event loop goes on meanwhile",
  async (_, template, reason) => {
    const hostile = await configured({ chat_template: template });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await expect(hostile.chat(messages)).rejects.toMatchObject({
      code: "E_CHAT_TEMPLATE",
      message: expect.stringMatching(reason) as unknown,
    });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    await expect(hostile.chat(messages, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "E_ABORTED" });
  },
  60_000,
);

test("begin and end tokens are added and left out as the tokenizer's class and config say", async () => {
  const llama = { tokenizer_class: "LlamaTokenizerFast", eos_token: "." };
  const plain = [...tokenizer.encode("The dog", { special: false })];
  const ids = async (change: object): Promise<number[]> => [...(await configured(change)).encode("The dog")];
  const begin = tokenizer.beginOfText ?? -1;
  const dot = tokenizer.encode(".")[0] ?? -1;
  expect(await ids({})).toEqual(plain);
  expect(await ids({ ...llama, add_bos_token: true })).toEqual([begin, ...plain]);
  expect(await ids({ ...llama, add_bos_token: true, add_eos_token: true })).toEqual([begin, ...plain, dot]);
  expect(await ids({ ...llama, add_bos_token: false, add_eos_token: false })).toEqual(plain);
  const framed = await configured({ ...llama, add_bos_token: true });
  expect(framed.encode("<|endoftext|>The dog")).toEqual(framed.encode("The dog"));
  expect([...framed.encode("The dog", { special: false })]).toEqual(plain);
});

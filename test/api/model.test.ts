/** A loaded model: it generates, streams, scores and stops as asked; wrong input is refused in one clear line. */

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import {
  AbortedError,
  loadModel,
  OptionError,
  plainText,
  StatelineError,
  type LoadOptions,
  type Model,
  type TokenPiece,
} from "../../kernel/api/index";
import { generate } from "../../kernel/api/model/generation";
import type { GenerateJob, NativeEngine } from "../../kernel/api/native";
import { golden, goldenCase, heldoutText, temporaryFolder, tinyMamba } from "../support/fixtures";

const prompt = "Sherlock Holmes took";
let model: Model;
beforeAll(async () => {
  model = await loadModel(tinyMamba, { tensorParallel: 2, threadsPerRank: 1 });
});
afterAll(() => model.close());

test("a model generates, and says how fast", async () => {
  const generation = await model.generate(prompt, { maxNewTokens: 24 });
  expect(generation).toMatchObject({ finish: "length", promptTokens: 5 });
  expect(generation.tokens).toHaveLength(24);
  expect(generation.text).toMatch(/^ the paper in his hand\./); // the sample of models/tiny-mamba/README.md
  expect(model.tokenizer?.decode(generation.tokens)).toBe(generation.text);
  expect(model.loadMs).toBeGreaterThan(0);
  expect(generation.ttftMs).toBeGreaterThan(0);
  expect(generation.decodeTokensPerSecond).toBeGreaterThan(0);
  expect(generation.wireBytes).toBeGreaterThan(0);
  expect(plainText(generation)).toContain("24 tokens");
});

test("several prompts give what each gives alone, with one that fails or an abort ending all", async () => {
  const prompts = Array.from({ length: 20 }, (_, i) => [prompt, "It was", [5, 6, 7]][i % 3] ?? prompt);
  const sampling = { maxNewTokens: 8, temperature: 1, seed: 2 };
  const pieces = prompts.map((): number[] => []);
  const onToken = ({ token, prompt: index = -1 }: TokenPiece): void => void pieces[index]?.push(token);
  const together = await model.generate(prompts, { ...sampling, onToken });
  const alone = [];
  for (const one of prompts) alone.push(await model.generate(one, sampling));
  expect(together.map(({ tokens }) => tokens)).toEqual(alone.map(({ tokens }) => tokens));
  expect(pieces).toEqual(alone.map(({ tokens }) => tokens));

  let heard = 0;
  const fails = (): void => {
    if (++heard === 30) throw new TypeError("mine");
  };
  const endless = { maxNewTokens: 1_000_000, stopTokens: [] };
  await expect(model.generate(prompts, { ...endless, onToken: fails })).rejects.toThrow(new TypeError("mine"));
  const signal = AbortSignal.timeout(30);
  await expect(model.generate(prompts, { ...endless, signal })).rejects.toMatchObject({ code: "E_ABORTED" });
  expect(await model.generate(prompt, sampling)).toMatchObject({ tokens: alone[0]?.tokens });
});

test("an abort of several prompts tells what each has, and a wrong one among them is named by its place", async () => {
  const prompts = [prompt, "It was", [5, 6, 7]];
  const pieces = prompts.map((): TokenPiece[] => []);
  const controller = new AbortController();
  const onToken = (piece: TokenPiece): void => {
    pieces[piece.prompt ?? -1]?.push(piece);
    if (pieces.every(({ length }) => length >= 3)) controller.abort(new Error("enough"));
  };
  const options = { maxNewTokens: 1_000_000, stopTokens: [], onToken, signal: controller.signal };
  const error: unknown = await model.generate(prompts, options).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: "E_ABORTED",
    cause: { message: "enough" },
    details: {
      prompts: pieces.map((own) => ({
        tokens: own.map(({ token }) => token),
        text: own.map(({ text }) => text).join(""),
      })),
    },
  });

  await expect(model.generate(["It was", ""])).rejects.toMatchObject({
    code: "E_PROMPT_EMPTY",
    message: "prompts[1]: the prompt is empty; give at least one character",
    details: { index: 1 },
  });
  await expect(model.generate([[1], [2], [1e6]])).rejects.toMatchObject({
    code: "E_TOKEN_RANGE",
    details: { index: 2 },
  });
});

test("a stream gives every token with the text that generate gives, also to several readers at once", async () => {
  const options = { maxNewTokens: 40, temperature: 0.9, seed: 3 };
  const read = async (): Promise<{ tokens: number[]; text: string }> => {
    const tokens: number[] = [];
    let text = "";
    for await (const piece of model.stream(prompt, options)) {
      tokens.push(piece.token);
      text += piece.text;
    }
    return { tokens, text };
  };
  const { tokens, text } = await model.generate(prompt, options);
  expect(await Promise.all([read(), read()])).toEqual([
    { tokens, text },
    { tokens, text },
  ]);
});

test("a seed gives the same tokens, another seed others", async () => {
  const tokens = async (seed: number): Promise<string> => {
    const options = { maxNewTokens: 30, temperature: 1, topK: 50, topP: 0.9, seed };
    return (await model.generate(prompt, options)).tokens.join();
  };
  expect(await tokens(1)).toBe(await tokens(1));
  expect(await tokens(1)).not.toBe(await tokens(2));
});

test("a stop string ends the generation before it; a stop token ends it with it", async () => {
  const byText = await model.generate(prompt, { maxNewTokens: 60, stop: [" hand", "never"] });
  expect(byText).toMatchObject({ finish: "stop", text: " the paper in his" });
  const dot = model.tokenizer?.encode(".")[0] ?? -1;
  const byToken = await model.generate(prompt, { maxNewTokens: 60, stopTokens: [dot] });
  expect(byToken.finish).toBe("stop");
  expect(byToken.tokens.at(-1)).toBe(dot);
});

test("where nobody listens JavaScript is seldom woken, and an abort tells all tokens made; a listener hears none behind it", async () => {
  const abortedAfterTwo = async (onToken?: () => void): Promise<{ wait: number; tokens: unknown }> => {
    const controller = new AbortController();
    let wait = NaN;
    const engine = {
      generate({ newsIntervalMs }: GenerateJob, onTokens: (tokens: Int32Array) => void) {
        wait = newsIntervalMs;
        onTokens(Int32Array.of(1, 2));
        controller.abort();
        onTokens(Int32Array.of(3));
        return Promise.resolve({ tokens: Int32Array.of(1, 2, 3, 4), finish: "cancelled" });
      },
      cancel: () => undefined,
    } as unknown as NativeEngine;
    const parts = { engine, tokenizer: undefined, stopTokens: [], maxTokens: 8, contextLength: Infinity };
    const options = { signal: controller.signal, ...(onToken && { onToken }) };
    const made = generate(parts, Int32Array.of(7), options, { request: -1 });
    const { details } = await made.then(
      () => new AbortedError("E_ABORTED", "not aborted"),
      (error: AbortedError) => error,
    );
    return { wait, tokens: details["tokens"] };
  };
  const listener = jest.fn();
  const [alone, heard] = [await abortedAfterTwo(), await abortedAfterTwo(listener)];
  expect(alone.tokens).toEqual([1, 2, 3]);
  expect(heard.tokens).toEqual([1, 2]);
  expect(listener).toHaveBeenCalledTimes(2);
  expect(alone.wait).toBeGreaterThan(10 * heard.wait);
});

test("an aborted generation rejects with the text so far, and the model goes on", async () => {
  const controller = new AbortController();
  let count = 0;
  const onToken = (): void => void (++count === 5 && controller.abort(new Error("enough")));
  const rejected = model.generate(prompt, { maxNewTokens: 1_000_000, signal: controller.signal, onToken });
  await expect(rejected).rejects.toBeInstanceOf(AbortedError);
  await expect(rejected).rejects.toMatchObject({ code: "E_ABORTED", cause: { message: "enough" } });
  await rejected.catch((error: AbortedError) => {
    expect(error.details["tokens"]).toHaveLength(5);
    expect(error.stack).toContain("model.test.ts");
  });
  expect(await model.generate(prompt, { maxNewTokens: 3 })).toMatchObject({ finish: "length" });
});

test("an abort on any token rejects, also when the engine has made the last one by then", async () => {
  for (let at = 1; at <= 5; at++) {
    const controller = new AbortController();
    let heard = 0;
    const onToken = (): void => void (++heard === at && controller.abort());
    const options = { maxNewTokens: 6, stopTokens: [], signal: controller.signal, onToken };
    await expect(model.generate(prompt, options)).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(heard).toBe(at);
  }
});

test("an abort ends the wait within a fraction of a second, whatever the model is doing", async () => {
  const long = new Array<number>(60_000).fill(17);
  const signals = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(30) });
  const work: (() => Promise<unknown>)[] = [
    () => model.generate(long, signals()),
    () => model.perplexity(long, { window: 60_000, ...signals() }),
    () => model.logits(long.slice(0, 8000), { chunk: 1, ...signals() }),
    async () => {
      for await (const piece of model.stream(prompt, { maxNewTokens: 1_000_000, ...signals() }))
        expect(piece.token).toBeGreaterThanOrEqual(0);
    },
  ];
  for (const one of work) {
    const begin = performance.now();
    await expect(one()).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(performance.now() - begin).toBeLessThan(2000);
  }
  await expect(model.generate(prompt, { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(AbortedError);
});

test("a stream is left while its next token is waited for, behind others that take their time", async () => {
  const others = Array.from({ length: model.settings.slots }, () => model.stream(prompt, { maxNewTokens: 1_000_000 }));
  await Promise.all(others.map((one) => one.next()));
  const waiting = model.stream(prompt);
  const next = waiting.next();
  await model.tokenizer?.encodeLong(prompt); // by now it is in the queue
  expect(await waiting.return()).toEqual({ value: undefined, done: true });
  expect(await next).toEqual({ value: undefined, done: true });
  await Promise.all(others.map((one) => one.return()));
});

test("leaving a stream's loop ends its generation", async () => {
  for await (const piece of model.stream(prompt, { maxNewTokens: 1_000_000 })) if (piece.text.includes("paper")) break;
  const begin = performance.now();
  await model.generate(prompt, { maxNewTokens: 1 });
  expect(performance.now() - begin).toBeLessThan(2000);
});

test("an error in onToken ends the generation and is the caller's", async () => {
  const onToken = (): never => {
    throw new TypeError("mine");
  };
  await expect(model.generate(prompt, { onToken })).rejects.toThrow(new TypeError("mine"));
});

test.each(["tiny-mamba", "tiny-falcon-mamba", "tiny-zamba"])(
  "perplexity of %s is the reference's, window by window",
  async (name) => {
    const expected = (
      JSON.parse(readFileSync(join(heldoutText, "../expected.json"), "utf8")) as Record<
        string,
        { window_nll: number[] }
      >
    )[name];
    const text = readFileSync(heldoutText, "utf8");
    const directory = join(tinyMamba, "..", name);
    const exact = await loadModel(directory, { computeType: "f32", tensorParallel: 2, threadsPerRank: 1 });
    const int8 = await loadModel(directory, {
      computeType: "f32",
      tensorParallel: 2,
      threadsPerRank: 1,
      allReduce: "int8",
    });
    const weights = await loadModel(directory, { computeType: "int8", tensorParallel: 2, threadsPerRank: 1 });
    try {
      const progress: number[] = [];
      const result = await exact.perplexity(text, { limit: 6, onProgress: ({ done }) => progress.push(done) });
      expect(progress).toEqual([1, 2, 3, 4, 5, 6]);
      expect(result).toMatchObject({ windows: 6, tokens: 3072, scoredTokens: 3066 });
      for (const [window, nll] of result.windowNll.entries())
        expect(nll).toBeCloseTo(expected?.window_nll[window] ?? NaN, 1);
      // int8 on the wire costs less than half a percent.
      const quantised = await int8.perplexity(text, { limit: 6 });
      expect(quantised.perplexity).not.toBe(result.perplexity);
      expect(Math.abs(quantised.perplexity / result.perplexity - 1)).toBeLessThan(0.005);
      // int8 weights cost less than one percent of what the reference finds.
      const reference = (expected?.window_nll ?? []).slice(0, 6).reduce((sum, nll) => sum + nll, 0) / 3066;
      const small = await weights.perplexity(text, { limit: 6 });
      expect(small.perplexity).not.toBe(result.perplexity);
      expect(Math.abs(small.perplexity / Math.exp(reference) - 1)).toBeLessThan(0.01);
    } finally {
      await Promise.all([exact.close(), int8.close(), weights.close()]);
    }
  },
);

test.each(["f16", "bf16", "int8"] as const)("after a %s AllReduce all ranks hold the same bits", async (allReduce) => {
  for (const tensorParallel of [2, 4, 8]) {
    const checked = await loadModel(tinyMamba, {
      tensorParallel,
      allReduce,
      threadsPerRank: 1,
      verifyCollectives: true,
    });
    await checked.generate("It was a dark night and", { maxNewTokens: 8 });
    await checked.close();
  }
});

test("text generated in f32 does not depend on the number of ranks", async () => {
  const tokens = await Promise.all(
    [1, 2, 4, 8].map(async (tensorParallel) => {
      const one = await loadModel(tinyMamba, { tensorParallel, computeType: "f32", threadsPerRank: 1 });
      const generation = await one.generate(prompt, { maxNewTokens: 60 }).finally(() => one.close());
      return generation.tokens;
    }),
  );
  for (const other of tokens) expect(other).toEqual(tokens[0]);
});

test("a directory without tokenizer works with token ids", async () => {
  const { directory, prompts } = await goldenCase("mamba-tiny");
  const bare = await loadModel(directory);
  try {
    expect(bare.tokenizer).toBeUndefined();
    const generation = await bare.generate(prompts[0]?.tokens ?? [], { maxNewTokens: 4 });
    expect(generation).toMatchObject({ text: "", tokens: prompts[0]?.greedy.slice(0, 4) });
    await expect(bare.generate("a text")).rejects.toMatchObject({ code: "E_TOKENIZER_MISSING" });
  } finally {
    await bare.close();
  }
});

test.each<[string, () => Promise<unknown>, string, string]>([
  ["an empty prompt", () => model.generate(""), "E_PROMPT_EMPTY", "the prompt is empty"],
  ["no tokens", () => model.logits([]), "E_PROMPT_EMPTY", "the prompt is empty"],
  [
    "a token outside the vocabulary",
    () => model.logits([1, 2048]),
    "E_TOKEN_RANGE",
    "token 2048 at position 1 is not in the vocabulary of 2048",
  ],
  ["a negative token", () => model.generate([-1]), "E_TOKEN_RANGE", "token -1 at position 0"],
  ["a fraction for a token", () => model.generate([0.5]), "E_TOKEN_RANGE", "token 0.5"],
  [
    "a prompt that is none",
    () => model.generate({} as string),
    "E_OPTION_INVALID",
    "prompt must be a text, token ids or { messages }, got {}",
  ],
  [
    "no new tokens",
    () => model.generate(prompt, { maxNewTokens: 0 }),
    "E_OPTION_INVALID",
    "maxNewTokens must be an integer from 1 to 2147483647, got 0",
  ],
  [
    "a negative temperature",
    () => model.generate(prompt, { temperature: -1 }),
    "E_OPTION_INVALID",
    "temperature must be a number of at least 0, got -1",
  ],
  [
    "a misspelt option",
    () => model.generate(prompt, { maxTokens: 3 } as object),
    "E_OPTION_UNKNOWN",
    'generate has no option "maxTokens"',
  ],
  ["an empty stop string", () => model.generate(prompt, { stop: "" }), "E_OPTION_INVALID", "stop must be"],
  [
    "a chunk above the longest step",
    () => model.logits([1], { chunk: 513 }),
    "E_OPTION_INVALID",
    "chunk must be an integer from 1 to 512, got 513",
  ],
  ["a window of one token", () => model.perplexity("text", { window: 1 }), "E_OPTION_INVALID", "window must be"],
])("%s is refused", async (_, call, code, message) => {
  const error: unknown = await call().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(OptionError);
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) as unknown });
});

test.each<[string, LoadOptions, string, string]>([
  [
    "ranks that do not divide",
    { tensorParallel: 3 },
    "E_TP_INDIVISIBLE",
    "tensorParallel must divide d_inner = 512 (1, 2, 4, 8, 16, 32, …), got 3",
  ],
  ["no ranks", { tensorParallel: 0 }, "E_OPTION_INVALID", "tensorParallel must be an integer from 1 to 64, got 0"],
  [
    "more ranks than a process takes",
    { tensorParallel: 128 },
    "E_OPTION_INVALID",
    "tensorParallel must be an integer from 1 to 64, got 128",
  ],
  ["a GPU", { device: "cuda" }, "E_DEVICE_UNAVAILABLE", "available: cpu"],
  ["GPUs of fewer ranks", { tensorParallel: 2, gpus: [0] }, "E_OPTION_INVALID", "a GPU for each of the 2 ranks"],
  ["GPUs for a CPU", { device: "cpu", gpus: [0] }, "E_OPTION_INVALID", "left out with device cpu"],
  ["GPUs by name", { gpus: ["first"] as never }, "E_OPTION_INVALID", "a list, each an integer"],
  ["f16 arithmetic", { computeType: "f16" }, "E_COMPUTE_TYPE", "available: auto, f32, bf16, int8"],
  [
    "an unknown wire type",
    { allReduce: "int4" as "int8" },
    "E_OPTION_INVALID",
    "allReduce must be one of auto, f32, f16, bf16, int8, or",
  ],
  ["a group of none", { allReduce: { outProj: "int8", group: 0 } }, "E_OPTION_INVALID", "allReduce must be"],
  ["an aborted signal", { signal: AbortSignal.abort() }, "E_ABORTED", "loadModel was aborted"],
])("loading with %s is refused", async (_, options, code, message) => {
  await expect(loadModel(tinyMamba, options)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message) as unknown,
  });
});

test("a tokenizer with more tokens than the embedding has rows is refused", async () => {
  const directory = join(temporaryFolder(), "mixed");
  cpSync(join(golden, "mamba-tiny"), directory, { recursive: true });
  cpSync(join(tinyMamba, "tokenizer.json"), join(directory, "tokenizer.json"));
  await expect(loadModel(directory)).rejects.toMatchObject({ code: "E_TOKENIZER_SIZE" });
  writeFileSync(join(directory, "tokenizer.json"), "{}");
  await expect(loadModel(directory)).rejects.toMatchObject({ code: "E_TOKENIZER" });
});

test("a model closes after the generation that runs; what comes later is refused", async () => {
  const closed = await loadModel(tinyMamba);
  let running: Promise<unknown> = Promise.resolve();
  await new Promise<void>((begun) => {
    running = closed.generate(prompt, { maxNewTokens: 200, onToken: () => begun() });
  });
  await closed.close();
  await closed.close();
  await expect(running).resolves.toMatchObject({ finish: "length" });
  await expect(closed.generate(prompt)).rejects.toBeInstanceOf(StatelineError);
  await expect(closed.logits([1])).rejects.toMatchObject({
    code: "E_CLOSED",
    message: "the model tiny-mamba is closed; load it again",
  });
});

test("a model, its plan and its memory draw themselves", async () => {
  expect(plainText(model)).toMatch(
    /^tiny-mamba: mamba, 4\.0\d M parameters on 2 ranks .*, bf16 on cpu, 1 thread a rank\n/,
  );
  expect(plainText(model.plan)).toContain("rows of each of 2 parts");
  expect(JSON.parse(JSON.stringify(model.plan))).toMatchObject({ tensorParallel: 2, parameters: 4028672 });
  expect(plainText(model.memory)).toMatch(/^rank +weights/);
  expect(model.memory.weights).toHaveLength(2);
  expect(await model.logits([1, 2, 3])).toHaveLength(3 * 2048);
});

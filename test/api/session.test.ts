/** Sequences that keep their state: equal to the reference's states, and to reading everything again. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import * as fc from "fast-check";

import {
  AbortedError,
  loadModel,
  type LoadOptions,
  type Model,
  type Session,
  type Snapshot,
  type StateArrays,
} from "../../kernel/api/index";
import {
  degreesOf,
  difference,
  floatTensors,
  golden,
  goldenCase,
  goldenNames,
  temporaryFolder,
} from "../support/fixtures";
import { tinyMamba } from "../support/fixtures";

async function withModel<T>(directory: string, options: LoadOptions, work: (model: Model) => Promise<T>): Promise<T> {
  await using model = await loadModel(directory, { computeType: "f32", threadsPerRank: 1, ...options });
  return await work(model);
}

/** A state as the reference stores it: [d, K-1] and [d, N] of a layer; keys and values [kv heads, T, head dim]. */
function layerOf({ config }: Model, state: StateArrays, layer: number, name: "conv" | "ssm"): Float32Array {
  const { inner, taps, states } = config;
  const rows = name === "conv" ? taps - 1 : states;
  return Float32Array.from(
    { length: inner * rows },
    (_, i) => state[name][(layer * rows + (i % rows)) * inner + Math.floor(i / rows)] ?? NaN,
  );
}

function headsOf({ config }: Model, state: StateArrays, ordinal: number, name: "keys" | "values"): Float32Array {
  const { kvHeads = 0, headDim = 0 } = config.hybrid ?? {};
  return Float32Array.from({ length: kvHeads * state.tokens * headDim }, (_, i) => {
    const [head, token] = [Math.floor(i / (state.tokens * headDim)), Math.floor(i / headDim) % state.tokens];
    return state[name][((ordinal * state.tokens + token) * kvHeads + head) * headDim + (i % headDim)] ?? NaN;
  });
}

/** Without each row's first value: the reference keeps one input more than the next step needs. */
function lastTaps(reference: Float32Array, taps: number): Float32Array {
  return reference.filter((_, i) => i % taps > 0);
}

const cases = ["mamba", "falcon", "zamba"]
  .flatMap(goldenNames)
  .filter((name) => name !== "mamba-batch")
  .flatMap((name) => degreesOf(name).map((ranks) => [name, ranks] as const));

test.each(cases)("%s on %i ranks holds the reference's states after the prompt", async (name, ranks) => {
  const { directory, prompts } = await goldenCase(name);
  const tokens = prompts[0]?.tokens ?? [];
  const expected = await floatTensors(join(golden, name, "expected.safetensors"));
  await withModel(directory, { tensorParallel: ranks }, async (model) => {
    const session = model.session();
    // The last token is not read before it is needed.
    await session.append(tokens.slice(0, 7));
    await session.append([...tokens.slice(7), 0]);
    const state = session.state();
    if (!state) throw new Error("no state");
    expect(state.tokens).toBe(tokens.length);
    const compare = (found: Float32Array, reference: Float32Array | undefined): void =>
      expect(difference(found, reference ?? new Float32Array()).max).toBeLessThanOrEqual(1e-4);
    const { layers, taps, hybrid } = model.config;
    for (let layer = 0; layer < layers; layer++) {
      const conv = expected.get(`conv_state.${layer}`) ?? new Float32Array();
      compare(layerOf(model, state, layer, "conv"), lastTaps(conv, taps));
      compare(layerOf(model, state, layer, "ssm"), expected.get(`ssm_state.${layer}`));
    }
    for (const [ordinal, layer] of (hybrid?.layers ?? []).entries()) {
      compare(headsOf(model, state, ordinal, "keys"), expected.get(`k.${layer}`));
      compare(headsOf(model, state, ordinal, "values"), expected.get(`v.${layer}`));
    }
  });
});

test.each(["mamba-tiny", "falcon-odd", "zamba-odd"])(
  "%s goes on where it was as if it read all at once",
  async (name) => {
    const { directory, prompts } = await goldenCase(name);
    const { tokens, greedy } = prompts[0] ?? { tokens: [], greedy: [] };
    await withModel(directory, { tensorParallel: 2 }, async (model) => {
      const session = model.session();
      await session.append(tokens.slice(0, 1));
      await session.append(tokens.slice(1, 20));
      const first = await session.generate(tokens.slice(20), { maxNewTokens: 5, stopTokens: [] });
      expect(first).toMatchObject({ tokens: greedy.slice(0, 5), promptTokens: tokens.length - 19 });

      const [fork, moment] = [session.fork(), session.snapshot()];
      const rest = await session.generate(undefined, { maxNewTokens: greedy.length - 5, stopTokens: [] });
      expect(rest).toMatchObject({ tokens: greedy.slice(5), promptTokens: 1 });
      expect(session.tokens).toEqual([...tokens, ...greedy]);

      await fork.append([3, 1, 4]);
      const other = await fork.generate(undefined, { maxNewTokens: 4, stopTokens: [] });
      const alone = await model.generate([...tokens, ...greedy.slice(0, 5), 3, 1, 4], {
        maxNewTokens: 4,
        stopTokens: [],
      });
      expect(other.tokens).toEqual(alone.tokens);
      await session.restore(moment);
      expect((await session.generate([3, 1, 4], { maxNewTokens: 4, stopTokens: [] })).tokens).toEqual(alone.tokens);
    });
  },
);

test("a saved session goes on under another split, and in no other model", async () => {
  const { directory, prompts } = await goldenCase("zamba-tiny");
  const { tokens, greedy } = prompts[0] ?? { tokens: [], greedy: [] };
  const folder = temporaryFolder();
  const [file, empty] = [join(folder, "session.safetensors"), join(folder, "empty.safetensors")];
  await withModel(directory, { tensorParallel: 4 }, async (model) => {
    const session = model.session();
    await session.save(empty);
    await session.append(tokens);
    await session.save(file);
    await expect(session.save(join(folder, "missing/session"))).rejects.toMatchObject({ code: "E_STATE_FILE" });
  });
  await withModel(directory, { tensorParallel: 1 }, async (model) => {
    const session = model.session();
    await session.restore(file);
    expect(session.tokens).toEqual(tokens);
    expect((await session.generate(undefined, { maxNewTokens: 16, stopTokens: [] })).tokens).toEqual(greedy);
    await session.restore(empty);
    await expect(session.generate()).rejects.toMatchObject({ code: "E_PROMPT_EMPTY" });

    const refuses = (code: string): Promise<void> => expect(session.restore(file)).rejects.toMatchObject({ code });
    const bytes = readFileSync(file);
    const altered = (change: (copy: Buffer) => void): void => {
      const copy = Buffer.from(bytes);
      change(copy);
      writeFileSync(file, copy);
    };
    altered((copy) => copy.writeUInt8(copy.readUInt8(copy.length - 9) ^ 1, copy.length - 9));
    await refuses("E_STATE_CHECKSUM");
    altered((copy) => copy.write('"version":"9"', copy.indexOf('"version":"2"')));
    await refuses("E_STATE_VERSION");
    writeFileSync(file, bytes);
    truncateSync(file, bytes.length - 4);
    await refuses("E_STATE_FILE");
    writeFileSync(file, "no session");
    await refuses("E_STATE_FILE");
    await expect(session.restore(folder)).rejects.toMatchObject({ code: "E_STATE_FILE" });
    writeFileSync(file, bytes);
    expect(session.tokens).toEqual([]);
  });
  for (const other of ["zamba-odd", "mamba-tiny"]) {
    await withModel(join(golden, other), {}, async (model) => {
      await expect(model.session().restore(file)).rejects.toMatchObject({ code: "E_STATE_MODEL" });
    });
  }
});

test.each(["mamba-tiny", "falcon-odd", "zamba-tiny"])(
  "%s: sessions that are forked, gone back with, and carried between splits go on as if they had read everything",
  async (name) => {
    const { directory } = await goldenCase(name);
    const options = { computeType: "f32", allReduce: "f32", threadsPerRank: 1 } as const;
    const [one, four] = await Promise.all([
      loadModel(directory, { ...options, maxTokens: 32 }),
      loadModel(directory, { ...options, tensorParallel: name === "falcon-odd" ? 2 : 4, maxTokens: 24 }),
    ]);
    const file = join(temporaryFolder(), "session");
    const step = fc.record({
      act: fc.constantFrom("append", "append", "generate", "fork", "snapshot", "restore", "carry"),
      // One token, and around the borders of the chunks of 24 and 32.
      length: fc.constantFrom(1, 1, 2, 23, 24, 25, 31, 32, 33, 70),
      at: fc.nat(9),
    });
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
          const sessions: Session[] = [one.session()];
          const moments: { readonly of: Snapshot; readonly tokens: readonly number[] }[] = [];
          for (const [index, { act, length, at }] of steps.entries()) {
            const which = at % sessions.length;
            const session = sessions[which] ?? one.session();
            const before = session.tokens;
            const fresh = Array.from({ length }, (_, i) => (7 * i + 31 * index) % 97);
            const moment = moments[at % moments.length];
            if (act === "fork") sessions.push(session.fork());
            else if (act === "snapshot") moments.push({ of: session.snapshot(), tokens: before });
            else if (act === "carry") {
              await session.save(file);
              sessions[which] = (at % 2 === 0 ? one : four).session();
              await sessions[which].restore(file);
              expect(sessions[which].tokens).toEqual(before);
            } else if (act === "restore") {
              if (!moment) continue;
              await session.restore(moment.of);
              expect(session.tokens).toEqual(moment.tokens);
            } else if (act === "append") {
              await session.append(fresh);
              expect(session.tokens).toEqual([...before, ...fresh]);
            } else {
              const { tokens } = await session.generate(fresh, { maxNewTokens: 1 + (at % 3), stopTokens: [] });
              expect(session.tokens).toEqual([...before, ...fresh, ...tokens]);
            }
          }
          for (const session of sessions) {
            if (session.tokens.length === 0) continue;
            const rest = { maxNewTokens: 3, stopTokens: [] };
            const whole = await one.generate([...session.tokens], { ...rest, cache: false });
            expect((await session.generate(undefined, rest)).tokens).toEqual(whole.tokens);
          }
        }),
        { numRuns: 12 },
      );
    } finally {
      await Promise.all([one.close(), four.close()]);
    }
  },
);

test("no bit of a saved session changes unseen, and no damage is taken for another model", async () => {
  const { directory } = await goldenCase("mamba-tiny");
  const file = join(temporaryFolder(), "session");
  await withModel(directory, {}, async (model) => {
    const session = model.session();
    await session.append([11, 12, 13]);
    await session.save(file);
    const bytes = readFileSync(file);
    const data = 8 + Number(bytes.readBigUInt64LE(0));
    const damage = async (change: (copy: Buffer) => Buffer | void): Promise<void> => {
      const copy = Buffer.from(bytes);
      writeFileSync(file, change(copy) ?? copy);
      await expect(session.restore(file)).rejects.toMatchObject({
        code: expect.stringMatching(/^E_STATE_(FILE|VERSION|CHECKSUM)$/) as string,
        details: { file },
      });
    };
    for (let at = 0; at < bytes.length; at += at < data + 16 ? 1 : 997) {
      await damage((copy) => void copy.writeUInt8(copy.readUInt8(at) ^ (1 << (at % 8)), at));
    }
    for (const length of [0, 7, 8, 9, data - 1, data, data + 1, bytes.length - 1]) {
      await damage((copy) => copy.subarray(0, length));
    }
    await damage((copy) => Buffer.concat([copy, Buffer.alloc(1)]));
    for (const declared of [0n, 1n, 2n ** 31n, 2n ** 63n, 2n ** 64n - 1n]) {
      await damage((copy) => void copy.writeBigUInt64LE(declared));
    }
    await damage((copy) => copy.subarray(0, 8).swap64());
    expect(session.tokens).toEqual([11, 12, 13]);
    writeFileSync(file, bytes);
    await session.restore(file);
  });
});

test("a file whose checksum is right, but not what it holds, is refused before a session goes on with it", async () => {
  const { directory } = await goldenCase("zamba-tiny");
  const file = join(temporaryFolder(), "session");
  await withModel(directory, {}, async (model) => {
    const session = model.session();
    await session.append([11, 12, 13, 14]);
    await session.save(file);
    const bytes = readFileSync(file);
    const begin = 8 + Number(bytes.readBigUInt64LE(0));
    const refuses = async (change: (header: string, data: Buffer) => string, code: string): Promise<void> => {
      const data = Buffer.from(bytes.subarray(begin));
      const text = bytes.toString("utf8", 8, begin).replace(/"sha256":"\w+"/, `"sha256":"${"0".repeat(64)}"`);
      const header = change(text, data);
      expect(header).toHaveLength(begin - 8);
      const whole = Buffer.concat([bytes.subarray(0, 8), Buffer.from(header), data]);
      whole.write(createHash("sha256").update(whole).digest("hex"), whole.indexOf("0".repeat(64)));
      writeFileSync(file, whole);
      await expect(session.restore(file)).rejects.toMatchObject({ code, details: { file } });
    };
    await refuses((header, data) => (data.writeInt32LE(model.config.vocabulary, 4), header), "E_STATE_FILE");
    await refuses((header, data) => (data.writeInt32LE(-1, 0), header), "E_STATE_FILE");
    await refuses((header) => header.replace('"conv":', '"keep":'), "E_STATE_FILE");
    await refuses((header) => header.replace('"I32"', '"U32"'), "E_STATE_FILE");
    await refuses((header) => header.replace("[4]", "[2,2]").slice(0, -2), "E_STATE_FILE");
    await refuses((header) => header.replace('"version":"2"', '"version":"3"'), "E_STATE_VERSION");
    await refuses((header) => header.replace(/(?<="fingerprint":")./, "x"), "E_STATE_MODEL");
    expect(session.tokens).toEqual([11, 12, 13, 14]);
  });
});

test("a session is saved through a link and over a file, and neither over nor from what is no file", async () => {
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder, name);
  await withModel(tinyMamba, {}, async (model) => {
    const session = model.session();
    await session.append("Sherlock Holmes took");
    writeFileSync(at("there"), "what was here before");
    chmodSync(at("there"), 0o600);
    symlinkSync("there", at("link"));
    await session.save(at("link"));
    expect(lstatSync(at("link")).isSymbolicLink()).toBe(true);
    expect(statSync(at("there")).mode & 0o777).toBe(0o600);
    await session.restore(at("there"));

    mkdirSync(at("folder"));
    execFileSync("mkfifo", [at("pipe")]);
    for (const none of ["folder", "pipe"]) {
      const refused = { code: "E_STATE_FILE", details: { file: at(none) } };
      await expect(session.save(at(none))).rejects.toMatchObject(refused);
      await expect(session.restore(at(none))).rejects.toMatchObject(refused);
    }
    await expect(session.save("")).rejects.toMatchObject({ code: "E_OPTION_INVALID" });
    const aborted = { signal: AbortSignal.abort() };
    await expect(session.save(at("new"), aborted)).rejects.toBeInstanceOf(AbortedError);
    await expect(session.restore(at("there"), aborted)).rejects.toBeInstanceOf(AbortedError);
    expect(readdirSync(folder).sort()).toEqual(["folder", "link", "pipe", "there"]);
  });
});

test("a snapshot is taken by another load of its model, and by no other model", async () => {
  const load = (name: string, tensorParallel = 1): Promise<Model> => loadModel(join(golden, name), { tensorParallel });
  const [model, again, other] = await Promise.all([load("mamba-tiny"), load("mamba-tiny", 2), load("mamba-odd")]);
  const session = model.session();
  await session.append([1, 2, 3]);
  const [same, different] = [again.session(), other.session()];
  await same.restore(session.snapshot());
  expect(same.tokens).toEqual([1, 2, 3]);
  await expect(different.restore(session.snapshot())).rejects.toMatchObject({
    code: "E_STATE_MODEL",
    details: { model: "mamba-tiny" },
  });
  const { tokens, state } = session.snapshot();
  for (const forged of [{}, undefined, 3, { tokens, state }, new URL("file:///tmp/session")]) {
    const restored = different.restore(forged as unknown as Snapshot);
    await expect(restored).rejects.toMatchObject({ code: "E_OPTION_INVALID", details: { name: "from" } });
  }
  expect(different.tokens).toEqual([]);
  expect(() => (session.tokens as number[]).push(4)).toThrow("not extensible");
  await different.append([5]); // the model goes on serving

  // Of the same sizes, and with one weight in the middle that is a little different.
  const folder = temporaryFolder();
  cpSync(join(golden, "mamba-tiny"), folder, { recursive: true });
  const weights = join(folder, "model.safetensors");
  const bytes = readFileSync(weights);
  const large = model.plan.tensors.find(({ rows, columns }) => rows * columns > 8192);
  if (!large) throw new Error("no large tensor");
  const middle = large.byteOffset + 2 * large.rows * large.columns;
  writeFileSync(weights, bytes.fill(bytes.readUInt8(middle) ^ 1, middle, middle + 1));
  await using tuned = await loadModel(folder);
  await expect(tuned.session().restore(session.snapshot())).rejects.toMatchObject({ code: "E_STATE_MODEL" });
  await Promise.all([model.close(), again.close(), other.close()]);
});

test("calls of a session take turns, and who aborts while waiting waits no more", async () => {
  await withModel(tinyMamba, {}, async (model) => {
    const session = model.session();
    await expect(session.append([5], { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(AbortedError);
    expect(session.tokens).toEqual([]);
    await session.append([5, 6]);

    const file = join(temporaryFolder(), "session");
    const ended: string[] = [];
    const leave = new AbortController();
    const stop = new AbortController();
    const long = session.generate([7], { maxNewTokens: 1_000_000, stopTokens: [], signal: stop.signal });
    const waiting = session.append([8], { signal: leave.signal });
    const behind = session.append([9]).then(() => session.save(file));
    const all = Object.entries({ long, waiting, behind }).map(([name, call]) =>
      call.catch(() => undefined).then(() => ended.push(name)),
    );
    expect(session.snapshot().tokens).toEqual([5, 6]);
    leave.abort();
    await expect(waiting).rejects.toMatchObject({ code: "E_ABORTED" });
    stop.abort();
    await expect(long).rejects.toMatchObject({ code: "E_ABORTED" });
    await Promise.all(all);
    expect(ended).toEqual(["waiting", "long", "behind"]);
    const restored = model.session();
    await restored.restore(file);
    expect(restored.tokens).toEqual([5, 6, 9]);
  });
});

test("a stop text ends the session's text, too; an abort leaves it as it was", async () => {
  await withModel(tinyMamba, { tensorParallel: 2 }, async (model) => {
    const session = model.session();
    const stopped = await session.generate("Sherlock Holmes took", { maxNewTokens: 60, stop: " hand" });
    expect(session.tokens.slice(-stopped.tokens.length)).toEqual(stopped.tokens);
    const whole = await model.generate([...session.tokens], { maxNewTokens: 8 });
    expect((await session.generate(undefined, { maxNewTokens: 8 })).tokens).toEqual(whole.tokens);

    const before = session.tokens;
    const enough = new AbortController();
    const onToken = (): void => enough.abort();
    const options = { maxNewTokens: 100_000, signal: enough.signal, onToken };
    await expect(session.generate(" and", options)).rejects.toBeInstanceOf(AbortedError);
    await expect(session.append(" and", { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(AbortedError);
    const long = new Array<number>(200_000).fill(17);
    const soon = AbortSignal.timeout(20);
    await expect(session.append(long, { signal: soon })).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(session.tokens).toBe(before);
    expect(session.text).toContain("Sherlock Holmes took");
  });
});

test("the repetition penalty counts what the session has read before", async () => {
  const options = { maxNewTokens: 20, repetitionPenalty: 1.5, stopTokens: [] };
  const model = await loadModel(tinyMamba, { computeType: "f32", threadsPerRank: 1 });
  try {
    const ids = [...(model.tokenizer?.encode("The dog barked, the dog ran, the dog") ?? [])];
    const session = model.session();
    await session.append(ids.slice(0, 5));
    await session.append(ids.slice(5, 8));
    const { tokens } = await session.generate(ids.slice(8), options);
    expect(tokens).toEqual((await model.generate(ids, options)).tokens);
  } finally {
    await model.close();
  }
});

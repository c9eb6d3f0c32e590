/** Sequences that keep their state: equal to the reference's states, and to reading everything again. */

import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { AbortedError, loadModel, type LoadOptions, type Model, type StateArrays } from "../../kernel/api/index";
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
    altered((copy) => copy.write('"version":"9"', copy.indexOf('"version":"1"')));
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

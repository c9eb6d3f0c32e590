/** Damaged checkpoints: whatever is broken, a typed error says so; never a crash, a hang or a wrong answer. */

import {
  cpSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

import fc from "fast-check";

import { openCheckpoint, refuseChanges } from "../../kernel/api/checkpoint/checkpoint";
import { readHeader } from "../../kernel/api/checkpoint/safetensors";
import { loadModel, makeModel, StatelineError } from "../../kernel/api/index";
import { loadTokenizer, readStopTokens, type Tokenizer } from "../../kernel/api/text/tokenizer";
import { difference, golden, temporaryFolder, tinyMamba } from "../support/fixtures";

const tokens = [3, 1, 4, 1, 5];

function copyOf(source: string): string {
  const directory = join(temporaryFolder(), "model");
  cpSync(source, directory, { recursive: true });
  return directory;
}

async function logitsOf(directory: string): Promise<Float32Array> {
  const options = { tensorParallel: 2, threadsPerRank: 1, computeType: "f32", contextLength: 64 } as const;
  const model = await loadModel(directory, options);
  return model.logits(tokens).finally(() => model.close());
}

/** Replaces one value anywhere in a JSON text. */
const odd = fc.constantFrom<unknown>(
  null,
  -1,
  0,
  0.5,
  1,
  2,
  3,
  7,
  2 ** 31 - 1,
  2 ** 53,
  1e308,
  "",
  "16",
  "auto",
  [],
  {},
  true,
);
function replaceValue(value: unknown, path: number, by: unknown): unknown {
  const places: (() => void)[] = [];
  const root: { json: unknown } = { json: structuredClone(value) };
  const visit = (holder: Record<string, unknown>): void => {
    for (const key of Object.keys(holder)) {
      places.push(
        () => void (holder[key] = by),
        () => void delete holder[key],
      );
      const child = holder[key];
      if (typeof child === "object" && child !== null) visit(child as Record<string, unknown>);
    }
  };
  if (typeof root.json === "object" && root.json !== null) visit(root.json as Record<string, unknown>);
  places[path % places.length]?.();
  return root.json;
}

function changeHeader(file: string, path: number, by: unknown): void {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.stringify(replaceValue(JSON.parse(bytes.toString("utf8", 8, 8 + length)), path, by));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  writeFileSync(file, Buffer.concat([prefix, Buffer.from(header), bytes.subarray(8 + length)]));
}

type Damage =
  | { readonly kind: "config" | "index" | "header"; readonly path: number; readonly by: unknown }
  | { readonly kind: "cut"; readonly at: number };

const damages: fc.Arbitrary<Damage> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("config" as const, "index" as const, "header" as const),
      path: fc.nat(10_000),
      by: odd,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("cut" as const), at: fc.double({ min: 0, max: 0.999, noNaN: true }) }),
  },
);

function apply(directory: string, damage: Damage): void {
  const weights = readdirSync(directory).filter((name) => /^model.*\.safetensors$/.test(name));
  const file = join(directory, weights[0] ?? "");
  if (damage.kind === "cut") return truncateSync(file, Math.floor(damage.at * readFileSync(file).length));
  if (damage.kind === "header") return changeHeader(file, damage.path, damage.by);
  const index = join(directory, "model.safetensors.index.json");
  const json = damage.kind === "index" && weights.length > 1 ? index : join(directory, "config.json");
  writeFileSync(json, JSON.stringify(replaceValue(JSON.parse(readFileSync(json, "utf8")), damage.path, damage.by)));
}

test.each(["mamba-tiny", "mamba-bf16-sharded", "mamba-original-keys", "falcon-tiny", "zamba-tiny"])(
  "%s with any value of its config, index or header replaced loads as a whole model or is refused by a typed error",
  async (name) => {
    const { vocabulary } = await loadModel(join(golden, name)).then(async (model) => {
      await model.close();
      return model.config;
    });
    await fc.assert(
      fc.asyncProperty(damages, async (damage) => {
        const directory = copyOf(join(golden, name));
        try {
          apply(directory, damage);
          const result = await logitsOf(directory).catch((error: unknown) => error);
          if (result instanceof Float32Array) {
            expect(result.length).toBe(tokens.length * vocabulary);
            expect(result.every(Number.isFinite)).toBe(true);
          } else {
            expect(result).toBeInstanceOf(StatelineError);
            expect((result as StatelineError).message).toContain(directory);
          }
        } finally {
          rmSync(directory, { recursive: true });
        }
      }),
      { numRuns: 60 },
    );
  },
);

test.each([
  ["F32", "mamba-tiny", 4, [0, 0, 0xc0, 0x7f], "NaN"],
  ["F16", "mamba-noconvbias", 2, [0, 0xfc], "-Infinity"],
  ["BF16", "mamba-bf16-sharded", 2, [0xc0, 0x7f], "NaN"],
])("a weight of %s that is no number is named when it is loaded", async (_, name, width, bytes, value) => {
  const directory = copyOf(join(golden, name));
  const { tensors, files } = await openCheckpoint(directory);
  const damage = async (tensorName: string, index: number): Promise<void> => {
    const tensor = tensors.get(tensorName);
    const file = files[tensor?.file ?? -1] ?? "";
    const content = readFileSync(file);
    const whole = Buffer.from(content);
    // A later one is not the first, whichever rank comes upon which.
    for (const at of [index, index + 3000]) Buffer.from(bytes).copy(content, (tensor?.byteOffset ?? NaN) + at * width);
    writeFileSync(file, content);
    for (const tensorParallel of [1, 4]) {
      await expect(loadModel(directory, { tensorParallel, threadsPerRank: 1 })).rejects.toMatchObject({
        code: "E_TENSOR_VALUE",
        message: expect.stringContaining(`${file}: ${tensorName} has ${value} at index ${index} of`) as unknown,
      });
    }
    writeFileSync(file, whole);
  };
  for (const mixer of ["in_proj", "out_proj"]) await damage(`backbone.layers.1.mixer.${mixer}.weight`, 77);
  await damage("backbone.embeddings.weight", 9000);
});

test("a checkpoint whose tensors have different types computes what its values say", async () => {
  const source = join(golden, "mamba-tiny");
  const directory = copyOf(source);
  const path = join(source, "model.safetensors");
  const bytes = readFileSync(path);
  const stored = await readHeader(path, bytes.length, (offset, length) =>
    Promise.resolve(bytes.subarray(offset, offset + length)),
  );
  const exact: Buffer[] = [];
  const mixed: Buffer[] = [];
  const [header, exactHeader]: Record<string, object>[] = [{}, {}];
  let [at, exactAt] = [0, 0];
  for (const [index, { name, shape, byteOffset, byteLength }] of stored.entries()) {
    // Every other tensor in bf16; the comparison has the same values in F32.
    const words = new Uint32Array(Uint8Array.from(bytes.subarray(byteOffset, byteOffset + byteLength)).buffer);
    const upper = Uint16Array.from(words, (word) => word >>> 16);
    const rounded = index % 2 === 0 ? Uint32Array.from(upper, (half) => half * 65536) : words;
    const part = Buffer.from(index % 2 === 0 ? upper.buffer : words.buffer);
    mixed.push(part);
    exact.push(Buffer.from(rounded.buffer));
    if (header)
      header[name] = { dtype: index % 2 === 0 ? "BF16" : "F32", shape, data_offsets: [at, (at += part.length)] };
    if (exactHeader) exactHeader[name] = { dtype: "F32", shape, data_offsets: [exactAt, (exactAt += byteLength)] };
  }
  const write = (folder: string, head: object | undefined, parts: readonly Buffer[]): void => {
    const text = Buffer.from(JSON.stringify(head));
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(text.length));
    writeFileSync(join(folder, "model.safetensors"), Buffer.concat([prefix, text, ...parts]));
  };
  const same = copyOf(source);
  write(directory, header, mixed);
  write(same, exactHeader, exact);
  expect(difference(await logitsOf(directory), await logitsOf(same)).max).toBe(0);
});

test("tensors behind 5 GiB of others in one file are read where they are", async () => {
  const source = join(golden, "mamba-tiny");
  const directory = copyOf(source);
  const path = join(directory, "model.safetensors");
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Record<string, { data_offsets?: number[] }>;
  const before = 5 * 2 ** 30;
  for (const { data_offsets: offsets } of Object.values(header))
    offsets?.forEach((at, i) => (offsets[i] = at + before));
  const unused = { dtype: "U8", shape: [before], data_offsets: [0, before] };
  const text = Buffer.from(JSON.stringify({ unused, ...header }));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  const handle = await open(path, "w");
  await handle.write(Buffer.concat([prefix, text]), 0, null, 0);
  // A hole, not bytes: the file takes no room on the disk.
  await handle.write(bytes.subarray(8 + length), 0, null, 8 + text.length + before);
  await handle.close();
  expect(difference(await logitsOf(directory), await logitsOf(source)).max).toBe(0);
  truncateSync(path, 2 ** 32 + 7);
  await expect(loadModel(directory)).rejects.toMatchObject({ code: "E_SAFETENSORS_TRUNCATED" });
});

test("a file that is cut short, rewritten or replaced while it is read is refused", async () => {
  const directory = copyOf(join(golden, "mamba-tiny"));
  const file = join(directory, "model.safetensors");
  const before = await openCheckpoint(directory);
  await refuseChanges(before);
  utimesSync(file, 1, 1);
  await expect(refuseChanges(before)).rejects.toMatchObject({ code: "E_FILE_CHANGED" });
  rmSync(file);
  await expect(refuseChanges(before)).rejects.toMatchObject({ code: "E_FILE_MISSING" });
  const large = join(temporaryFolder(), "large");
  const { files } = await makeModel({ like: "mamba-130m", layers: 1, out: large });
  let cut = false;
  const loading = loadModel(large, {
    onProgress: () => {
      if (!cut) truncateSync(files[0] ?? "", 4096);
      cut = true;
    },
  });
  await expect(loading).rejects.toMatchObject({ code: "E_FILE_CHANGED" });
});

test("a model whose file is cut short under it says so instead of ending the process", async () => {
  const directory = copyOf(tinyMamba);
  const file = join(directory, "model.safetensors");
  const model = await loadModel(directory, { tensorParallel: 2, threadsPerRank: 1 });
  const before = await model.logits(tokens);
  truncateSync(file, 100);
  const after = model.logits([...Array(2000).keys()]);
  await expect(after).rejects.toMatchObject({
    code: "E_FILE_CHANGED",
    message: expect.stringContaining(file) as unknown,
  });
  await expect(model.generate(tokens)).rejects.toMatchObject({ code: "E_FILE_CHANGED" });
  await model.close();
  expect(before.every(Number.isFinite)).toBe(true);
});

test("links in circles and folders in a file's place are refused", async () => {
  for (const name of ["config.json", "model.safetensors", "tokenizer.json"]) {
    const directory = copyOf(join(golden, "mamba-tiny"));
    rmSync(join(directory, name), { force: true });
    symlinkSync("other", join(directory, name));
    symlinkSync(name, join(directory, "other"));
    await expect(loadModel(directory)).rejects.toMatchObject({
      code: "E_FILE_UNREADABLE",
      message: expect.stringContaining(name) as unknown,
    });
  }
});

test("a tokenizer with any part of its settings replaced works on text or is refused by a typed error", async () => {
  const files = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...files), fc.nat(10_000), odd, async (name, path, by) => {
      const directory = temporaryFolder();
      for (const one of files) cpSync(join(tinyMamba, one), join(directory, one));
      const json = JSON.parse(readFileSync(join(directory, name), "utf8")) as Record<string, unknown>;
      // Of tokenizer.json the settings around the vocabulary, which is not looked into.
      const { model, ...settings } = json;
      const changed = replaceValue(settings, path, by) as object;
      writeFileSync(join(directory, name), JSON.stringify(model === undefined ? changed : { ...changed, model }));
      const loaded = await loadTokenizer(directory).catch((error: unknown) => error);
      if (loaded instanceof Error) {
        expect(loaded).toBeInstanceOf(StatelineError);
        expect(loaded.message).toContain(directory);
        return;
      }
      const tokenizer = loaded as Tokenizer;
      const stops = await readStopTokens(directory, {}, tokenizer);
      expect(stops.every((id) => Number.isInteger(id) && id >= 0)).toBe(true);
      expect(typeof tokenizer.decode(tokenizer.encode("Holmes, 221b \u00e9"))).toBe("string");
      rmSync(directory, { recursive: true });
    }),
    { numRuns: 80 },
  );
});

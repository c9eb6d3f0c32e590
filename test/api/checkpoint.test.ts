/** Checkpoints: what is read, and that a broken one is refused with the file, the tensor and the two values. */

import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";

import { openCheckpoint } from "../../kernel/api/checkpoint/checkpoint";
import { duplicateName } from "../../kernel/api/checkpoint/json";
import { readHeader, type StoredTensor } from "../../kernel/api/checkpoint/safetensors";
import { CheckpointError, StatelineError } from "../../kernel/api/errors";
import { chooseAllReduce } from "../../kernel/api/model/all-reduce";
import { planShards, type ShardPlan } from "../../kernel/api/plan/plan";
import { golden, goldenNames, temporaryFolder } from "../support/fixtures";

function file(header: string | object, dataBytes: number, declared?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, declared ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

function parse(bytes: Uint8Array): Promise<StoredTensor[]> {
  return readHeader("m.safetensors", bytes.length, (offset, length) =>
    Promise.resolve(bytes.slice(offset, offset + length)),
  );
}

const f32 = (shape: number[], begin: number, end: number): object => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});

test.each([
  ["shorter than its length field", new Uint8Array(5), "E_SAFETENSORS_TRUNCATED"],
  ["a header of 2^63 bytes", file("{}", 0, 2n ** 63n), "E_SAFETENSORS_HEADER_SIZE"],
  ["a header longer than the file", file("{}", 0, 100n), "E_SAFETENSORS_TRUNCATED"],
  ["a header that is not JSON", file("{nonsense", 0), "E_SAFETENSORS_HEADER_JSON"],
  ["a header that is a list", file("[]", 0), "E_SAFETENSORS_HEADER_JSON"],
  ["a byte order mark", file("\ufeff{}", 0), "E_SAFETENSORS_HEADER_JSON"],
  ["a header nested without end", file(`{"a":${"[".repeat(1e5)}${"]".repeat(1e5)}}`, 0), "E_SAFETENSORS_HEADER_JSON"],
  [
    "a name that is no UTF-8",
    file(`{"a":1}`, 0).map((byte) => (byte === 97 ? 0xff : byte)),
    "E_SAFETENSORS_HEADER_JSON",
  ],
  ["a tensor called __proto__ that is none", file('{"__proto__": 7}', 0), "E_SAFETENSORS_HEADER_JSON"],
  [
    "a size beyond 2^53",
    file({ a: { dtype: "U8", shape: [2 ** 53], data_offsets: [0, 1] } }, 1),
    "E_SAFETENSORS_SHAPE",
  ],
  ["a negative offset", file({ a: f32([1], -4, 0) }, 4), "E_SAFETENSORS_OFFSETS"],
  [
    "a name twice",
    file(
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
      2,
    ),
    "E_SAFETENSORS_DUPLICATE",
  ],
  ["an unknown dtype", file({ a: { dtype: "Q4", shape: [1], data_offsets: [0, 1] } }, 1), "E_SAFETENSORS_DTYPE"],
  [
    "a dtype named like a method",
    file({ a: { dtype: "toString", shape: [1], data_offsets: [0, 1] } }, 1),
    "E_SAFETENSORS_DTYPE",
  ],
  ["a negative size", file({ a: f32([-1], 0, 4) }, 4), "E_SAFETENSORS_SHAPE"],
  ["sizes whose product overflows", file({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4), "E_SAFETENSORS_SHAPE"],
  ["offsets that go backwards", file({ a: f32([1], 4, 0) }, 4), "E_SAFETENSORS_OFFSETS"],
  ["offsets that contradict the shape", file({ a: f32([2], 0, 4) }, 4), "E_SAFETENSORS_OFFSETS"],
  ["a tensor past the end", file({ a: f32([2], 0, 8) }, 4), "E_SAFETENSORS_TRUNCATED"],
  ["overlapping tensors", file({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12), "E_SAFETENSORS_OVERLAP"],
  ["a gap between tensors", file({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), "E_SAFETENSORS_GAP"],
  ["bytes after the last tensor", file({ a: f32([1], 0, 4) }, 8), "E_SAFETENSORS_GAP"],
])("a safetensors file with %s is refused", async (_, bytes, code) => {
  await expect(parse(bytes)).rejects.toMatchObject({
    code,
    message: expect.stringContaining("m.safetensors") as unknown,
  });
  await expect(parse(bytes)).rejects.toBeInstanceOf(CheckpointError);
});

test("a valid header gives each tensor's place, and no damage to it is taken for another error than ours", async () => {
  const tensors = fc.array(
    fc.record({
      name: fc.string({ minLength: 1, maxLength: 12 }).filter((name) => name !== "__metadata__"),
      dtype: fc.constantFrom("F32", "F16", "BF16", "I64"),
      shape: fc.array(fc.nat(4), { maxLength: 3 }),
    }),
    { maxLength: 6 },
  );
  const damage = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(tensors, damage, fc.nat(), async (list, changes, cut) => {
      const widths = { F32: 4, F16: 2, BF16: 2, I64: 8 };
      const unique = [...new Map(list.map((one) => [one.name, one])).values()];
      let end = 0;
      const entries = unique.map(({ name, dtype, shape }) => {
        const begin = end;
        end += shape.reduce((product, size) => product * size, widths[dtype]);
        return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
      });
      const bytes = file(
        `{${entries.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(",")}}`,
        end,
      );
      const read = new Map((await parse(bytes)).map((tensor) => [tensor.name, tensor]));
      const dataBegin = bytes.length - end;
      for (const [name, { dtype, shape, data_offsets: offsets }] of entries) {
        expect(read.get(name)).toMatchObject({ dtype, shape, byteOffset: dataBegin + (offsets[0] ?? 0) });
      }
      for (const { at, byte } of changes) bytes[at % bytes.length] = byte;
      const damaged = cut % 3 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes;
      const result = await parse(damaged).catch((error: unknown) => error);
      if (!Array.isArray(result)) return expect(result).toBeInstanceOf(CheckpointError);
      for (const { byteOffset, byteLength } of result as StoredTensor[]) {
        expect(byteOffset + byteLength).toBeLessThanOrEqual(damaged.length);
      }
    }),
    { numRuns: 400 },
  );
});

test("a duplicate name is found at any depth, and only then", () => {
  expect(duplicateName('{"a": [{"b": 1}, {"b": "b, \\"b\\": {"}], "c": {"b": 2}}')).toBeUndefined();
  expect(duplicateName('{"a": {"x": 1, "\\u0078": 2}}')).toBe("x");
  fc.assert(fc.property(fc.json(), (json) => expect(duplicateName(json)).toBeUndefined()));
});

/** A copy of a golden case to break. */
function copyOf(name: string): string {
  const directory = join(temporaryFolder(), name);
  cpSync(join(golden, name), directory, { recursive: true });
  return directory;
}

function editConfig(directory: string, change: (config: Record<string, unknown>) => void): void {
  const path = join(directory, "config.json");
  const config = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  change(config);
  writeFileSync(path, JSON.stringify(config));
}

async function plan(directory: string, ranks: number = 1): Promise<ShardPlan> {
  return planShards(await openCheckpoint(directory), ranks, chooseAllReduce("auto", ranks));
}

test.each<[string, string, (directory: string) => void, string, string]>([
  ["without config.json", "mamba-tiny", (d) => rmSync(join(d, "config.json")), "E_FILE_MISSING", "config.json"],
  ["without weights", "mamba-tiny", (d) => rmSync(join(d, "model.safetensors")), "E_FILE_MISSING", "model.safetensors"],
  [
    "that is truncated",
    "mamba-tiny",
    (d) => truncateSync(join(d, "model.safetensors"), 100_000),
    "E_SAFETENSORS_TRUNCATED",
    "100000",
  ],
  [
    "with a shard missing",
    "mamba-bf16-sharded",
    (d) => rmSync(join(d, "model-00002-of-00003.safetensors")),
    "E_FILE_MISSING",
    "model-00002",
  ],
  [
    "whose config has a letter that is no UTF-8",
    "mamba-tiny",
    (d) => writeFileSync(join(d, "config.json"), Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])),
    "E_JSON",
    "config.json",
  ],
  [
    "whose config is nested without end",
    "mamba-tiny",
    (d) => writeFileSync(join(d, "config.json"), `{"hidden_act": ${"[".repeat(2000)}${"]".repeat(2000)}}`),
    "E_JSON",
    "nested deeper",
  ],
  [
    "whose epsilon is infinite",
    "mamba-tiny",
    (d) =>
      writeFileSync(
        join(d, "config.json"),
        readFileSync(join(d, "config.json"), "utf8").replace(
          /"layer_norm_epsilon": *[^,}]+/,
          '"layer_norm_epsilon": 1e999',
        ),
      ),
    "E_CONFIG_VALUE",
    "layer_norm_epsilon",
  ],
  [
    "whose index points outside",
    "mamba-bf16-sharded",
    (d) => writeFileSync(join(d, "model.safetensors.index.json"), '{"weight_map": {"a": "../secret"}}'),
    "E_INDEX",
    "../secret",
  ],
  [
    "whose index names the folder above",
    "mamba-bf16-sharded",
    (d) => writeFileSync(join(d, "model.safetensors.index.json"), '{"weight_map": {"a": ".."}}'),
    "E_INDEX",
    '".."',
  ],
  [
    "whose index names an absent tensor",
    "mamba-bf16-sharded",
    (d) =>
      writeFileSync(
        join(d, "model.safetensors.index.json"),
        '{"weight_map": {"ghost": "model-00001-of-00003.safetensors"}}',
      ),
    "E_TENSOR_MISSING",
    "ghost",
  ],
  [
    "that is a link to itself",
    "mamba-tiny",
    (d) => {
      rmSync(join(d, "model.safetensors"));
      symlinkSync("model.safetensors", join(d, "model.safetensors"));
    },
    "E_FILE_UNREADABLE",
    "model.safetensors",
  ],
  [
    "of another model type",
    "mamba-tiny",
    (d) => editConfig(d, (c) => (c["model_type"] = "llama")),
    "E_MODEL_TYPE",
    "supported: mamba",
  ],
  [
    "whose sizes contradict its tensors",
    "mamba-tiny",
    (d) => editConfig(d, (c) => (c["state_size"] = 8)),
    "E_TENSOR_SHAPE",
    "x_proj",
  ],
  [
    "with more layers than tensors",
    "mamba-tiny",
    (d) => editConfig(d, (c) => (c["num_hidden_layers"] = 5)),
    "E_TENSOR_MISSING",
    "layers.4",
  ],
  [
    "with more tokens than embedding rows",
    "mamba-tiny",
    (d) => editConfig(d, (c) => (c["vocab_size"] = 300)),
    "E_CONFIG_MISMATCH",
    "300",
  ],
  [
    "with a size that is no size",
    "mamba-tiny",
    (d) => editConfig(d, (c) => (c["conv_kernel"] = "4")),
    "E_CONFIG_VALUE",
    "conv_kernel",
  ],
])("a checkpoint %s is refused", async (_, name, damage, code, mention) => {
  const directory = copyOf(name);
  damage(directory);
  const error: unknown = await plan(directory).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StatelineError);
  expect(error).toMatchObject({ code, message: expect.stringContaining(mention) as unknown });
});

test("a directory that does not exist, or is a file, is refused", async () => {
  const folder = temporaryFolder();
  await expect(plan(join(folder, "absent"))).rejects.toMatchObject({ code: "E_CHECKPOINT_MISSING" });
  mkdirSync(join(folder, "empty"));
  await expect(plan(join(folder, "empty"))).rejects.toMatchObject({ code: "E_FILE_MISSING" });
});

test("intermediate_size wins over expand", async () => {
  const directory = copyOf("mamba-tiny");
  editConfig(directory, (config) => (config["expand"] = 16));
  expect((await plan(directory)).config.inner).toBe(128);
});

test.each(goldenNames("mamba"))("%s is planned from its tensors", async (name) => {
  const { config, unused, parameters, tensors } = await plan(join(golden, name));
  expect(unused).toEqual([]);
  expect(config.vocabulary % 1).toBe(0);
  expect(parameters).toBeGreaterThan(10_000);
  const roles = new Set(tensors.flatMap((tensor) => tensor.roles));
  expect(roles.has("conv1d.bias")).toBe(name !== "mamba-noconvbias");
  expect(roles.has("out_proj.bias")).toBe(name === "mamba-odd");
  expect(config.tiedHead).toBe(!["mamba-odd", "mamba-bf16-sharded"].includes(name));
});

// The golden cases on 1, 2 and 4 ranks in words that golden.cpp reads: where each rank's tensors lie, the prompt, and
// where the reference's logits are. Paths are relative to the repository. Usage: node bench/gpu/plans.mjs FOLDER [CASE…]
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { root } from "../../scripts/lib.mjs";

const require = createRequire(import.meta.url);
const { openCheckpoint } = require(join(root, "dist/kernel/api/checkpoint/checkpoint.js"));
const { readHeader } = require(join(root, "dist/kernel/api/checkpoint/safetensors.js"));
const { planShards } = require(join(root, "dist/kernel/api/plan/plan.js"));
const { engineSpec } = require(join(root, "dist/kernel/api/plan/engine-spec.js"));

const golden = join(root, "test/fixtures/golden");
const [folder, ...chosen] = process.argv.slice(2);
const cases = readdirSync(golden, { withFileTypes: true }).filter((entry) => entry.isDirectory());
const names = cases.map(({ name }) => name).filter((name) => chosen.length === 0 || chosen.includes(name));

mkdirSync(folder, { recursive: true });
for (const name of names) {
  const directory = join(golden, name);
  const expected = JSON.parse(readFileSync(join(directory, "expected.json"), "utf8"));
  const checkpoint = await openCheckpoint(directory);
  const logits = await logitsOf(directory, Array.isArray(expected.tokens[0]) ? "logits.0" : "logits");
  for (const ranks of [1, 2, 4].filter((each) => expected.tp.includes(each))) {
    const spec = engineSpec(planShards(checkpoint, ranks, { wires: [{ fromBytes: 0, wireType: "f32" }] }), {});
    writeFileSync(join(folder, `${name}-${ranks}.plan`), words(name, spec, expected, logits));
  }
}
process.stdout.write(`${names.length} golden cases\n`);

/** The reference's logits: the file and the first byte. */
async function logitsOf(directory, name) {
  const file = join(directory, "expected.safetensors");
  const bytes = readFileSync(file);
  const header = await readHeader(file, bytes.length, (offset, length) =>
    Promise.resolve(bytes.subarray(offset, offset + length)),
  );
  return { file: relative(root, file), byteOffset: header.find((tensor) => tensor.name === name).byteOffset };
}

function words(name, spec, expected, logits) {
  const first = (list) => (Array.isArray(list[0]) ? list[0] : list);
  const list = (values) => [values.length, ...values];
  const { hidden, inner, states, taps, dtRank, layers, vocabulary, epsilon, mixerHeads, ssmEpsilon } = spec;
  const shape = [hidden, inner, states, taps, dtRank, layers, vocabulary, epsilon, mixerHeads, ssmEpsilon];
  const slice = ({ rows, columnBegin, columnEnd }) => [
    rows.length,
    ...rows.flatMap(({ begin, end, step }) => [begin, end, step]),
    columnBegin,
    columnEnd,
  ];
  const tensors = spec.tensors.map(({ role, layer, file, byteOffset, dtype, rows, columns, ranks }) =>
    [role, layer, file, byteOffset, dtype, rows, columns, ...ranks.flatMap(slice)].join(" "),
  );
  return [
    [name, spec.ranks, expected.tolerance_f32].join(" "),
    [...shape, spec.hybridLayers, spec.kvHeads, spec.headDim].join(" "),
    list(spec.files.map((file) => relative(root, file))).join(" "),
    tensors.length,
    ...tensors,
    list(first(expected.tokens)).join(" "),
    list(first(expected.greedy)).join(" "),
    [logits.file, logits.byteOffset].join(" "),
    "",
  ].join("\n");
}

// node bench/perplexity.mjs [--tp 2] [--limit 40]: what the type on the wire, and the type of the weights, do to the bundled
// models' perplexity, on a text that none was trained on. The first of each table is what the others are changes of.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt } from "../scripts/ensure.mjs";
import { root } from "../scripts/lib.mjs";

const { values } = parseArgs({ options: { tp: { type: "string", default: "2" }, limit: { type: "string" } } });
const limit = values.limit === undefined ? {} : { limit: Number(values.limit) };

await ensureBuilt();
const stateline = createRequire(import.meta.url)("../dist/kernel/api/index.js");
const text = readFileSync(join(root, "models/eval/hound-heldout.txt"), "utf8");

const tables = {
  "on the wire, weights in bf16": ["f32", "auto", "f16", "bf16", "int8"].map((allReduce) => [
    allReduce,
    { computeType: "bf16", allReduce },
  ]),
  "weights, f32 on the wire": ["f32", "bf16", "int8"].map((computeType) => [
    computeType,
    { computeType, allReduce: "f32" },
  ]),
};

for (const [title, variants] of Object.entries(tables)) {
  const rows = {};
  for (const name of ["tiny-mamba", "tiny-falcon-mamba", "tiny-zamba"]) {
    let exact;
    for (const [label, options] of variants) {
      const model = await stateline.loadModel(join(root, "models", name), {
        tensorParallel: Number(values.tp),
        ...options,
      });
      const { perplexity, scoredTokens } = await model.perplexity(text, limit);
      await model.close();
      const cell = exact === undefined ? perplexity.toFixed(4) : `${(100 * (perplexity / exact - 1)).toFixed(3)} %`;
      exact ??= perplexity;
      rows[name] = {
        ...(rows[name] ?? { tokens: scoredTokens }),
        [label]: cell,
        ...(label === "auto" && { "auto sends": model.plan.allReduce.wires.map((wire) => wire.wireType).join(", ") }),
      };
    }
  }
  process.stdout.write(`${title}\n`);
  console.table(rows);
}

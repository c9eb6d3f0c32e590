// node bench/perplexity.mjs [--tp 2] [--limit 40]: what the type on the wire does to the bundled models' perplexity, on a text
// that none was trained on. Weights are computed with as stored, everywhere; only the AllReduce differs.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt } from "../scripts/ensure.mjs";
import { root } from "../scripts/lib.mjs";

const { values } = parseArgs({ options: { tp: { type: "string", default: "2" }, limit: { type: "string" } } });

await ensureBuilt();
const stateline = createRequire(import.meta.url)("../dist/kernel/api/index.js");
const text = readFileSync(join(root, "models/eval/hound-heldout.txt"), "utf8");

const rows = {};
for (const name of ["tiny-mamba", "tiny-falcon-mamba", "tiny-zamba"]) {
  let exact;
  for (const allReduce of ["f32", "auto", "f16", "bf16", "int8"]) {
    const options = { tensorParallel: Number(values.tp), computeType: "bf16", allReduce };
    const model = await stateline.loadModel(join(root, "models", name), options);
    const limit = values.limit === undefined ? {} : { limit: Number(values.limit) };
    const { perplexity, scoredTokens } = await model.perplexity(text, limit);
    await model.close();
    exact ??= perplexity;
    const change = `${(100 * (perplexity / exact - 1)).toFixed(3)} %`;
    rows[name] = {
      ...(rows[name] ?? { tokens: scoredTokens }),
      [allReduce]: allReduce === "f32" ? perplexity.toFixed(4) : change,
      ...(allReduce === "auto" && { "auto sends": model.plan.allReduce.wires.map((wire) => wire.wireType).join(", ") }),
    };
  }
}
console.table(rows);

/** int8 logits beside a plain engine that rounds the same weights and activations. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { addon } from "../../kernel/api/addon";
import { cli } from "../support/cli";
import { difference, floatTensors, goldenCase, temporaryFolder } from "../support/fixtures";
import { exactProduct, int8Product, plainLogits, type Product } from "../support/plain-mamba";

/**
 * What is left is f32's own error, but for activations that fall on the other side of a rounding edge: one in some ten thousand, each worth a
 * step of one value. int8 as such errs fifty times more.
 */
const bound = 1e-3;

/** An own process each: kernels are chosen once. */
test.each(["mamba-tiny", "mamba-odd"])(
  "int8 logits of %s are a plain engine's on every instruction set",
  async (name) => {
    const golden = await goldenCase(name);
    const [{ tokens, logits } = { tokens: [], logits: new Float32Array() }] = golden.prompts;
    const tensors = await floatTensors(join(golden.directory, "model.safetensors"));
    const { layer_norm_epsilon: epsilon, num_hidden_layers: layers } = JSON.parse(
      readFileSync(join(golden.directory, "config.json"), "utf8"),
    ) as { layer_norm_epsilon: number; num_hidden_layers: number };
    const plain = (product: Product): Float32Array => plainLogits(tensors, { epsilon, layers }, tokens, product);
    expect(difference(plain(exactProduct), logits).max).toBeLessThan(golden.toleranceF32);
    const expected = plain(int8Product);
    expect(difference(expected, logits).mean).toBeGreaterThan(30 * bound);

    const means = new Map<string, number>();
    for (const isa of addon().cpuInfo().isas) {
      const out = join(temporaryFolder(), "logits.f32");
      const args = [
        "logits",
        "--model",
        golden.directory,
        "--tokens",
        tokens.join(),
        "--out",
        out,
        "--compute",
        "int8",
      ];
      const { code, stderr } = await cli(args, { env: { STATELINE_ISA: isa } });
      expect([code, stderr]).toEqual([0, expect.stringContaining("wrote")]);
      means.set(isa, difference(new Float32Array(new Uint8Array(readFileSync(out)).buffer), expected).mean);
    }
    expect([...means].filter(([, mean]) => !(mean < bound))).toEqual([]);
  },
);

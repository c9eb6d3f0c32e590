// What recording costs: the same generation with and without, in turn, as a ratio of each pair.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spread } from "./statistics.mjs";

export async function measureRecording(stateline, directory, rounds) {
  const runs = mkdtempSync(join(tmpdir(), "stateline-bench-"));
  const model = await stateline.loadModel(directory, { tensorParallel: 2, threadsPerRank: 1, cacheBytes: 0 });
  const generate = () => model.generate([1, 2, 3, 4], { maxNewTokens: 512, stopTokens: [] });
  try {
    await generate();
    const ratios = [];
    let stated = 0;
    for (let round = 0; round < rounds; ++round) {
      // Alternate the order within a pair, so that neither always comes second.
      const recorded = async () => {
        let result;
        const run = await stateline.profile(async () => (result = await generate()), { runs });
        stated = run.info.overhead.share;
        return result;
      };
      const first = round % 2 === 0 ? await recorded() : await generate();
      const second = round % 2 === 0 ? await generate() : await recorded();
      const [on, off] = round % 2 === 0 ? [first, second] : [second, first];
      ratios.push(on.decodeTokensPerSecond / off.decodeTokensPerSecond);
    }
    const { median, min, max } = spread(ratios);
    return { ratio: median, min, max, "overhead the run states": stated };
  } finally {
    await model.close();
    rmSync(runs, { recursive: true, force: true });
  }
}

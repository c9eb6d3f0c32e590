// AllReduce that a prefill of 512 tokens on two ranks waits for, with z computed while x_proj's sum is in flight and
// without: read from recorded runs, in rounds that take both in turn.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spread } from "./statistics.mjs";

/**
 * Microseconds a rank in an AllReduce of the prefill, less what it computed meanwhile, by name: the median over layers,
 * since a rank that loses its core for once makes the other wait in whatever comes then.
 */
const exposed = `
  WITH sums AS (SELECT * FROM events WHERE stream = 1 AND phase = 'prefill' AND starts_with(name::VARCHAR, 'all_reduce.')),
  hidden AS (
    SELECT s.rank, s.group, s.seq, sum(least(s.start_ns + s.dur_ns, c.start_ns + c.dur_ns) - greatest(s.start_ns, c.start_ns)) AS ns
    FROM sums s JOIN events c ON c.rank = s.rank AND c.stream = 0 AND c.step = s.step AND c.layer = s.layer
      AND c.start_ns < s.start_ns + s.dur_ns AND s.start_ns < c.start_ns + c.dur_ns
    GROUP BY ALL),
  layers AS (
    SELECT name::VARCHAR AS name, layer, avg(dur_ns - coalesce(ns, 0)) AS ns
    FROM sums LEFT JOIN hidden USING (rank, "group", seq) GROUP BY ALL)
  SELECT name, median(ns)::DOUBLE / 1e3 AS us FROM layers GROUP BY ALL`;

export async function measureOverlap(stateline, directory, rounds) {
  const runs = mkdtempSync(join(tmpdir(), "stateline-bench-"));
  const models = [];
  try {
    for (const overlap of [true, false]) {
      const options = { tensorParallel: 2, threadsPerRank: 1, computeType: "bf16", allReduce: "f32", cacheBytes: 0 };
      models.push(await stateline.loadModel(directory, { ...options, overlap }));
    }
    const prompt = Array.from({ length: 512 }, (_, index) => (index * 7919) % models[0].config.vocabulary);
    const samples = [{}, {}].map(() => ({ x_proj: [], out_proj: [] }));
    const ratios = { x_proj: [], both: [] };
    for (let round = 0; round <= rounds; ++round) {
      const found = [];
      for (const way of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const run = await stateline.profile(() => models[way].generate(prompt, { maxNewTokens: 1, stopTokens: [] }), {
          runs,
        });
        const { rows } = await run.sql(exposed);
        found[way] = Object.fromEntries(rows.map(({ name, us }) => [name.replace("all_reduce.", ""), us]));
      }
      if (round === 0) continue;
      for (const way of [0, 1]) for (const name of ["x_proj", "out_proj"]) samples[way][name].push(found[way][name]);
      const [on, off] = found;
      ratios.x_proj.push(on.x_proj / off.x_proj);
      ratios.both.push((on.x_proj + on.out_proj) / (off.x_proj + off.out_proj));
    }
    const spreads = (figures) => Object.fromEntries(Object.entries(figures).map(([name, all]) => [name, spread(all)]));
    return { onMicroseconds: spreads(samples[0]), offMicroseconds: spreads(samples[1]), onOverOff: spreads(ratios) };
  } finally {
    for (const model of models) await model.close();
    rmSync(runs, { recursive: true, force: true });
  }
}

/** What the AllReduces of a model send, and what is computed meanwhile. */

import { loadModel, profile, type LoadOptions, type Run } from "../../kernel/api/index";
import { temporaryFolder, tinyMamba } from "../support/fixtures";

const runs = temporaryFolder();

async function recorded(options: LoadOptions): Promise<{ readonly run: Run; readonly logits: Float32Array }> {
  await using model = await loadModel(tinyMamba, { tensorParallel: 2, threadsPerRank: 1, ...options });
  let logits: Float32Array = new Float32Array();
  const run = await profile(async () => void (logits = await model.logits("Sherlock Holmes took his hat")), { runs });
  return { run, logits };
}

/** in_proj.z spans of a layer, and those that lie inside the x_proj AllReduce of their rank and layer. */
const overlaps = `
  SELECT count(*) AS gates,
         count(*) FILTER (z.start_ns >= c.start_ns AND z.start_ns + z.dur_ns <= c.start_ns + c.dur_ns) AS hidden,
         count(*) FILTER (z.start_ns < c.start_ns + c.dur_ns AND c.start_ns < z.start_ns + z.dur_ns) AS touching
  FROM events z JOIN events c USING (rank, step, layer)
  WHERE z.name = 'in_proj.z' AND c.name = 'all_reduce.x_proj' AND z.stream = 0 AND c.stream = 1`;

test("the gate's half of in_proj runs inside the x_proj AllReduce, and behind it when overlap is off", async () => {
  const on = await recorded({});
  const off = await recorded({ overlap: false });
  const gates = 8 * 2; // layers, ranks
  expect((await on.run.sql(overlaps)).rows).toEqual([{ gates, hidden: gates, touching: gates }]);
  expect((await off.run.sql(overlaps)).rows).toEqual([{ gates, hidden: 0, touching: 0 }]);
  // The same sums in the same order.
  expect(off.logits).toEqual(on.logits);

  const overlapShare = async (run: Run): Promise<number[]> =>
    (await run.summary()).ranks.map((rank) => rank.overlapShare);
  for (const share of await overlapShare(on.run)) expect(share).toBeGreaterThan(0);
  expect(await overlapShare(off.run)).toEqual([0, 0]);
});

test("int8 sends at most 0.53 of f16's bytes after out_proj", async () => {
  const sent = async (allReduce: "f16" | "int8"): Promise<number> => {
    const { run } = await recorded({ allReduce });
    const { rows } = await run.sql(
      "SELECT sum(wire_bytes)::DOUBLE AS bytes FROM events WHERE name = 'all_reduce.out_proj'",
    );
    return Number(rows[0]?.["bytes"]);
  };
  const ratio = (await sent("int8")) / (await sent("f16"));
  expect(ratio).toBeGreaterThan(0.5);
  expect(ratio).toBeLessThanOrEqual(0.53);
});

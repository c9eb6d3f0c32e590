// Time to the first token of a prompt whose first 2048 tokens or a few more another prompt had, over that of the first: a
// few, so that the two part anywhere between two kept states; and what a snapshot, a fork and keeping states cost. Each
// round has a prefix of its own, and takes the ways in turn.
import { spread } from "./statistics.mjs";

const shared = 2048;

export async function measurePrefix(stateline, directory, rounds) {
  const load = (cacheBytes) =>
    stateline.loadModel(directory, { threadsPerRank: 1, ...(cacheBytes === 0 ? { cacheBytes } : {}) });
  const [model, without] = [await load(), await load(0)];
  try {
    const { vocabulary } = model.config;
    const figures = { warm: [], keeping: [], coldMs: [], warmMs: [], snapshotMs: [], forkMs: [] };
    for (let round = 0; round <= rounds; ++round) {
      const beyond = (23 * round) % model.cacheStats.interval;
      const prefix = Array.from({ length: shared + beyond }, (_, i) => ((i + 1) * (7919 + 2 * round)) % vocabulary);
      const ttft = async (one, end) =>
        (await one.generate([...prefix, end, end + 1], { maxNewTokens: 1, stopTokens: [] })).ttftMs;
      const plain = await ttft(without, 1);
      const cold = await ttft(model, 1);
      const warm = await ttft(model, 11);
      const session = model.session();
      await session.append(prefix.slice(0, 64));
      const timed = (work) => {
        const begin = performance.now();
        work();
        return performance.now() - begin;
      };
      const snapshot = timed(() => session.snapshot());
      const fork = timed(() => session.fork());
      if (round === 0) continue;
      figures.warm.push(warm / cold);
      figures.keeping.push(cold / plain);
      figures.coldMs.push(cold);
      figures.warmMs.push(warm);
      figures.snapshotMs.push(snapshot);
      figures.forkMs.push(fork);
    }
    return Object.fromEntries(Object.entries(figures).map(([name, values]) => [name, spread(values)]));
  } finally {
    await model.close();
    await without.close();
  }
}

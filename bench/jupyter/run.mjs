// The kernel beside tslab and ipykernel, all in the same run and in turn: start, cells, output, interrupts, heartbeat, end.
//
//   node bench/jupyter/run.mjs [--rounds 3] [--save]
//
// --save keeps the figures as bench/results/<date>-<machine>-jupyter.json.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt } from "../../scripts/ensure.mjs";
import { root } from "../../scripts/lib.mjs";
import { spread } from "../engine/statistics.mjs";
import { kernels } from "./kernels.mjs";
import { measure } from "./measure.mjs";

const titles = {
  startMs: "start to first kernel_info_reply",
  cellMs: "1 + 1, warm",
  linesMs: "100 000 lines, complete and in order",
  interruptSyncMs: "interrupt: loop",
  interruptAsyncMs: "interrupt: loop after an await",
  interruptTimerMs: "interrupt: loop in a timer",
  interruptWaitMs: "interrupt: waiting for ever",
  heartbeatMs: "slowest heartbeat while a cell blocks 5 s",
  orphanMs: "gone after its parent was killed",
};

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, save: { type: "boolean", default: false } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write(`--rounds must be a whole number from 1, got ${values.rounds}\n`);
  process.exit(2);
}

await ensureBuilt();
const measured = kernels().map((kernel) => ({ kernel, rounds: [] }));
for (let round = 1; round <= rounds; ++round)
  for (const one of measured) {
    process.stdout.write(`round ${round} of ${rounds}: ${one.kernel.name}        \r`);
    one.rounds.push(await measure(one.kernel));
  }

/** Median and extremes over the rounds; "never" when a round had none. */
function figure(name, all) {
  const figures = all.map((round) => round[name]);
  if (figures.some((value) => value === undefined)) return { text: "never" };
  return spread(figures);
}

const table = {};
const kept = {};
for (const { kernel, rounds: all } of measured) {
  kept[kernel.name] = Object.fromEntries(Object.keys(titles).map((name) => [name, figure(name, all)]));
  for (const [name, title] of Object.entries(titles)) (table[title] ??= {})[kernel.name] = kept[kernel.name][name].text;
}
process.stdout.write("\nmilliseconds, median (min-max)\n");
console.table(table);

if (values.save) {
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${cpus()[0].model.trim()} × ${cpus().length}`;
  const name = `${date}-${machine.toLowerCase().replace(/[^a-z0-9]+/g, "-")}-jupyter.json`;
  const file = join(root, "bench/results", name);
  mkdirSync(join(root, "bench/results"), { recursive: true });
  const command = `node bench/jupyter/run.mjs --rounds ${rounds} --save`;
  writeFileSync(
    file,
    `${JSON.stringify({ date, machine, node: process.version, rounds, command, milliseconds: kept }, null, 2)}\n`,
  );
  process.stdout.write(`kept in ${file}\n`);
}
process.exit(0);

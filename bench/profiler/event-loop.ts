/**
 * How long the profiler's server is deaf while it computes on a million events: the longest delay of its event loop
 * during each first question, beside the time of the answer.
 *
 *     node bench/profiler/run.mjs event-loop
 */

import { monitorEventLoopDelay } from "node:perf_hooks";
import { startServer } from "../../profiler-ui/server/index";
import { formatTime } from "../../profiler-ui/trace/format";
import { sourceOf } from "../../test/profiler/support/source";
import { syntheticLargeRun } from "../../test/profiler/support/synthetic-run";

const QUESTIONS = ["runs/a/lanes", "runs/a/overview", "runs/a/summary", "runs/a/collectives", "runs/a/analysis"];

async function measure(): Promise<void> {
  const a = syntheticLargeRun(1_000_000, { id: "a" });
  const b = syntheticLargeRun(1_000_000, { id: "b", seed: 2 });
  const server = await startServer({ source: sourceOf([a, b]), token: "t" });
  for (const path of [...QUESTIONS, "compare?a=a&b=b"]) {
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const begin = performance.now();
    const response = await fetch(`http://127.0.0.1:${server.port}/api/${path}`, {
      headers: { authorization: "Bearer t" },
    });
    await response.arrayBuffer();
    const took = formatTime((performance.now() - begin) * 1e6);
    delay.disable();
    process.stdout.write(`${path.padEnd(20)} answered in ${took.padStart(8)}, deaf at most ${formatTime(delay.max)}\n`);
  }
  await server.close();
}

void measure();

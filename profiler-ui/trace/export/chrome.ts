/**
 * A run as Chrome Trace Event JSON in the dialect of PyTorch's profiler (Kineto), for Perfetto, chrome://tracing and
 * Holistic Trace Analysis. Such readers want a launch beside every kernel with the same correlation, collectives named
 * ncclDevKernel…, `ProfilerStep#n` around steps, and no spans that overlap on one thread: parts of a collective stand on a thread
 * of their own.
 */

import type { EventColumns } from "../events";
import { isCollective } from "../collectives";
import { STEP } from "../kinds";
import { depthsOf, laneIndices } from "../lanes";
import type { RunInfo } from "../run";

/** Threads: streams keep their number, what runs inside another span is `DETAIL` above it; then the host's. */
const DETAIL = 100;
const HOST_THREAD = 1;
/** Process of a rank's host side, above every rank's own number. */
const HOST_PROCESS = 100_000;

/** Names of types as PyTorch writes them; int8 travels as bytes, which every reader knows. */
const DTYPES: Readonly<Record<string, readonly [name: string, bytes: number]>> = {
  f32: ["Float", 4],
  f16: ["Half", 2],
  bf16: ["BFloat16", 2],
  int8: ["Byte", 1],
};

/** The text of the file, a span at a time; with `rank` that rank alone, as readers of many ranks want a file each. */
export function* chromeTrace(events: EventColumns, info: RunInfo, rank?: number): Generator<string> {
  const lanes = laneIndices(events).filter((lane) => rank === undefined || lane.rank === rank);
  const ranks = [...new Set(lanes.map((lane) => lane.rank))];
  const world = new Set(events.rank).size;
  const header = {
    schemaVersion: 1,
    deviceProperties: ranks.map((id) => ({ id, name: `${info.device} rank ${id}`, totalGlobalMem: 0 })),
    displayTimeUnit: "ms",
    // Span times count from here; the host's clock at the run's beginning, as far as a double holds it.
    baseTimeNanoseconds: Number(BigInt(info.originNs || "0")),
    traceName: info.label || info.id,
    distributedInfo: {
      backend: "stateline",
      rank: rank ?? 0,
      world_size: world,
      pg_count: 1,
      pg_config: [{ pg_name: "0", pg_desc: "tensor_parallel", backend_config: "stateline", pg_size: world }],
    },
  };
  // Holistic Trace Analysis finds a file's rank by the text `"rank": 1`, blank included.
  const text = JSON.stringify(header, null, 1);
  yield `${text.slice(0, -2)},\n "traceEvents": [\n`;
  yield ranks
    .flatMap((id) => namesOf(id))
    .map((event) => JSON.stringify(event))
    .join(",\n");
  const rowsOf = rowWriter(events, world);
  let correlation = 1;
  for (const lane of lanes) {
    const depths = depthsOf(events, lane.index);
    for (let k = 0; k < lane.index.length; k++) yield rowsOf(lane.index[k] ?? 0, depths[k] ?? 0, correlation++);
  }
  yield "\n]}\n";
}

type Row = Readonly<Record<string, unknown>>;

function namesOf(rank: number): Row[] {
  const meta = (name: string, pid: number, tid: number, args: Row): Row => ({ ph: "M", name, pid, tid, ts: 0, args });
  const host = HOST_PROCESS + rank;
  return [
    meta("process_name", rank, 0, { name: `rank ${rank}` }),
    meta("process_labels", rank, 0, { labels: `rank ${rank}` }),
    meta("process_sort_index", rank, 0, { sort_index: 2 * rank + 1 }),
    meta("thread_name", rank, 0, { name: "compute" }),
    meta("thread_name", rank, 1, { name: "communication" }),
    meta("thread_name", rank, DETAIL, { name: "compute, inside" }),
    meta("thread_name", rank, DETAIL + 1, { name: "communication, inside" }),
    meta("process_name", host, 0, { name: `rank ${rank}, host` }),
    meta("process_sort_index", host, 0, { sort_index: 2 * rank }),
    meta("thread_name", host, HOST_THREAD, { name: "steps" }),
  ];
}

/** Microseconds with three decimals; JSON numbers keep them exactly below 2^53 ns. */
const us = (ns: number): number => Math.round(ns) / 1000;

/** What writes a span's rows, a comma before each. Text put together, not objects made into text: that takes three times as long. */
function rowWriter(events: EventColumns, world: number): (i: number, depth: number, correlation: number) => string {
  const { name, kind, phase } = events;
  const [names, kinds, phases] = [name, kind, phase].map(({ texts }) => texts.map((text) => JSON.stringify(text)));
  const collectiveArgs = collectiveWriter(events, world);
  return (i, depth, correlation) => {
    const rank = events.rank[i] ?? 0;
    const stream = events.stream[i] ?? 0;
    const code = name.codes[i] ?? 0;
    const own = names?.[code] ?? '""';
    const ts = us(events.startNs[i] ?? 0);
    const dur = us(events.durNs[i] ?? 0);
    const about =
      `"kind":${kinds?.[kind.codes[i] ?? 0] ?? '""'},"phase":${phases?.[phase.codes[i] ?? 0] ?? '""'},` +
      `"step":${events.step[i] ?? 0},"layer":${events.layer[i] ?? -1},"tokens":${events.tokens[i] ?? 0}`;
    const span = (cat: string, shown: string, pid: number, tid: number, args: string): string =>
      `,\n{"ph":"X","cat":"${cat}","name":${shown},"pid":${pid},"tid":${tid},"ts":${ts},"dur":${dur},"args":{${args}}}`;
    const host = HOST_PROCESS + rank;
    if (stream === 2) {
      if (name.texts[code] !== STEP) return span("cpu_op", own, host, HOST_THREAD + 1, about);
      return span("user_annotation", `"ProfilerStep#${events.step[i] ?? 0}"`, host, HOST_THREAD, about);
    }
    const work = `${about},"flops":${events.flops[i] ?? 0},"bytes":${events.bytes[i] ?? 0}`;
    if (depth > 0) return span("gpu_user_annotation", own, rank, DETAIL * depth + stream, work);
    const collective = isCollective(events, i);
    const kernel = `"device":${rank},"context":1,"stream":${stream},"correlation":${correlation},"External id":${correlation},${work}`;
    // A launch on a thread of each stream, no longer than its kernel, so that launches never overlap.
    const launch = `"pid":${host},"tid":${HOST_THREAD + 10 + stream},"ts":${ts}`;
    const flow = `"id":${correlation},"cat":"ac2g","name":"ac2g"`;
    return (
      span(
        "kernel",
        collective ? `"ncclDevKernel_${own.slice(1)}` : own,
        rank,
        stream,
        collective ? `${kernel},${collectiveArgs(i)}` : kernel,
      ) +
      `,\n{"ph":"X","cat":"cuda_runtime","name":"cudaLaunchKernel",${launch},"dur":0,"args":{"correlation":${correlation}}}` +
      `,\n{"ph":"s",${flow},${launch}}` +
      `,\n{"ph":"f",${flow},"pid":${rank},"tid":${stream},"ts":${ts},"bp":"e"}`
    );
  };
}

/** What writes that of a collective which Kineto tells. */
function collectiveWriter(events: EventColumns, world: number): (i: number) => string {
  const { name, wireType, algorithm } = events;
  const ranks = JSON.stringify(`[${Array.from({ length: world }, (_, rank) => rank).join(", ")}]`);
  const algorithms = algorithm.texts.map((text) => JSON.stringify(text));
  const types = wireType.texts.map((wire) => {
    const [dtype, size] = DTYPES[wire] ?? ["Float", 4];
    return { wire: JSON.stringify(wire), dtype, size };
  });
  return (i) => {
    const { wire, dtype, size } = types[wireType.codes[i] ?? 0] ?? { wire: '""', dtype: "Float", size: 4 };
    const bytes = events.wireBytes[i] ?? 0;
    const elements = Math.round(bytes / size);
    const operation = name.texts[name.codes[i] ?? 0]?.startsWith("gather") ? "allgather" : "allreduce";
    return (
      `"Collective name":"${operation}","dtype":"${dtype}","In msg nelems":${elements},"Out msg nelems":${elements},` +
      `"Group size":${world},"Process Group Name":"${events.group[i] ?? 0}","Process Group Description":"tensor_parallel",` +
      `"Process Group Ranks":${ranks},"Seq":${events.seq[i] ?? 0},"Wire type":${wire},"Wire bytes":${bytes},` +
      `"Algorithm":${algorithms[algorithm.codes[i] ?? 0] ?? '""'}`
    );
  };
}

import Ajv from "ajv";
import { readFileSync } from "node:fs";
import protobuf from "protobufjs";
import { reportCollectives } from "../../profiler-ui/trace/collective-table";
import { exportTrace, type TraceFormat } from "../../profiler-ui/trace/export/index";
import type { EventColumns } from "../../profiler-ui/trace/events";
import { summarise } from "../../profiler-ui/trace/summary";
import { eventsOf } from "./support/events";
import { syntheticRun } from "./support/synthetic-run";

const run = syntheticRun({ id: "int8", label: "two ranks int8", wireType: "int8", layers: 3, decodeSteps: 4 });

function file(format: TraceFormat, events: EventColumns = run.events, rank?: number): Buffer {
  return Buffer.concat([...exportTrace(format, events, run.info, rank)]);
}

/** Perfetto's messages as its public .proto files number them, as far as they are written. */
const PROTO = `
  syntax = "proto2";
  message Trace { repeated TracePacket packet = 1; }
  message TracePacket {
    optional ClockSnapshot clock_snapshot = 6; optional uint64 timestamp = 8; optional uint32 trusted_packet_sequence_id = 10;
    optional TrackEvent track_event = 11; optional InternedData interned_data = 12; optional uint32 sequence_flags = 13;
    optional uint32 timestamp_clock_id = 58; optional TrackDescriptor track_descriptor = 60;
  }
  message ClockSnapshot { message Clock { optional uint32 clock_id = 1; optional uint64 timestamp = 2; } repeated Clock clocks = 1; }
  message TrackEvent {
    repeated uint64 category_iids = 3; repeated DebugAnnotation debug_annotations = 4; optional uint32 type = 9;
    optional uint64 name_iid = 10; optional uint64 track_uuid = 11; repeated fixed64 flow_ids = 47;
    repeated fixed64 terminating_flow_ids = 48; optional uint64 correlation_id = 52;
  }
  message DebugAnnotation { optional uint64 name_iid = 1; optional int64 int_value = 4; optional string string_value = 6; }
  message InternedName { optional uint64 iid = 1; optional string name = 2; }
  message InternedData {
    repeated InternedName event_categories = 1; repeated InternedName event_names = 2;
    repeated InternedName debug_annotation_names = 3;
  }
  message ProcessDescriptor { optional int32 pid = 1; optional string process_name = 6; }
  message TrackDescriptor {
    optional uint64 uuid = 1; optional string name = 2; optional ProcessDescriptor process = 3; optional uint64 parent_uuid = 5;
    optional uint32 child_ordering = 11; optional int32 sibling_order_rank = 12;
  }`;

interface Packet {
  readonly clockSnapshot?: { readonly clocks: readonly { readonly clockId: number; readonly timestamp: number }[] };
  readonly timestamp?: number;
  readonly timestampClockId?: number;
  readonly sequenceFlags?: number;
  readonly trackEvent?: {
    readonly type: number;
    readonly nameIid?: number;
    readonly trackUuid: number;
    readonly flowIds?: readonly number[];
    readonly terminatingFlowIds?: readonly number[];
    readonly correlationId?: number;
    readonly debugAnnotations?: readonly { readonly nameIid: number; readonly intValue?: number }[];
  };
  readonly internedData?: { readonly eventNames: readonly { readonly iid: number; readonly name: string }[] };
  readonly trackDescriptor?: {
    readonly uuid: number;
    readonly name?: string;
    readonly parentUuid?: number;
    readonly process?: { readonly processName: string };
  };
}

function packetsOf(bytes: Buffer): readonly Packet[] {
  const trace = protobuf.parse(PROTO).root.lookupType("Trace");
  const decoded = trace.toObject(trace.decode(bytes), { longs: Number }) as { packet: readonly Packet[] };
  return decoded.packet;
}

describe("a run as a Perfetto trace", () => {
  const packets = packetsOf(file("perfetto"));

  test("has every span once, with begins and ends that nest and the totals of our own summary", () => {
    const names = new Map(
      packets.flatMap(({ internedData }) => internedData?.eventNames ?? []).map((n) => [n.iid, n.name]),
    );
    const open = new Map<number, { name: string; at: number }[]>();
    const totals = new Map<string, number>();
    let spans = 0;
    for (const { trackEvent, timestamp = 0 } of packets) {
      if (!trackEvent) continue;
      const stack = open.get(trackEvent.trackUuid) ?? [];
      open.set(trackEvent.trackUuid, stack);
      if (trackEvent.type === 1) {
        stack.push({ name: names.get(trackEvent.nameIid ?? 0) ?? "", at: timestamp });
        spans++;
      } else {
        const begun = stack.pop();
        if (!begun) throw new Error("an end without a begin");
        totals.set(begun.name, (totals.get(begun.name) ?? 0) + timestamp - begun.at);
      }
    }
    expect([...open.values()].every((stack) => stack.length === 0)).toBe(true);
    expect(spans).toBe(run.events.count);
    for (const { name, totalNs } of summarise(run.events).ops)
      expect([name, totals.get(name)]).toEqual([name, totalNs]);
  });

  test("names a process a rank and a track a stream, and gives the run's clock beside the host's", () => {
    const tracks = packets.flatMap(({ trackDescriptor }) => (trackDescriptor ? [trackDescriptor] : []));
    expect(tracks.flatMap(({ process }) => (process ? [process.processName] : []))).toEqual(["rank 0", "rank 1"]);
    expect(tracks.flatMap(({ name }) => name ?? [])).toEqual(
      [0, 1].flatMap(() => ["host", "compute", "communication"]),
    );
    const parents = new Set(tracks.map(({ uuid }) => uuid));
    expect(tracks.every(({ parentUuid }) => parentUuid === undefined || parents.has(parentUuid))).toBe(true);
    expect(packets[0]?.clockSnapshot?.clocks.map(({ clockId }) => clockId)).toEqual([64, 6]);
    expect(packets.every(({ timestamp, timestampClockId }) => timestamp === undefined || timestampClockId === 64)).toBe(
      true,
    );
  });

  test("joins each collective across ranks by one flow that ends, and one correlation id", () => {
    const { rows } = reportCollectives(run.events, []);
    const flows = new Map<number, number>();
    const ends = new Set<number>();
    for (const { trackEvent } of packets) {
      for (const id of trackEvent?.flowIds ?? []) flows.set(id, (flows.get(id) ?? 0) + 1);
      for (const id of trackEvent?.terminatingFlowIds ?? []) ends.add(id);
    }
    expect(flows.size).toBe(rows.length);
    expect([...flows].every(([id, count]) => count === 1 && ends.has(id))).toBe(true);
  });

  test("keeps spans that overlap without nesting", () => {
    const events = eventsOf([
      { name: "a", start: 0, dur: 100 },
      { name: "b", start: 50, dur: 100 },
    ]);
    expect(packetsOf(file("perfetto", events)).filter(({ trackEvent }) => trackEvent?.type === 1)).toHaveLength(2);
  });

  test("has a begin and an end of each of a hundred spans that all overlap, none longer than it was", () => {
    const events = eventsOf(Array.from({ length: 100 }, (_, k) => ({ name: "a", start: k, dur: 1000 })));
    const open = new Map<number, number[]>();
    const lengths: number[] = [];
    for (const { trackEvent, timestamp = 0 } of packetsOf(file("perfetto", events))) {
      if (!trackEvent) continue;
      const begun = open.get(trackEvent.trackUuid) ?? [];
      open.set(trackEvent.trackUuid, begun);
      if (trackEvent.type === 1) begun.push(timestamp);
      else lengths.push(timestamp - (begun.pop() ?? NaN));
    }
    expect([lengths.length, Math.max(...lengths)]).toEqual([100, 1000]);
  });
});

interface TraceEvent {
  readonly ph: string;
  readonly cat?: string;
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly id?: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

interface ChromeTrace {
  readonly traceEvents: readonly TraceEvent[];
  readonly distributedInfo: { readonly rank: number; readonly world_size: number };
}

describe("a run as Chrome JSON in Kineto's dialect", () => {
  const whole = JSON.parse(file("chrome").toString()) as ChromeTrace;

  test("says its rank in the very letters that Holistic Trace Analysis looks for", () => {
    expect(file("chrome", run.events, 1).toString()).toMatch(/"rank":\s+1,/);
  });

  test("has a launch of the same correlation for every kernel, and a flow between them", () => {
    const kernels = whole.traceEvents.filter(({ cat }) => cat === "kernel");
    const launches = new Set(
      whole.traceEvents.filter(({ cat }) => cat === "cuda_runtime").map(({ args }) => args?.["correlation"]),
    );
    expect(kernels.length).toBeGreaterThan(100);
    expect(kernels.every(({ args }) => launches.has(args?.["correlation"]))).toBe(true);
    for (const phase of ["s", "f"])
      expect(whole.traceEvents.filter(({ ph }) => ph === phase)).toHaveLength(kernels.length);
  });

  test("never lets spans of one thread overlap without nesting", () => {
    const threads = new Map<string, TraceEvent[]>();
    for (const event of whole.traceEvents) {
      if (event.ph !== "X") continue;
      const key = `${event.pid}.${event.tid}`;
      threads.set(key, [...(threads.get(key) ?? []), event]);
    }
    for (const [key, spans] of threads) {
      spans.sort((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0));
      const open: number[] = [];
      for (const { ts, dur = 0 } of spans) {
        while (open.length > 0 && (open.at(-1) ?? 0) <= ts + 1e-6) open.pop();
        expect([key, open.length === 0 || ts + dur <= (open.at(-1) ?? 0) + 1e-6]).toEqual([key, true]);
        open.push(ts + dur);
      }
    }
  });

  test("tells of each collective what Kineto tells, and agrees with our own count", () => {
    const { rows } = reportCollectives(run.events, []);
    const collectives = whole.traceEvents.filter(({ args }) => args?.["Collective name"] !== undefined);
    expect(collectives).toHaveLength(2 * rows.length);
    expect(collectives.every(({ name }) => name.startsWith("ncclDevKernel_"))).toBe(true);
    expect(new Set(collectives.map(({ args }) => args?.["Seq"])).size).toBe(rows.length);
    expect(collectives.find(({ args }) => args?.["Wire type"] === "int8")?.args).toMatchObject({
      dtype: "Byte",
      "Group size": 2,
      "Process Group Ranks": "[0, 1]",
    });
  });

  test("gives one rank alone for readers that want a file each", () => {
    const one = JSON.parse(file("chrome", run.events, 1).toString()) as ChromeTrace;
    expect(one.distributedInfo).toMatchObject({ rank: 1, world_size: 2 });
    expect(new Set(one.traceEvents.map(({ pid }) => pid))).toEqual(new Set([1, 100_001]));
    const totals = one.traceEvents.filter(({ cat }) => cat === "kernel").reduce((sum, { dur = 0 }) => sum + dur, 0);
    const { events } = run;
    const [nested] = [new Set(summarise(events).ops.flatMap((op) => (op.nested ? [op.name] : [])))];
    let ours = 0;
    for (let i = 0; i < events.count; i++) {
      const name = events.name.texts[events.name.codes[i] ?? 0] ?? "";
      if (events.rank[i] === 1 && events.stream[i] !== 2 && !nested.has(name)) ours += events.durNs[i] ?? 0;
    }
    expect(totals).toBeCloseTo(ours / 1000, 3);
  });
});

test("a run for speedscope is what its published schema asks for, balanced and in order", () => {
  const trace = JSON.parse(file("speedscope").toString()) as {
    profiles: { events: { type: string; at: number }[] }[];
  };
  const schema = JSON.parse(
    readFileSync(require.resolve("speedscope/dist/release/file-format-schema.json"), "utf8"),
  ) as object;
  const validate = new Ajv({ schemaId: "auto" }).compile(schema);
  const fits = validate(trace);
  expect(validate.errors).toBeNull();
  expect(fits).toBe(true);
  expect(trace.profiles).toHaveLength(6);
  for (const { events } of trace.profiles) {
    expect(events.filter(({ type }) => type === "O").length).toBe(events.filter(({ type }) => type === "C").length);
    for (let k = 1; k < events.length; k++) expect(events[k]?.at).toBeGreaterThanOrEqual(events[k - 1]?.at ?? 0);
  }
});

test.each(["perfetto", "chrome", "speedscope"] as const)("a long lane comes in pieces of %s", (format) => {
  const events = eventsOf(Array.from({ length: 40_000 }, (_, k) => ({ name: "norm", start: 10 * k, dur: 9 })));
  const sizes = [...exportTrace(format, events, run.info)].map(({ length }) => length);
  expect(Math.max(...sizes)).toBeLessThan(1.1 * 2 ** 20);
});

test("a run without events is still a file of each format", () => {
  const none = eventsOf([]);
  expect(JSON.parse(file("chrome", none).toString())).toMatchObject({ traceEvents: [] });
  expect(JSON.parse(file("speedscope", none).toString())).toMatchObject({ profiles: [] });
  expect(packetsOf(file("perfetto", none)).length).toBeGreaterThan(0);
});

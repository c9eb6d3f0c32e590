/**
 * A run as Perfetto's own trace format (TracePacket, TrackEvent; field numbers from its public .proto files): a process
 * a rank, a track a stream, flows and a correlation id through each collective, the run's clock beside the host's.
 */

import type { EventColumns } from "../events";
import { isCollective } from "../collectives";
import { streamName } from "../kinds";
import { laneIndices } from "../lanes";
import type { RunInfo } from "../run";
import { marksOf, MOST_TRACKS, tracksOf } from "./nesting";
import { ProtoWriter } from "./protobuf";

const TRACE = { packet: 1 };
const PACKET = {
  clockSnapshot: 6,
  timestamp: 8,
  sequence: 10,
  trackEvent: 11,
  interned: 12,
  sequenceFlags: 13,
  clock: 58,
  trackDescriptor: 60,
};
const EVENT = {
  categoryIds: 3,
  annotations: 4,
  type: 9,
  nameId: 10,
  track: 11,
  flowIds: 47,
  terminatingFlowIds: 48,
  correlation: 52,
};
const DESCRIPTOR = { uuid: 1, name: 2, process: 3, parent: 5, childOrdering: 11, rank: 12 };
const SLICE = { begin: 1, end: 2 };
/** A sequence's first packet says that names begin anew, the others that they need them. */
const FLAGS = { cleared: 1, needed: 2 };
/** The run's own clock: sequences may number theirs from 64 to 127. Boot time is the trace's. */
const CLOCK = { run: 64, boot: 6 };

/** Bytes of one piece. */
const PIECE = 1 << 20;

export function* perfettoTrace(events: EventColumns, info: RunInfo): Generator<Uint8Array<ArrayBuffer>> {
  const trace = new ProtoWriter();
  const packet = (): number => {
    const begin = trace.open(TRACE.packet);
    trace.uint(PACKET.sequence, 1);
    return begin;
  };
  writeClocks(trace, packet(), Math.min(Number.MAX_SAFE_INTEGER, Number(info.originNs) || 0));
  writeNames(trace, packet(), events);
  const lanes = laneIndices(events);
  for (const rank of new Set(lanes.map((lane) => lane.rank))) writeProcess(trace, packet(), rank);
  const writeBegin = spanWriter(events);
  for (const { rank, stream, index } of lanes) {
    for (const [number, track] of tracksOf(events, index).entries()) {
      const uuid = rankTrack(rank) + 1 + stream * MOST_TRACKS + number;
      writeTrack(trace, packet(), { uuid, rank, stream, number });
      for (const { isBegin, i, at } of marksOf(events, track)) {
        const begin = packet();
        trace
          .uint(PACKET.timestamp, Math.max(0, Math.round(at)))
          .uint(PACKET.clock, CLOCK.run)
          .uint(PACKET.sequenceFlags, FLAGS.needed);
        const event = trace.open(PACKET.trackEvent);
        if (isBegin) writeBegin(trace, i, uuid);
        else trace.uint(EVENT.type, SLICE.end).uint(EVENT.track, uuid);
        trace.close(event).close(begin);
        if (trace.length >= PIECE) yield trace.take();
      }
    }
  }
  yield trace.take();
}

/** Writes into the packet that begins at `begin`, and ends it. */
function writeClocks(trace: ProtoWriter, begin: number, bootNs: number): void {
  trace.uint(PACKET.sequenceFlags, FLAGS.cleared);
  const snapshot = trace.open(PACKET.clockSnapshot);
  for (const [id, at] of [
    [CLOCK.run, 0],
    [CLOCK.boot, bootNs],
  ] as const) {
    const clock = trace.open(1);
    trace.uint(1, id).uint(2, at).close(clock);
  }
  trace.close(snapshot).close(begin);
}

function writeNames(trace: ProtoWriter, begin: number, events: EventColumns): void {
  trace.uint(PACKET.sequenceFlags, FLAGS.needed);
  const interned = trace.open(PACKET.interned);
  const entries = (field: number, texts: readonly string[]): void => {
    for (const [k, text] of texts.entries()) {
      const entry = trace.open(field);
      trace
        .uint(1, k + 1)
        .text(2, text)
        .close(entry);
    }
  };
  entries(
    1,
    events.kind.texts.map((text) => text || "none"),
  );
  entries(2, events.name.texts);
  entries(3, ANNOTATIONS);
  trace.close(interned).close(begin);
}

function writeProcess(trace: ProtoWriter, begin: number, rank: number): void {
  const track = trace.open(PACKET.trackDescriptor);
  trace.uint(DESCRIPTOR.uuid, rankTrack(rank));
  const process = trace.open(DESCRIPTOR.process);
  trace
    .uint(1, rank + 1)
    .text(6, `rank ${rank}`)
    .close(process);
  // 3: children in the order of their ranks.
  trace.uint(DESCRIPTOR.childOrdering, 3).close(track).close(begin);
}

interface Track {
  readonly uuid: number;
  readonly rank: number;
  readonly stream: number;
  /** Of the lane's tracks. */
  readonly number: number;
}

function writeTrack(trace: ProtoWriter, begin: number, { uuid, rank, stream, number }: Track): void {
  const descriptor = trace.open(PACKET.trackDescriptor);
  trace
    .uint(DESCRIPTOR.uuid, uuid)
    .text(DESCRIPTOR.name, `${streamName(stream)}${number === 0 ? "" : `, overlapping ${number}`}`)
    .uint(DESCRIPTOR.parent, rankTrack(rank))
    .int(DESCRIPTOR.rank, stream === 2 ? 0 : 1 + stream)
    .close(descriptor)
    .close(begin);
}

/** Tracks of a rank are numbered from here on. */
function rankTrack(rank: number): number {
  return (rank + 1) * 0x1_0000_0000;
}

/** What is said of a span beside its name: columns of texts, then of numbers. */
const TEXTS = ["phase", "wireType", "algorithm"] as const;
const NUMBERS = ["step", "layer", "tokens", "flops", "bytes", "wireBytes", "seq"] as const;
const ANNOTATIONS: readonly string[] = [...TEXTS, ...NUMBERS].map((column) =>
  column.replace(/[A-Z]/g, "_$&").toLowerCase(),
);

/** Writes what begins a span. */
function spanWriter(events: EventColumns): (trace: ProtoWriter, i: number, track: number) => void {
  const ends = lastSpans(events);
  const texts = TEXTS.map((column, k) => ({
    codes: events[column].codes,
    encoded: events[column].texts.map((text) => (text === "" ? NOTHING : annotationOf(k + 1, text))),
  }));
  const numbers = NUMBERS.map((column) => events[column]);
  return (trace, i, track) => {
    trace
      .uint(EVENT.categoryIds, (events.kind.codes[i] ?? 0) + 1)
      .uint(EVENT.type, SLICE.begin)
      .uint(EVENT.nameId, (events.name.codes[i] ?? 0) + 1)
      .uint(EVENT.track, track);
    for (const { codes, encoded } of texts) trace.encoded(encoded[codes[i] ?? 0] ?? NOTHING);
    for (const [k, column] of numbers.entries()) {
      const value = column[i] ?? 0;
      if (value === 0) continue;
      const annotation = trace.open(EVENT.annotations);
      trace
        .uint(1, TEXTS.length + k + 1)
        .int(4, Math.round(value))
        .close(annotation);
    }
    if (!isCollective(events, i)) return;
    const id = flowOf(events, i);
    trace.fixed64(ends.get(id) === i ? EVENT.terminatingFlowIds : EVENT.flowIds, id).uint(EVENT.correlation, id);
  };
}

const NOTHING = new Uint8Array(0);

function annotationOf(name: number, text: string): Uint8Array {
  const writer = new ProtoWriter();
  const annotation = writer.open(EVENT.annotations);
  return writer.uint(1, name).text(6, text).close(annotation).take();
}

/** One number a collective, from one. */
function flowOf(events: EventColumns, i: number): number {
  return ((events.group[i] ?? 0) + 1) * 2 ** 36 + (events.seq[i] ?? 0) + 1;
}

/** The last span of each collective, at which its flow ends. */
function lastSpans(events: EventColumns): Map<number, number> {
  const last = new Map<number, number>();
  for (let i = 0; i < events.count; i++) if (isCollective(events, i)) last.set(flowOf(events, i), i);
  return last;
}

/**
 * A run as Perfetto's own trace format (TracePacket, TrackEvent; field numbers from its public .proto files): a process
 * a rank, a track a stream, flows and a correlation id through each collective, the run's clock beside the host's.
 */

import type { EventColumns } from "../events";
import { isCollective } from "../collectives";
import { streamName } from "../kinds";
import { laneIndices } from "../lanes";
import type { RunInfo } from "../run";
import { visitNested } from "./nesting";
import { Message } from "./protobuf";

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
  const trace = new Message();
  const packet = (fill: (message: Message) => void): void => {
    const message = new Message().uint(PACKET.sequence, 1);
    fill(message);
    trace.message(TRACE.packet, message);
  };
  packet((message) => {
    const clock = (id: number, at: number): Message => new Message().uint(1, id).uint(2, at);
    const snapshot = new Message()
      .message(1, clock(CLOCK.run, 0))
      .message(1, clock(CLOCK.boot, Math.min(Number.MAX_SAFE_INTEGER, Number(info.originNs) || 0)));
    message.uint(PACKET.sequenceFlags, FLAGS.cleared).message(PACKET.clockSnapshot, snapshot);
  });
  packet((message) => {
    const interned = new Message();
    const entry = (id: number, text: string): Message => new Message().uint(1, id).text(2, text);
    events.kind.texts.forEach((text, code) => interned.message(1, entry(code + 1, text || "none")));
    events.name.texts.forEach((text, code) => interned.message(2, entry(code + 1, text)));
    ANNOTATIONS.forEach(([name], k) => interned.message(3, entry(k + 1, name)));
    message.uint(PACKET.sequenceFlags, FLAGS.needed).message(PACKET.interned, interned);
  });
  const lanes = laneIndices(events);
  for (const rank of new Set(lanes.map((lane) => lane.rank))) {
    packet((message) => {
      const process = new Message().uint(1, rank + 1).text(6, `rank ${rank}`);
      // 3: children in the order of their ranks.
      const track = new Message().uint(DESCRIPTOR.uuid, rankTrack(rank)).message(DESCRIPTOR.process, process);
      message.message(PACKET.trackDescriptor, track.uint(DESCRIPTOR.childOrdering, 3));
    });
  }
  const ends = lastSpans(events);
  for (const { rank, stream, index } of lanes) {
    const announced = new Set<number>();
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    const trackOf = (track: number): number => {
      const uuid = rankTrack(rank) + 1 + stream * 16 + Math.min(track, 15);
      if (announced.has(uuid)) return uuid;
      announced.add(uuid);
      packet((message) => {
        const name = `${streamName(stream)}${track === 0 ? "" : `, overlapping ${track}`}`;
        const descriptor = new Message().uint(DESCRIPTOR.uuid, uuid).text(DESCRIPTOR.name, name);
        descriptor.uint(DESCRIPTOR.parent, rankTrack(rank)).int(DESCRIPTOR.rank, stream === 2 ? 0 : 1 + stream);
        message.message(PACKET.trackDescriptor, descriptor);
      });
      return uuid;
    };
    const event = (at: number, fill: (message: Message) => void): void => {
      const track = new Message();
      fill(track);
      packet((message) =>
        message
          .uint(PACKET.timestamp, Math.max(0, Math.round(at)))
          .uint(PACKET.clock, CLOCK.run)
          .uint(PACKET.sequenceFlags, FLAGS.needed)
          .message(PACKET.trackEvent, track),
      );
      if (trace.length < PIECE) return;
      pieces.push(trace.bytes().slice());
      trace.clear();
    };
    visitNested(events, index, {
      begin: (i, track) => {
        const uuid = trackOf(track);
        event(events.startNs[i] ?? 0, (message) => beginEvent(message, events, i, uuid, ends));
      },
      end: (_i, track, at) => {
        const uuid = trackOf(track);
        event(at, (message) => message.uint(EVENT.type, SLICE.end).uint(EVENT.track, uuid));
      },
    });
    yield* pieces;
  }
  yield trace.bytes().slice();
}

/** Tracks of a rank are numbered from here on. */
function rankTrack(rank: number): number {
  return (rank + 1) * 0x1_0000_0000;
}

/** What is said of a span beside its name. */
const ANNOTATIONS: readonly (readonly [string, (events: EventColumns, i: number) => number | string])[] = [
  ["phase", ({ phase }, i) => phase.texts[phase.codes[i] ?? 0] ?? ""],
  ["step", ({ step }, i) => step[i] ?? 0],
  ["layer", ({ layer }, i) => layer[i] ?? -1],
  ["tokens", ({ tokens }, i) => tokens[i] ?? 0],
  ["flops", ({ flops }, i) => flops[i] ?? 0],
  ["bytes", ({ bytes }, i) => bytes[i] ?? 0],
  ["wire_bytes", ({ wireBytes }, i) => wireBytes[i] ?? 0],
  ["wire_type", ({ wireType }, i) => wireType.texts[wireType.codes[i] ?? 0] ?? ""],
  ["algorithm", ({ algorithm }, i) => algorithm.texts[algorithm.codes[i] ?? 0] ?? ""],
  ["seq", ({ seq }, i) => seq[i] ?? -1],
];

function beginEvent(
  message: Message,
  events: EventColumns,
  i: number,
  track: number,
  ends: ReadonlyMap<number, number>,
): void {
  message
    .uint(EVENT.categoryIds, (events.kind.codes[i] ?? 0) + 1)
    .uint(EVENT.type, SLICE.begin)
    .uint(EVENT.nameId, (events.name.codes[i] ?? 0) + 1)
    .uint(EVENT.track, track);
  ANNOTATIONS.forEach(([, read], k) => {
    const value = read(events, i);
    if (value === "" || value === 0) return;
    const annotation = new Message().uint(1, k + 1);
    if (typeof value === "string") annotation.text(6, value);
    else annotation.int(4, Math.round(value));
    message.message(EVENT.annotations, annotation);
  });
  if (!isCollective(events, i)) return;
  const id = flowOf(events, i);
  message.fixed64(ends.get(id) === i ? EVENT.terminatingFlowIds : EVENT.flowIds, id).uint(EVENT.correlation, id);
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

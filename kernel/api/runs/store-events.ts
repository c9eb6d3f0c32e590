/** Event columns as a run's Parquet file. */

import type { EventColumns, Numbers } from "../../../profiler-ui/trace/events";
import { ParquetWriter } from "./parquet-writer";

/** Writes `events` into a run's folder as one file. */
export async function storeEvents(folder: string, events: EventColumns): Promise<void> {
  const { name, kind, phase, wireType, algorithm } = events;
  const writer = await ParquetWriter.open(folder, {
    name: name.texts,
    kind: kind.texts,
    phase: phase.texts,
    wireType: wireType.texts,
    algorithm: algorithm.texts,
  });
  try {
    const spans = {
      ...events,
      startNs: whole(events.startNs),
      durNs: whole(events.durNs),
      flops: whole(events.flops),
      bytes: whole(events.bytes),
      wireBytes: whole(events.wireBytes),
      seq: whole(events.seq),
      step: Int32Array.from(events.step),
      tokens: Int32Array.from(events.tokens),
      sequences: Int32Array.from(events.sequences),
      cell: Int32Array.from(events.cell),
      request: Int32Array.from(events.request),
      layer: Int16Array.from(events.layer),
      group: Int16Array.from(events.group),
      rank: Uint16Array.from(events.rank),
      stream: Uint16Array.from(events.stream),
      name: name.codes,
      kind: kind.codes,
      phase: phase.codes,
      wireType: wireType.codes,
      algorithm: algorithm.codes,
      lost: 0,
    };
    await writer.append(spans, { rank: 0, group: 0, step: 0 });
    await writer.flush(0n);
  } finally {
    writer.close();
  }
}

function whole(values: Numbers): BigInt64Array {
  return BigInt64Array.from(values, (value) => BigInt(Math.round(value)));
}

/** Synthetic runs as folders on disk, written by the engine's own writer. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ParquetWriter } from "../../../kernel/api/runs/parquet-writer";
import { writeInfo } from "../../../kernel/api/runs/folder";
import type { SpanColumns } from "../../../kernel/api/native";
import type { RunData } from "../../../profiler-ui/trace/compare";

export async function storeRun(root: string, { info, events }: RunData): Promise<string> {
  const folder = join(root, info.id);
  mkdirSync(folder, { recursive: true });
  const { name, kind, phase, wireType, algorithm } = events;
  const texts = {
    name: name.texts,
    kind: kind.texts,
    phase: phase.texts,
    wireType: wireType.texts,
    algorithm: algorithm.texts,
  };
  const writer = await ParquetWriter.open(folder, texts);
  const whole = (values: Float64Array): BigInt64Array =>
    BigInt64Array.from(values, (value) => BigInt(Math.round(value)));
  const spans: SpanColumns = {
    ...events,
    startNs: whole(events.startNs),
    durNs: whole(events.durNs),
    flops: whole(events.flops),
    bytes: whole(events.bytes),
    wireBytes: whole(events.wireBytes),
    seq: whole(events.seq),
    name: name.codes,
    kind: kind.codes,
    phase: phase.codes,
    wireType: wireType.codes,
    algorithm: algorithm.codes,
    lost: 0,
  };
  await writer.append(spans, { rank: 0, group: 0 });
  await writer.flush(0n);
  writer.close();
  await writeInfo(folder, info);
  return folder;
}

/** Spans of another tool's traces as a run: its ranks, streams, steps and collectives in our words. */

import type { EventColumns, TextColumn } from "../events";
import { STEP } from "../kinds";
import { RUN_FORMAT, type RunInfo } from "../run";
import { invalid } from "./json-stream";
import { placesOf, type Place, type ReadFile } from "./places";
import type { SpanTable } from "./span-table";

export interface ImportedRun {
  readonly events: EventColumns;
  readonly info: Omit<RunInfo, "id" | "createdAt" | "label" | "machine" | "versions">;
}

/** Names that a run tells apart; what takes the least time beyond them becomes one op. */
const MOST_NAMES = 250;
const OTHERS = "(other ops)";

/** @throws RunError `E_IMPORT_INVALID` */
export function assembleRun(table: SpanTable, files: readonly ReadFile[], tool: string): ImportedRun {
  const places = placesOf(table, files);
  const kept = keptSpans(table, places);
  if (kept.length === 0) throw invalid("it holds no span: no complete event, kernel or range");
  const starts = absoluteStarts(table, files);
  kept.sort(
    (a, b) => (starts[a] ?? 0) - (starts[b] ?? 0) || (table.double("durNs")[b] ?? 0) - (table.double("durNs")[a] ?? 0),
  );
  const origin = starts[kept[0] ?? 0] ?? 0;
  const [base] = files.map(({ baseNs }) => baseNs).sort((a, b) => (a < b ? -1 : 1));
  const events = columnsOf(table, kept, places, starts, origin);
  const count = new Set(events.rank).size;
  const left = new Map<string, number>();
  for (const file of files) for (const [what, n] of file.left) left.set(what, (left.get(what) ?? 0) + n);
  const notes = [...left].map(([what, n]) => `${n} × ${what}`).join(", ");
  let durationNs = 0;
  for (let i = 0; i < events.count; i++)
    durationNs = Math.max(durationNs, (events.startNs[i] ?? 0) + (events.durNs[i] ?? 0));
  const collective = events.kind.texts.indexOf("collective");
  const wires = new Set<string>();
  for (let i = 0; i < events.count; i++) {
    const wire = events.wireType.texts[events.wireType.codes[i] ?? 0] ?? "";
    if (events.kind.codes[i] === collective && wire !== "") wires.add(wire);
  }
  return {
    events,
    info: {
      format: RUN_FORMAT,
      status: "complete",
      model: {
        ...{ name: files.find(({ title }) => title !== "")?.title.slice(0, 80) ?? tool, family: "" },
        ...{ layers: 0, hidden: 0, inner: 0, states: 0, vocabulary: 0, parameters: 0 },
      },
      tensorParallel: count,
      threadsPerRank: 0,
      device: files.find(({ device }) => device !== "")?.device.slice(0, 80) ?? "",
      computeType: "",
      allReduce: wires.size > 0 ? { all: [...wires].sort().join(" ") } : {},
      quantisationGroup: 0,
      originNs: String((base ?? 0n) + BigInt(Math.round(origin))),
      // Kineto and nsys bring device clocks onto the host's themselves and do not say how well.
      clocks: [...new Set(events.rank)]
        .sort((a, b) => a - b)
        .map((rank) => ({ rank, method: tool, offsetNs: 0, slope: 1, errorNs: 1000 })),
      overhead: { spans: 0, nsPerSpan: 0, share: 0, writeMs: 0 },
      events: events.count,
      lost: 0,
      durationNs,
      requests: [],
      notes: notes === "" ? "" : `Left out by the import: ${notes}.`,
    },
  };
}

function keptSpans(table: SpanTable, places: readonly (Place | undefined)[]): Uint32Array {
  const lane = table.word("lane");
  const kept = new Uint32Array(table.count);
  let count = 0;
  for (let i = 0; i < table.count; i++) if (places[lane[i] ?? 0]) kept[count++] = i;
  return kept.subarray(0, count);
}

/** Starts on the clock of the file that begins first. */
function absoluteStarts(table: SpanTable, files: readonly ReadFile[]): Float64Array {
  const [first = 0n] = files.map(({ baseNs }) => baseNs).sort((a, b) => (a < b ? -1 : 1));
  const shifts = table.lanes.map(({ owner }) => {
    const file = files.find(({ prefix }) => owner.startsWith(prefix));
    return file ? Number(file.baseNs - first) : 0;
  });
  const lane = table.word("lane");
  return table.double("startNs").map((start, i) => start + (shifts[lane[i] ?? 0] ?? 0));
}

function columnsOf(
  table: SpanTable,
  kept: Uint32Array,
  places: readonly (Place | undefined)[],
  starts: Float64Array,
  origin: number,
): EventColumns {
  const lane = table.word("lane");
  const placeOf = (i: number): Place => places[lane[i] ?? 0] ?? { rank: 0, stream: 0 };
  const rank = Uint16Array.from(kept, (i) => placeOf(i).rank);
  const startNs = Float64Array.from(kept, (i) => (starts[i] ?? 0) - origin);
  const double = (column: "durNs" | "flops" | "bytes" | "wireBytes" | "seq"): Float64Array => {
    const values = table.double(column);
    return Float64Array.from(kept, (i) => values[i] ?? 0);
  };
  const word = (column: "step" | "layer" | "tokens" | "group"): Int32Array => {
    const values = table.word(column);
    return Int32Array.from(kept, (i) => values[i] ?? 0);
  };
  const text = (column: "name" | "kind" | "phase" | "wireType" | "algorithm"): TextColumn =>
    textColumn(table.word(column), table.texts[column].list, kept, table.double("durNs"));
  const durNs = double("durNs");
  const group = Int16Array.from(word("group"), (value) => Math.min(value, 32767));
  const name = text("name");
  const kind = text("kind");
  const events = {
    count: kept.length,
    ...{ startNs, durNs, rank, name, kind, group },
    stream: Uint16Array.from(kept, (i) => placeOf(i).stream),
    phase: text("phase"),
    step: stepsOf(word("step"), name, rank, startNs, durNs),
    layer: Int16Array.from(word("layer")),
    tokens: word("tokens"),
    sequences: new Int32Array(kept.length),
    flops: double("flops"),
    bytes: double("bytes"),
    wireBytes: double("wireBytes"),
    wireType: text("wireType"),
    algorithm: text("algorithm"),
    seq: ordinals(double("seq"), group, rank, kind),
    cell: new Int32Array(kept.length).fill(-1),
    request: new Int32Array(kept.length).fill(-1),
  };
  return events;
}

/** Texts of what is kept; beyond `MOST_NAMES` those that take the least time become one. */
function textColumn(words: Int32Array, texts: readonly string[], kept: Uint32Array, dur: Float64Array): TextColumn {
  const time = new Float64Array(texts.length);
  const seen = new Uint8Array(texts.length);
  for (const i of kept) {
    const word = words[i] ?? 0;
    time[word] = (time[word] ?? 0) + (dur[i] ?? 0);
    seen[word] = 1;
  }
  const used = texts.map((_, word) => word).filter((word) => seen[word] === 1);
  // Steps are the frame that everything else is counted in.
  const worth = (word: number): number => (texts[word] === STEP ? Infinity : (time[word] ?? 0));
  const chosen = [...used].sort((a, b) => worth(b) - worth(a)).slice(0, MOST_NAMES);
  const codes = new Map(chosen.map((word, code) => [word, code]));
  const listed = chosen.map((word) => texts[word] ?? "");
  if (chosen.length < used.length) listed.push(OTHERS);
  return { texts: listed, codes: Uint8Array.from(kept, (i) => codes.get(words[i] ?? 0) ?? chosen.length) };
}

/** Steps of spans that do not say: the step of their rank that was under way. */
function stepsOf(
  steps: Int32Array,
  name: TextColumn,
  rank: Uint16Array,
  startNs: Float64Array,
  durNs: Float64Array,
): Int32Array {
  const step = name.texts.indexOf(STEP);
  const current = new Map<number, { readonly step: number; readonly end: number }>();
  return steps.map((own, i) => {
    const of = rank[i] ?? 0;
    const start = startNs[i] ?? 0;
    if (step >= 0 && name.codes[i] === step) current.set(of, { step: own, end: start + (durNs[i] ?? 0) });
    if (own >= 0) return own;
    const now = current.get(of);
    return now && start <= now.end ? now.step : (now?.step ?? 0);
  });
}

/** Ordinals of collectives in their group; counted in order of start where the trace has none, or the same one twice on a rank. */
function ordinals(seq: Float64Array, group: Int16Array, rank: Uint16Array, kind: TextColumn): Float64Array {
  const collective = kind.texts.indexOf("collective");
  const isOne = (i: number): boolean => collective >= 0 && kind.codes[i] === collective && (group[i] ?? -1) >= 0;
  const seen = new Set<string>();
  const uncounted = new Set<number>();
  for (let i = 0; i < seq.length; i++) {
    if (!isOne(i)) continue;
    const key = `${group[i]} ${rank[i]} ${seq[i]}`;
    if ((seq[i] ?? -1) < 0 || seen.has(key)) uncounted.add(group[i] ?? 0);
    seen.add(key);
  }
  const next = new Map<string, number>();
  return seq.map((own, i) => {
    if (!isOne(i)) return -1;
    if (!uncounted.has(group[i] ?? 0)) return own;
    const key = `${group[i]} ${rank[i]}`;
    const ordinal = next.get(key) ?? 0;
    next.set(key, ordinal + 1);
    return ordinal;
  });
}

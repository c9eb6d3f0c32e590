/** What a run is: `run.json` beside its Parquet files (one row an event), as every reader and writer of runs knows it. */

import type { EventColumns } from "./events";
import type { Marks } from "./marks";

/** Version of the folder's layout; a reader refuses a larger one. */
export const RUN_FORMAT = 1;

export interface RunModel {
  readonly name: string;
  readonly family: string;
  readonly layers: number;
  readonly hidden: number;
  readonly inner: number;
  readonly states: number;
  readonly vocabulary: number;
  /** Parameters in all. */
  readonly parameters: number;
}

/** How one rank's clock was brought onto the run's. */
export interface RankClock {
  readonly rank: number;
  /** "host": the rank stamps with the host's monotonic clock, which is the run's. */
  readonly method: string;
  readonly offsetNs: number;
  readonly slope: number;
  readonly errorNs: number;
}

/** What recording cost: spans × measured cost of one, over the time the ranks worked, and the time writing took. */
export interface RecordingOverhead {
  readonly spans: number;
  readonly nsPerSpan: number;
  /** Share of the ranks' step time spent on recording, 0..1. */
  readonly share: number;
  readonly writeMs: number;
}

/** Outcome of one generation inside the run, in the terms of `stateline generate --json`. */
export interface RunRequest {
  readonly request: number;
  readonly prompt: string;
  readonly text: string;
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly ttftMs: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  readonly wireBytes: number;
}

export interface RunInfo {
  readonly format: number;
  readonly id: string;
  readonly label: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** "interrupted" when the process that recorded it ended before the run did. */
  readonly status: "recording" | "complete" | "interrupted";
  readonly model: RunModel;
  readonly tensorParallel: number;
  readonly threadsPerRank: number;
  readonly device: string;
  readonly computeType: string;
  /** Wire type by collective: `{ x_proj: "f32", out_proj: "int8" }`. */
  readonly allReduce: Readonly<Record<string, string>>;
  /** Why out_proj's AllReduce carries what it does; missing on one rank. */
  readonly allReduceReason?: string;
  /** What messages between ranks travelled over; missing on one rank. */
  readonly link?: string;
  readonly quantisationGroup: number;
  readonly machine: {
    readonly cpu: string;
    readonly isa: string;
    readonly cores: number;
    readonly memoryBytes: number;
  };
  readonly versions: Readonly<Record<string, string>>;
  /** Bytes by what they hold (weights, states, …) on each rank of the model. */
  readonly memory?: Readonly<Record<string, readonly number[]>>;
  /** Host monotonic clock at the run's time 0, as decimal nanoseconds. */
  readonly originNs: string;
  readonly clocks: readonly RankClock[];
  readonly overhead: RecordingOverhead;
  /** By rank: its GPU's number and name; ranks of one number share it. Of runs on GPUs. */
  readonly gpus?: readonly string[];
  /** How decode steps ran because they were recorded, where others run otherwise. */
  readonly decodeSteps?: string;
  readonly events: number;
  /** Spans lost to full buffers. */
  readonly lost: number;
  readonly durationNs: number;
  readonly requests: readonly RunRequest[];
  /** What people wrote about it; a label of theirs replaces the recorded one. */
  readonly notes?: string;
  readonly tags?: readonly string[];
}

/** What people write about a run. */
export interface RunNotes {
  readonly label?: string;
  readonly notes?: string;
  readonly tags?: readonly string[];
}

/** A file of an upload, in the order in which the files' bytes come. */
export interface UploadedFile {
  readonly name: string;
  readonly bytes: number;
}

/** Keeping runs in order, where they lie in files. */
export interface RunStore {
  /** @throws RunError `E_RUN_NOT_FOUND`; StatelineError `E_OPTION_INVALID` for a `change` that is none */
  annotate(id: string, change: unknown): Promise<RunNotes>;
  /** Takes a run away; `restore` brings it back. @throws RunError `E_RUN_NOT_FOUND`, `E_RUN_RECORDING` */
  remove(id: string): Promise<void>;
  /** @throws RunError `E_RUN_NOT_FOUND`, `E_RUN_EXISTS` */
  restore(id: string): Promise<void>;
  /**
   * Makes a run of another tool's traces, whose bytes follow one another in `body`.
   *
   * @throws RunError `E_IMPORT_INVALID`, `E_IMPORT_TOO_LARGE`, `E_ABORTED`
   */
  importFiles(files: readonly UploadedFile[], body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<RunInfo>;
}

/** Where a reader gets runs from. `kernel/api` implements it on a folder; the server is handed one. */
export interface RunSource {
  /** Newest first. */
  list(): Promise<RunInfo[]>;
  /** @throws RunError `E_RUN_NOT_FOUND`, `E_RUN_UNREADABLE` */
  info(id: string): Promise<RunInfo>;
  /** All events of a run, by start time, for the caller to keep: their memory may be handed to another thread. */
  events(id: string): Promise<EventColumns>;
  /** Where the runs lie in files: what draws a long run roughly, found without reading all of it; null if it cannot. */
  sketch?(id: string, pixels: number): Promise<Marks | null>;
  /** Loads what the first reading needs, so that it need not wait for that. */
  warm?(): Promise<void>;
  /** Where the runs lie in files: SQL on one, read only and bounded. @throws RunError `E_SQL`, `E_SQL_TOO_LONG`, `E_SQL_TOO_LARGE`, `E_ABORTED` */
  sql?(id: string, text: string, limits: SqlLimits): Promise<SqlAnswer>;
  readonly store?: RunStore;
  /** Where the runs lie in files: all events of one as a Parquet file, in pieces. */
  parquet?(id: string): AsyncIterable<Uint8Array>;
}

export interface SqlLimits {
  readonly maxRows: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Values are texts, numbers, truth values, null, or lists and objects of them. */
export interface SqlAnswer {
  readonly columns: readonly string[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** There are more rows than were asked for. */
  readonly truncated: boolean;
}

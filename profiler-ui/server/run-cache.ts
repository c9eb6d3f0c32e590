/** Runs as the server knows them: read once, handed to the analysis thread, the ones asked for last kept there. */

import { buffersOf, BYTES_PER_EVENT } from "../trace/columns";
import type { TraceFormat } from "../trace/export/index";
import type { RunInfo, RunSource } from "../trace/run";
import { Turns } from "../trace/turns";
import { StatelineError } from "../trace/errors";
import { encodeMarks } from "../trace/wire-format";
import type { Answer, Question } from "./analysis";
import { Analyst } from "./analyst";

const KEEP_BYTES = 400e6;

/** Runs that are kept whatever their size: two are compared. */
const IN_USE = 2;

/** Events from which on a run is sketched while it is read: less are read as soon. */
const SKETCHED = 200_000;

/** Marks a lane of a sketch has at most. */
const SKETCH_PIXELS = 1024;

/** Events that a page holds at most, some 60 bytes each: of a longer run it asks for what it shows. */
const PAGE_EVENTS = 2_000_000;

/** A run that the thread holds under a number. */
interface HeldRun {
  readonly number: number;
  readonly info: RunInfo;
  readonly bytes: number;
}

export interface CacheLimits {
  /** Events of a run that a page holds as a whole, two million unless given: of a longer one it asks for what it shows. */
  readonly pageEvents?: number;
  /** What is kept of runs, in bytes of their events, 400 MB unless given; the two that were used last are kept whatever their size. */
  readonly keepBytes?: number;
}

export class RunCache {
  /** In order of use, the latest last. */
  readonly #runs = new Map<string, Promise<HeldRun>>();
  /** Those that were read. */
  readonly #loaded = new Map<string, HeldRun>();
  /** Long runs drawn roughly, while they are read. */
  readonly #sketches = new Map<string, Promise<Answer>>();
  /** A run takes as much memory again while it is read. */
  readonly #reading = new Turns(1);
  readonly #analyst = new Analyst(() => {
    this.#runs.clear();
    this.#loaded.clear();
  });
  readonly #limits: Required<CacheLimits>;
  #numbers = 0;

  constructor(
    readonly source: RunSource,
    limits: CacheLimits = {},
  ) {
    const { pageEvents = PAGE_EVENTS, keepBytes = KEEP_BYTES } = limits;
    this.#limits = { pageEvents, keepBytes };
  }

  /** Begins to read a run that will be asked about; what goes wrong is said to those who ask. */
  prepare(id: string): void {
    void this.#held(id).catch(() => undefined);
  }

  /** What draws a run soonest: a sketch of a long one that is being read, else its overview. */
  async sketch(id: string): Promise<Answer> {
    const held = this.#asOf(await this.source.info(id));
    // Why it cannot be read is said by the sketch or the overview.
    held.catch(() => undefined);
    return (await this.#sketches.get(id)) ?? this.ask(id, { kind: "overview" });
  }

  /** Answers a question about a run as it is now. */
  ask(id: string, question: Question): Promise<Answer> {
    return again(async () => {
      const { number } = await this.#held(id);
      return this.#analyst.perform({ kind: "ask", run: number, question });
    });
  }

  /** A run as a file of another tool's format, piece by piece. */
  async *export(id: string, format: TraceFormat, rank?: number): AsyncGenerator<Uint8Array> {
    const { number } = await this.#held(id);
    const file = ++this.#numbers;
    const next = { kind: "piece", run: number, file, format, ...(rank === undefined ? {} : { rank }) } as const;
    try {
      for (let piece = await this.#analyst.perform(next); piece !== null; piece = await this.#analyst.perform(next))
        yield typeof piece === "string" ? Buffer.from(piece) : piece;
    } finally {
      void this.#analyst.perform({ kind: "drop", file }).catch(() => undefined);
    }
  }

  compare(a: string, b: string): Promise<Answer> {
    return again(async () => {
      const [heldA, heldB] = [await this.#held(a), await this.#held(b)];
      return this.#analyst.perform({ kind: "compare", a: heldA.number, b: heldB.number });
    });
  }

  /** Begins what the first run would wait for; what goes wrong is said when a run is read. */
  warm(): void {
    this.#analyst.start();
    void this.source.warm?.().catch(() => undefined);
  }

  close(): Promise<void> {
    return this.#analyst.close();
  }

  /** The run as it is now: one that has grown since it was read is read again. */
  async #held(id: string): Promise<HeldRun> {
    return this.#asOf(await this.source.info(id));
  }

  async #asOf(info: RunInfo): Promise<HeldRun> {
    const { id } = info;
    for (let known = this.#runs.get(id); known; known = this.#runs.get(id)) {
      const run = await known;
      if (isAsNew(run.info, info)) {
        this.#touch(id, known);
        return run;
      }
      // Of all that find it too old the first reads it again, and the others wait for that.
      if (this.#runs.get(id) === known) this.#drop(id, run);
    }
    const reading = this.#read(info);
    this.#touch(id, reading);
    try {
      return await reading;
    } catch (error) {
      this.#runs.delete(id);
      throw error;
    }
  }

  async #read(info: RunInfo): Promise<HeldRun> {
    const { id } = info;
    const sketch = this.#sketchOf(info);
    this.#sketches.set(id, sketch);
    try {
      // One after the other: together, the first to be looked at would have to share the cores.
      await sketch;
      return await this.#reading.take(async () => {
        this.#makeRoom(IN_USE - 1);
        const events = await this.source.events(id);
        const number = ++this.#numbers;
        // What it claims to hold may be wrong.
        const held = { number, info, bytes: events.count * BYTES_PER_EVENT };
        const { pageEvents } = this.#limits;
        await this.#analyst.perform({ kind: "load", run: number, info, events, pageEvents }, buffersOf(events));
        this.#loaded.set(id, held);
        this.#makeRoom(IN_USE);
        return held;
      });
    } finally {
      this.#sketches.delete(id);
    }
  }

  async #sketchOf({ id, events }: RunInfo): Promise<Answer> {
    if (events < SKETCHED) return null;
    const sketch = await this.source.sketch?.(id, SKETCH_PIXELS);
    return sketch ? encodeMarks(sketch) : null;
  }

  #drop(id: string, { number }: HeldRun): void {
    this.#runs.delete(id);
    this.#loaded.delete(id);
    // A thread that died meanwhile holds nothing to forget.
    void this.#analyst.perform({ kind: "forget", run: number }).catch(() => undefined);
  }

  #touch(id: string, run: Promise<HeldRun>): void {
    this.#runs.delete(id);
    this.#runs.set(id, run);
  }

  /** Lets go of the runs used longest ago until the rest fits, all but the latest `inUse`. */
  #makeRoom(inUse: number): void {
    let bytes = 0;
    let runs = 0;
    for (const id of [...this.#runs.keys()].reverse()) {
      const run = this.#loaded.get(id);
      if (!run) continue; // is still being read
      if (runs >= inUse && bytes + run.bytes > this.#limits.keepBytes) this.#drop(id, run);
      else {
        bytes += run.bytes;
        runs++;
      }
    }
  }
}

/** Asks once more where the run was let go, as one that grew, between its being found and the question. */
async function again<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof StatelineError && error.code === "E_RUN_FORGOTTEN")) throw error;
    return ask();
  }
}

/** Whether what was read as `known` is what `info` tells of, or more of it. */
function isAsNew(known: RunInfo, info: RunInfo): boolean {
  const isOver = known.status !== "recording" || info.status === "recording";
  return known.createdAt === info.createdAt && known.events >= info.events && isOver;
}

/**
 * A recording: while it is on, the ranks of its models record spans; they are drained and written as a run.
 *
 * Draining and writing take time from the ranks, so both wait: for a buffer to be half full, for a chunk's worth of
 * spans. A short run is drained and written once, at its end.
 */

import { cpus, totalmem } from "node:os";

import {
  RUN_FORMAT,
  type RankClock,
  type RunInfo,
  type RunModel,
  type RunRequest,
} from "../../../profiler-ui/trace/run";
import { addon } from "../addon";
import { RunError } from "../errors";
import { wireText, wireWord } from "../model/all-reduce";
import { activeWatchers, addWatcher, openModels, removeWatcher, type Watcher } from "../model/live";
import type { Model } from "../model/model";
import type { EngineMemory, SpanColumns } from "../native";
import { packageVersion } from "../package-root";
import { createRunFolder, removeRunFolder, runsFolder, writeInfo } from "./folder";
import { ParquetWriter, type SpanShift } from "./parquet-writer";

/** Spans kept a rank until drained, 80 bytes each: a second of the quickest models. */
const CAPACITY = 1 << 19;
/** How often the buffers are looked at. */
const LOOK_MS = 50;
/** A chunk is written when it is this old, or has this many spans. */
const CHUNK_MS = 10_000;
const CHUNK_SPANS = 1 << 20;

export interface RecordingOptions {
  readonly label?: string;
  /** Folder of runs; STATELINE_RUNS or `runs` unless given. */
  readonly runs?: string;
  /** The models to record; unless given, all that are open now or later. */
  readonly models?: readonly Model[];
}

interface Watched {
  readonly model: Model;
  readonly memory: EngineMemory;
  readonly link: string;
  /** Given when its first spans come, so that models which do nothing take no ranks. */
  shift?: SpanShift;
  /** As its engine said last. */
  clockErrors?: readonly number[];
}

export class Recording implements Watcher {
  readonly folder: string;
  readonly #models: ReadonlySet<Model> | undefined;
  /** Host clock at the run's time 0: when its ranks began to record. */
  #originNs = 0n;
  readonly #created: Pick<RunInfo, "id" | "label" | "createdAt">;
  readonly #watched: Watched[] = [];
  readonly #requests: RunRequest[] = [];
  #requested = 0;
  #writer: Promise<ParquetWriter> | undefined;
  /** Writes one after another; what goes wrong is thrown by `finish`. */
  #writes: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Drained, not written yet. */
  #chunk: { readonly spans: SpanColumns; readonly shift: SpanShift }[] = [];
  #chunkSpans = 0;
  #chunkBegun = performance.now();
  #writeMs = 0;
  #totals = { spans: 0, lost: 0, events: 0, durationNs: 0, stepNs: 0, nsPerSpan: 0 };
  /** The model that the run is about: the first that recorded anything, else the first watched. */
  #subject: Model | undefined;

  private constructor(
    folder: string,
    created: Pick<RunInfo, "id" | "label" | "createdAt">,
    models: readonly Model[] | undefined,
  ) {
    this.folder = folder;
    this.#created = created;
    this.#models = models && new Set(models);
    this.#subject = this.#candidates()[0];
  }

  /** @throws RunError `E_RECORDING`, `E_RUNS_NOT_WRITABLE` */
  static async start(options: RecordingOptions = {}): Promise<Recording> {
    refuseOverlap(options.models);
    const created = new Date();
    const models = options.models ?? openModels();
    const { id, folder } = await createRunFolder(runsFolder(options.runs), idFor(created, models));
    const about = { id, label: options.label ?? "", createdAt: created.toISOString() };
    const recording = new Recording(folder, about, options.models);
    try {
      await writeInfo(folder, recording.#info("recording"));
      // Loading DuckDB later would hold up the thread that takes the model's tokens.
      if (models.length > 0) await recording.#openWriter();
      recording.#begin();
    } catch (error) {
      (await recording.#writer?.catch(() => undefined))?.close();
      await removeRunFolder(folder);
      throw error;
    }
    return recording;
  }

  #begin(): void {
    // Another one may have begun while this one waited for the disk.
    refuseOverlap(this.#models);
    addWatcher(this);
    this.#originNs = process.hrtime.bigint();
    for (const model of this.#candidates()) this.opened(model);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  watches(model: Model): boolean {
    return this.#models?.has(model) ?? true;
  }

  /** Its models that are open. */
  #candidates(): Model[] {
    return openModels().filter((model) => this.watches(model));
  }

  opened(model: Model): void {
    // A model that is closed before the run ends could no longer say.
    this.#watched.push({ model, memory: { ...model.engine.memory() }, link: model.engine.link() });
    this.#subject ??= model;
    model.engine.record(true, CAPACITY);
  }

  closing(model: Model): void {
    const watched = this.#watched.find((one) => one.model === model);
    if (!watched) return;
    this.#totals.nsPerSpan ||= model.engine.spanCost();
    model.engine.record(false, CAPACITY);
    this.#drain(watched);
  }

  nextRequest(): number {
    return this.#requested++;
  }

  finished(request: RunRequest): void {
    this.#requests.push(request);
  }

  /** Ends the recording and completes the run's folder. */
  async finish(): Promise<RunInfo> {
    clearInterval(this.#timer);
    removeWatcher(this);
    for (const { model } of this.#open()) this.closing(model);
    await this.#write();
    const info = this.#info(this.#failure ? "interrupted" : "complete");
    try {
      (await this.#writer)?.close();
      await writeInfo(this.folder, info);
    } catch (error) {
      this.#failure ??= { error };
    }
    if (this.#failure) throw this.#unwritten(this.#failure.error);
    return info;
  }

  #open(): Watched[] {
    const open = new Set(openModels());
    return this.#watched.filter(({ model }) => open.has(model));
  }

  #look(): void {
    const old = performance.now() - this.#chunkBegun >= CHUNK_MS;
    for (const watched of this.#open()) if (old || watched.model.engine.buffered() > CAPACITY / 2) this.#drain(watched);
    const due = old || this.#chunkSpans >= CHUNK_SPANS;
    if (due && this.#chunkSpans > 0) void this.#write();
  }

  #drain(watched: Watched): void {
    const { model } = watched;
    const spans = model.engine.drain();
    this.#totals.lost += spans.lost;
    if (spans.count === 0) return;
    if (this.#totals.spans === 0) this.#subject = model;
    this.#totals.spans += spans.count;
    this.#chunkSpans += spans.count;
    watched.shift ??= this.#nextShift(spans);
    watched.clockErrors = model.engine.clockErrors();
    this.#chunk.push({ spans, shift: watched.shift });
  }

  #nextShift({ step }: SpanColumns): SpanShift {
    const before = this.#watched.filter(({ shift }) => shift !== undefined);
    // An engine counts on through recordings that follow one another without a step between them.
    const first = step.reduce((least, one) => Math.min(least, one));
    // A model has few groups; a hundred numbers each keep two models' collectives apart.
    return { rank: ranksOf(before), group: 100 * before.length, step: -first };
  }

  /** Writes a chunk and says in run.json how far the run is. */
  #write(): Promise<void> {
    const drained = this.#chunk;
    this.#chunk = [];
    this.#chunkSpans = 0;
    this.#chunkBegun = performance.now();
    return this.#enqueue(async () => {
      if (drained.length === 0) return;
      const writer = await this.#openWriter();
      for (const { spans, shift } of drained) await writer.append(spans, shift);
      const chunk = await writer.flush(this.#originNs);
      this.#totals.events += chunk.events;
      this.#totals.durationNs = Math.max(this.#totals.durationNs, chunk.durationNs);
      this.#totals.stepNs += chunk.stepNs;
      await writeInfo(this.folder, this.#info("recording"));
    });
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#writes = this.#writes.then(async () => {
      if (this.#failure) return;
      const begin = performance.now();
      await work().catch((error: unknown) => (this.#failure = { error }));
      this.#writeMs += performance.now() - begin;
    });
    return this.#writes;
  }

  #openWriter(): Promise<ParquetWriter> {
    return (this.#writer ??= ParquetWriter.open(this.folder, addon().spanNames));
  }

  #info(status: RunInfo["status"]): RunInfo {
    const { spans, nsPerSpan, stepNs, events, lost, durationNs } = this.#totals;
    const { id, label, createdAt } = this.#created;
    const originNs = String(this.#originNs);
    const { memory, link } = this.#watched.find(({ model }) => model === this.#subject) ?? {};
    return {
      ...describe(this.#subject),
      ...(memory ? { memory: { ...memory } } : {}),
      ...(link ? { link } : {}),
      ...{ id, createdAt, originNs, status, events, lost, durationNs },
      label: label || labelFor(this.#subject),
      clocks: clocksOf(this.#watched),
      overhead: { spans, nsPerSpan, share: stepNs > 0 ? (spans * nsPerSpan) / stepNs : 0, writeMs: this.#writeMs },
      requests: this.#requests,
    };
  }

  #unwritten(cause: unknown): RunError {
    const reason = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
    return new RunError(
      "E_RUN_NOT_WRITTEN",
      `the run in ${this.folder} is incomplete: ${reason}`,
      { folder: this.folder },
      { cause },
    );
  }
}

/** @throws RunError `E_RECORDING` where a model would be part of two recordings */
function refuseOverlap(models: Iterable<Model> | undefined): void {
  const taken = [...activeWatchers()].some((watcher) => !models || [...models].some((model) => watcher.watches(model)));
  if (taken) throw new RunError("E_RECORDING", "a run is being recorded already; end it before starting another");
}

/** GPUs stamp by events against an anchor that the host's clock brackets. */
function clocksOf(watched: readonly Watched[]): RankClock[] {
  return watched
    .flatMap(({ shift, clockErrors = [] }) => (shift ? [{ first: shift.rank, clockErrors }] : []))
    .sort((a, b) => a.first - b.first)
    .flatMap(({ first, clockErrors }) =>
      clockErrors.map((error, index) => ({
        rank: first + index,
        method: error < 0 ? "host" : "cuda-events",
        offsetNs: 0,
        slope: 1,
        errorNs: Math.max(0, error),
      })),
    );
}

function ranksOf(watched: readonly Watched[]): number {
  return watched.reduce((sum, { model }) => sum + model.plan.tensorParallel, 0);
}

/** A run of `model` before anything happened. */
function describe(model: Model | undefined): RunInfo {
  const choice = model?.plan.allReduce;
  const split = model !== undefined && model.plan.tensorParallel > 1;
  return {
    format: RUN_FORMAT,
    id: "",
    label: "",
    createdAt: "",
    status: "recording",
    model: describeModel(model),
    tensorParallel: model?.plan.tensorParallel ?? 0,
    threadsPerRank: model?.settings.threadsPerRank ?? 0,
    device: model?.device ?? "",
    computeType: model?.settings.computeType ?? "",
    allReduce: choice && split ? { x_proj: choice.xProj, out_proj: wireText(choice.wires) } : {},
    ...(choice && split ? { allReduceReason: choice.reason } : {}),
    quantisationGroup: choice?.group ?? 0,
    machine: {
      cpu: cpus()[0]?.model ?? "",
      isa: model ? addon().cpuInfo().isa : "",
      cores: cpus().length,
      memoryBytes: totalmem(),
    },
    versions: { stateline: packageVersion(), node: process.versions.node },
    originNs: "0",
    clocks: [],
    overhead: { spans: 0, nsPerSpan: 0, share: 0, writeMs: 0 },
    ...(model?.device === "cuda"
      ? { gpus: gpusOf(model), decodeSteps: "op by op, not as the CUDA graphs of steps that are not recorded" }
      : {}),
    events: 0,
    lost: 0,
    durationNs: 0,
    requests: [],
  };
}

/** By rank. */
function gpusOf({ plan, settings }: Model): string[] {
  const { gpus } = addon().cudaInfo();
  return Array.from({ length: plan.tensorParallel }, (_, rank) => {
    const ordinal = settings.gpus[rank] ?? rank;
    return `${ordinal}: ${gpus[ordinal]?.name ?? ""}`;
  });
}

function describeModel(model: Model | undefined): RunModel {
  if (!model) return { name: "", family: "", layers: 0, hidden: 0, inner: 0, states: 0, vocabulary: 0, parameters: 0 };
  const { family, layers, hidden, inner, states, vocabulary } = model.config;
  return { name: model.name, family, layers, hidden, inner, states, vocabulary, parameters: model.plan.parameters };
}

function labelFor(model: Model | undefined): string {
  if (!model) return "";
  const { tensorParallel, allReduce } = model.plan;
  return tensorParallel === 1
    ? `${model.name} on 1 rank`
    : `${model.name} on ${tensorParallel} ranks, ${wireText(allReduce.wires)} AllReduce`;
}

/** 20260131-154500-tiny-mamba-tp2-int8: sorts by time, says what all open models have in common. */
function idFor(created: Date, models: readonly Model[]): string {
  const stamp = created.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
  const common = (part: (model: Model) => string): string[] => {
    const texts = new Set(models.map(part));
    return texts.size === 1 ? [...texts] : [];
  };
  const parts = [
    stamp,
    ...common(({ name }) => name.replaceAll(/[^A-Za-z0-9.]+/g, "-").slice(0, 60)),
    ...common(({ plan }) => `tp${plan.tensorParallel}`),
    ...common(({ plan }) => (plan.tensorParallel > 1 ? wireWord(plan.allReduce) : "")),
  ];
  return parts.length === 1 ? `${stamp}-run` : parts.filter(Boolean).join("-");
}

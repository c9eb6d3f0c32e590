/**
 * A Chrome trace, best one of PyTorch's profiler (Kineto, whose dialect our own export speaks), as spans. Kernels stand on
 * (device, stream); which host process is whose is found by the launches that share a kernel's `correlation`.
 */

import { STEP } from "../kinds";
import { parsed, TraceJsonStream, type Json } from "./json-stream";
import { collectiveOf, kindOfKernel, operationOf, shortName, wireOf } from "./names";
import type { ForeignSpan, Side } from "./span-table";

/** What is told of a file beside its spans. */
export interface ForeignFile {
  /** Host clock at the file's time 0, nanoseconds. */
  readonly baseNs: bigint;
  /** Rank that the file is of, if it says so. */
  readonly rank?: number;
  readonly device: string;
  readonly title: string;
  /** Process of the device that each host process launched its kernels on. */
  readonly launchedOn: ReadonlyMap<string, string>;
  /** Events that were left out, by what they are. */
  readonly left: ReadonlyMap<string, number>;
}

const SIDES: Readonly<Record<string, Side>> = {
  kernel: "device",
  gpu_memcpy: "device",
  gpu_memset: "device",
  cpu_op: "host",
  user_annotation: "host",
  cuda_runtime: "host",
  cuda_driver: "host",
};

/** How a step is called: by PyTorch's profiler, by people. */
export const STEP_NAME: RegExp = /^(?:ProfilerStep#|step[ _:#]*|iteration[ _:#]*)(\d{1,9})$/i;

/** Threads of our own export hold what runs inside another span this far above. */
const DETAIL = 100;

export class ChromeReader {
  readonly #add: (span: ForeignSpan) => void;
  readonly #stream = new TraceJsonStream((event) => this.#take(event));
  readonly #open = new Map<string, Json[]>();
  readonly #launches = new Map<number, string>();
  readonly #kernels = new Map<number, string>();
  readonly #left = new Map<string, number>();

  constructor(add: (span: ForeignSpan) => void) {
    this.#add = add;
  }

  /** @throws RunError `E_IMPORT_INVALID`, `E_IMPORT_TOO_LARGE` */
  push(bytes: Uint8Array): void {
    this.#stream.push(bytes);
  }

  /** @throws RunError `E_IMPORT_INVALID` */
  end(): ForeignFile {
    const text = this.#stream.end();
    const rest = parsed(text);
    const about = objectOf(rest["distributedInfo"]);
    const rank = about["rank"];
    const [device] = Array.isArray(rest["deviceProperties"]) ? (rest["deviceProperties"] as unknown[]) : [];
    // Nanoseconds since 1970 are more than a double holds, hence from the text.
    const [, base = "0"] = /"baseTimeNanoseconds"\s*:\s*(\d{1,19})\b/.exec(text) ?? [];
    const unended = [...this.#open.values()].reduce((sum, { length }) => sum + length, 0);
    if (unended > 0) this.#leave("begins without an end", unended);
    return {
      baseNs: BigInt(base),
      ...(Number.isInteger(rank) && Number(rank) >= 0 && Number(rank) < 65536 ? { rank: Number(rank) } : {}),
      device: textOf(objectOf(device)["name"]),
      title: textOf(rest["traceName"]),
      launchedOn: this.#launchedOn(),
      left: this.#left,
    };
  }

  #take(event: Json): void {
    switch (event["ph"]) {
      case "X":
        return this.#span(event, nsOf(event["dur"] ?? 0));
      case "B": {
        const key = threadKey(event);
        const open = this.#open.get(key) ?? [];
        open.push(event);
        this.#open.set(key, open);
        return;
      }
      case "E": {
        const begun = this.#open.get(threadKey(event))?.pop();
        if (begun) this.#span(begun, nsOf(event["ts"]) - nsOf(begun["ts"]));
        else this.#leave("ends without a begin");
      }
    }
  }

  #span(event: Json, durNs: number): void {
    const startNs = nsOf(event["ts"]);
    if (!Number.isFinite(startNs) || !(durNs >= 0) || Math.abs(startNs) > Number.MAX_SAFE_INTEGER) {
      return this.#leave("without a time");
    }
    const args = objectOf(event["args"]);
    const category = textOf(event["cat"]);
    const inner = category === "gpu_user_annotation" && typeof args["kind"] === "string";
    const side = inner ? "device" : (SIDES[category] ?? "other");
    const correlation = Number(args["correlation"]);
    const owner = String(event["pid"]);
    if (side !== "other" && Number.isSafeInteger(correlation)) {
      const ends = side === "device" ? this.#kernels : this.#launches;
      if (ends.size < LAUNCHES) ends.set(correlation, owner);
    }
    // Call stacks and marks copied onto the device's track count time twice.
    if (side === "other" && /^(python_function|gpu_user_annotation|overhead|trace)$/i.test(category))
      return this.#leave(category);
    if (category === "cuda_runtime" && durNs === 0) return;
    const thread = Number(event["tid"]);
    this.#add({
      ...facts(event, args, side),
      side,
      owner,
      thread: String(inner ? thread % DETAIL : event["tid"]),
      startNs,
      durNs,
    });
  }

  #launchedOn(): Map<string, string> {
    const found = new Map<string, string>();
    for (const [correlation, host] of this.#launches) {
      const device = this.#kernels.get(correlation);
      if (device !== undefined && !found.has(host)) found.set(host, device);
    }
    return found;
  }

  #leave(what: string, count = 1): void {
    this.#left.set(what, (this.#left.get(what) ?? 0) + count);
  }
}

/** Launches that are looked at to find out whose device is whose. */
const LAUNCHES = 100_000;

type Facts = Omit<ForeignSpan, "side" | "owner" | "thread" | "startNs" | "durNs">;

function facts(event: Json, args: Json, side: Side): Facts {
  const full = textOf(event["name"]);
  const step = STEP_NAME.exec(full);
  if (step && side !== "device") return { name: STEP, kind: "host", step: Number(step[1]), ...ownFacts(args) };
  const kind = textOf(args["kind"]);
  const own = { ...ownFacts(args) };
  if (side === "host") return { name: shortName(full), kind: "host", ...own };
  const collective = side === "device" ? collectiveFacts(full, args) : undefined;
  if (collective) return { kind: "collective", ...own, ...collective };
  return { name: shortName(full), kind: kind || kindOfKernel(full), ...own };
}

/** What our own export tells of a span beside what Kineto does. */
function ownFacts(args: Json): Partial<Facts> {
  return {
    ...(typeof args["phase"] === "string" ? { phase: args["phase"].slice(0, 40) } : {}),
    ...integer("step", args["step"]),
    ...integer("layer", args["layer"]),
    ...integer("tokens", args["tokens"]),
    ...amount("flops", args["flops"]),
    ...amount("bytes", args["bytes"]),
  };
}

function collectiveFacts(kernel: string, args: Json): (Partial<Facts> & { name: string }) | undefined {
  const named = collectiveOf(kernel);
  const said = textOf(args["Collective name"]);
  const operation = operationOf(said) ?? named?.name;
  if (operation === undefined) return undefined;
  // Our own export keeps the op that the collective belongs to: ncclDevKernel_all_reduce.out_proj.
  const [, ours] = /^ncclDevKernel_((?:all_reduce|gather)[.\w]*)$/.exec(kernel) ?? [];
  const [wire, size] = wireOf(textOf(args["dtype"])) ?? [named?.wireType ?? "", 0];
  const elements = Math.max(Number(args["In msg nelems"] ?? 0), Number(args["Out msg nelems"] ?? 0));
  const seq = Number(args["Seq"] ?? -1);
  return {
    name: ours ?? operation,
    wireType: textOf(args["Wire type"]) || wire,
    algorithm: (textOf(args["Algorithm"]) || named?.algorithm) ?? "",
    wireBytes: amountOf(args["Wire bytes"] ?? elements * size * sentShare(operation, Number(args["Group size"]))),
    group: textOf(args["Process Group Name"]) || "0",
    ...(Number.isSafeInteger(seq) && seq >= 0 ? { seq } : {}),
  };
}

/** What a rank of a ring sends, over the message's size (nccl-tests' factors). */
function sentShare(operation: string, ranks: number): number {
  if (operation === "broadcast" || !(ranks > 1)) return 1;
  return ((operation === "all_reduce" ? 2 : 1) * (ranks - 1)) / ranks;
}

function integer(name: "step" | "layer" | "tokens", value: unknown): Partial<Facts> {
  const most = name === "layer" ? 32767 : 2 ** 31 - 1;
  return Number.isInteger(value) && Number(value) >= -1 && Number(value) <= most ? { [name]: Number(value) } : {};
}

function amount(name: "flops" | "bytes", value: unknown): Partial<Facts> {
  return typeof value === "number" ? { [name]: amountOf(value) } : {};
}

function amountOf(value: unknown): number {
  const size = Number(value);
  return size >= 0 && size <= Number.MAX_SAFE_INTEGER ? Math.round(size) : 0;
}

/** Times are microseconds, whole nanoseconds in the end. */
function nsOf(value: unknown): number {
  return typeof value === "number" || typeof value === "string" ? Math.round(Number(value) * 1000) : NaN;
}

function threadKey(event: Json): string {
  return `${String(event["pid"])} ${String(event["tid"])}`;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 2000) : "";
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

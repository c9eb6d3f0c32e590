/** What a benchmark ran on and with. */

import { cpus } from "node:os";

import { addon } from "../addon";
import type { CpuInfo, WireType } from "../native";

export type WireOption = "auto" | WireType;

/** A number of ranks and what they send, as one of several that are compared. */
export interface ThroughputSetup {
  readonly ranks: number;
  /** Null where one rank sends nothing. */
  readonly wireType: WireOption | null;
}

/** When and where figures were taken. */
export interface Occasion {
  /** Year-month-day, UTC. */
  readonly date: string;
  /** The processor, and how many cores of it this process may keep busy. */
  readonly machine: string;
  readonly isa: CpuInfo["isa"];
}

export function occasion(): Occasion {
  const { isa, cores } = addon().cpuInfo();
  const machine = `${cpus()[0]?.model.trim() ?? "unknown"} × ${cores}`;
  return { date: new Date().toISOString().slice(0, 10), machine, isa };
}

/** @example setupText({ ranks: 2, wireType: "int8" }); // "2 ranks, int8" */
export function setupText({ ranks, wireType }: ThroughputSetup): string {
  return wireType === null ? "1 rank" : `${ranks} ranks, ${wireType}`;
}

/** A number of ranks and what they send, as one of several that are compared. */

import type { WireType } from "../native";

export type WireOption = "auto" | WireType;

export interface ThroughputSetup {
  readonly ranks: number;
  /** Null where one rank sends nothing. */
  readonly wireType: WireOption | null;
}

/** @example setupText({ ranks: 2, wireType: "int8" }); // "2 ranks, int8" */
export function setupText({ ranks, wireType }: ThroughputSetup): string {
  return wireType === null ? "1 rank" : `${ranks} ranks, ${wireType}`;
}

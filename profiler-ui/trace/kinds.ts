/** Kinds of op (design 3.4) in the order in which pages list them and in which time is attributed to them. */

export const KINDS = ["scan", "conv", "gemm", "norm", "attention", "sample", "copy", "collective", "host"] as const;

export type Kind = (typeof KINDS)[number];

/** The rank's whole step, on the host stream: the frame in which all other spans are counted. */
export const STEP = "step";

/** What a kind is called in legends and tables. */
export const KIND_LABELS: Readonly<Record<Kind, string>> = {
  scan: "scan",
  conv: "convolution",
  gemm: "GEMM",
  norm: "norm",
  attention: "attention",
  sample: "sampling",
  copy: "copy",
  collective: "AllReduce",
  host: "host",
};

/** Position of a kind in `KINDS`; an unknown kind counts as host. */
export function kindIndex(kind: string): number {
  const index = (KINDS as readonly string[]).indexOf(kind);
  return index < 0 ? KINDS.length - 1 : index;
}

/** Names of the streams of design 3.4. */
export function streamName(stream: number): string {
  return ["compute", "communication", "host"][stream] ?? `stream ${stream}`;
}

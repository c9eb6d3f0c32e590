/** Events of a run as columns (design 3.4), the form in which they travel, are drawn and are counted. */

/** Column of numbers: a typed array, as wide as where it comes from has it. What travels is as narrow as it can be. */
export type Numbers = Float64Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

/** Column of texts: `codes[i]` indexes `texts`. */
export interface TextColumn {
  readonly texts: readonly string[];
  readonly codes: Uint8Array;
}

/**
 * One entry an event, sorted by `startNs`. Times are nanoseconds from the run's start; a double holds them exactly
 * for 104 days. `layer`, `seq`, `group`, `cell` and `request` are -1 where there is none, or several: of a step that
 * serves several requests, the `sample` events alone say whose token each is.
 */
export interface EventColumns {
  readonly count: number;
  readonly startNs: Float64Array;
  readonly durNs: Numbers;
  readonly rank: Numbers;
  /** 0 compute, 1 communication, 2 host. */
  readonly stream: Numbers;
  readonly name: TextColumn;
  readonly kind: TextColumn;
  readonly phase: TextColumn;
  readonly step: Numbers;
  readonly layer: Numbers;
  readonly tokens: Numbers;
  readonly sequences: Numbers;
  readonly flops: Numbers;
  readonly bytes: Numbers;
  readonly wireBytes: Numbers;
  readonly wireType: TextColumn;
  readonly algorithm: TextColumn;
  readonly group: Numbers;
  readonly seq: Numbers;
  readonly cell: Numbers;
  readonly request: Numbers;
}

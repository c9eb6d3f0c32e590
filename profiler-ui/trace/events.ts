/** Events of a run as columns (design 3.4), the form in which they travel, are drawn and are counted. */

/** Column of texts: `codes[i]` indexes `texts`. */
export interface TextColumn {
  readonly texts: readonly string[];
  readonly codes: Uint8Array;
}

/**
 * One entry an event, sorted by `startNs`. Times are nanoseconds from the run's start; a double holds them exactly
 * for 104 days. `layer`, `seq`, `group`, `cell` and `request` are -1 where there is none.
 */
export interface EventColumns {
  readonly count: number;
  readonly startNs: Float64Array;
  readonly durNs: Float64Array;
  readonly rank: Uint16Array;
  /** 0 compute, 1 communication, 2 host. */
  readonly stream: Uint16Array;
  readonly name: TextColumn;
  readonly kind: TextColumn;
  readonly phase: TextColumn;
  readonly step: Int32Array;
  readonly layer: Int16Array;
  readonly tokens: Int32Array;
  readonly sequences: Int32Array;
  readonly flops: Float64Array;
  readonly bytes: Float64Array;
  readonly wireBytes: Float64Array;
  readonly wireType: TextColumn;
  readonly algorithm: TextColumn;
  readonly group: Int16Array;
  readonly seq: Float64Array;
  readonly cell: Int32Array;
  readonly request: Int32Array;
}

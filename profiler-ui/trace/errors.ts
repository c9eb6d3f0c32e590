/** What every error of Stateline is: a stable code, the names and values that matter, and a message that says what to do. */
export class StatelineError extends Error {
  override readonly name: string = this.constructor.name;

  constructor(
    /** Stable, like `E_TP_INDIVISIBLE`; programs decide on it. */
    readonly code: string,
    message: string,
    /** Offending names and values. */
    readonly details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What went wrong, in its own words, for a message that says where. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A run that cannot be found, read or written. */
export class RunError extends StatelineError {}

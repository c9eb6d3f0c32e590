/** Slots of the numbers (Int32) that the worker's main thread, its interrupt thread and the cells' loops share. */

/** Not 0: loops stop. It is the ordinal of the interrupt that wants it. */
export const INTERRUPT_FLAG = 0;
/** Ordinal of the last interrupt that the main thread has dealt with. */
export const INTERRUPTS_HANDLED = 1;
/** Ordinal of the last interrupt whose SIGINT has been sent. */
export const INTERRUPTS_SIGNALLED = 2;
/** signal-gate.ts */
export const SIGNAL_GATE = 3;

export const INTERRUPT_SLOTS = 4;

/** Slots of the two numbers (Int32) that the cells' loops share with the worker's interrupt thread. */

/** Not 0: loops stop. */
export const INTERRUPT_FLAG = 0;
/** Ordinal of the last interrupt that the main thread has dealt with. */
export const INTERRUPTS_HANDLED = 1;

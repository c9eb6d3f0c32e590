import { INTERRUPT_SLOTS, INTERRUPTS_HANDLED, INTERRUPTS_SIGNALLED } from "../../kernel/cells/interrupt-flag";
import { SignalGate } from "../../kernel/cells/signal-gate";

test("an interrupt that has been dealt with sends no signal, which would stop the next cell", () => {
  const shared = new Int32Array(new SharedArrayBuffer(INTERRUPT_SLOTS * Int32Array.BYTES_PER_ELEMENT));
  const gate = new SignalGate(shared);
  gate.open();
  const sent: number[] = [];
  Atomics.store(shared, INTERRUPTS_HANDLED, 1);
  for (const ordinal of [1, 2]) gate.pass(ordinal, () => sent.push(ordinal));
  expect(sent).toEqual([2]);
  expect(Atomics.load(shared, INTERRUPTS_SIGNALLED)).toBe(2);
});

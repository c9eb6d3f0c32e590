/**
 * When SIGINT may be sent to this process.
 *
 * Where vm's `breakOnSigint` begins and ends, Node has for some microseconds neither its own handler nor ours in place:
 * a SIGINT then ends the process. The main thread closes the gate for these moments; the interrupt thread, which sends the
 * signal, waits before it. An interrupt raises the loops' flag as well, so that the two do meet.
 */
import { INTERRUPTS_HANDLED, INTERRUPTS_SIGNALLED, SIGNAL_GATE } from "./interrupt-flag";

const CLOSED = 0; // as it is before anything handles SIGINT
const OPEN = 1;
const PASSING = 2;

/** A signal that has been sent is delivered within this time: the kernel does so before the main thread runs again. */
const DELIVERY_MS = 2;
/**
 * How long the end of a script's synchronous part is awaited, which vm's own thread brings about: on a busy machine it
 * comes late. The wait ends with the script.
 */
const TERMINATION_MS = 1000;
const POLL_MS = 1;
/** The gate is never closed for long; a process that has stopped is not signalled. */
const PATIENCE_MS = 1000;

export class SignalGate {
  readonly #shared: Int32Array;
  #signalled = 0;
  #inScript = false;

  constructor(shared: Int32Array) {
    this.#shared = shared;
  }

  /** Main thread: SIGINT is handled from now on. */
  open(): void {
    Atomics.store(this.#shared, SIGNAL_GATE, OPEN);
    Atomics.notify(this.#shared, SIGNAL_GATE);
  }

  /** Main thread: returns when a signal that is on its way has arrived; none comes until `open`. */
  close(): void {
    while (Atomics.compareExchange(this.#shared, SIGNAL_GATE, OPEN, CLOSED) === PASSING)
      Atomics.wait(this.#shared, SIGNAL_GATE, PASSING, POLL_MS);
    const signalled = Atomics.load(this.#shared, INTERRUPTS_SIGNALLED);
    if (signalled === this.#signalled) return;
    this.#signalled = signalled; // first, since a script ends in the wait
    Atomics.wait(this.#shared, SIGNAL_GATE, CLOSED, this.#inScript ? TERMINATION_MS : DELIVERY_MS);
  }

  /** Main thread: runs `body`, which `enter` calls in a script that SIGINT breaks. */
  within<T>(enter: (body: () => T) => T, body: () => T): T {
    this.close();
    try {
      return enter(() => {
        this.#inScript = true;
        this.open();
        try {
          return body();
        } finally {
          this.close();
        }
      });
    } finally {
      this.#inScript = false;
      this.open();
    }
  }

  /** Main thread: what must not be left half done. */
  shield<T>(body: () => T): T {
    this.close();
    try {
      return body();
    } finally {
      this.open();
    }
  }

  /**
   * Interrupt thread: does `send` while the gate is open, and says that interrupt `ordinal` has been sent. On a busy machine
   * the main thread may have lost patience and dealt with it already: a signal now would stop the next cell.
   */
  pass(ordinal: number, send: () => void): void {
    const deadline = performance.now() + PATIENCE_MS;
    while (Atomics.compareExchange(this.#shared, SIGNAL_GATE, OPEN, PASSING) !== OPEN && performance.now() < deadline)
      Atomics.wait(this.#shared, SIGNAL_GATE, CLOSED, POLL_MS);
    const passing = Atomics.load(this.#shared, SIGNAL_GATE) === PASSING;
    if (passing && Atomics.load(this.#shared, INTERRUPTS_HANDLED) < ordinal) send();
    Atomics.store(this.#shared, INTERRUPTS_SIGNALLED, ordinal);
    Atomics.compareExchange(this.#shared, SIGNAL_GATE, PASSING, OPEN);
    Atomics.notify(this.#shared, SIGNAL_GATE);
  }
}

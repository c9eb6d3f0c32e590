/**
 * The pipe of frames to the front, which the main thread and the interrupt thread of a worker share.
 *
 * Every write wakes the front, and that takes several times as long as a `console.log` does. So in a flood of text frames are
 * held for a moment and written together; the interrupt thread sees to it while the main thread does something else.
 */
import { writeFully } from "./frame-writer";
import { FRAMES_FD } from "./messages";

const LOCK = 0;
const LENGTH = 1;
/** 1 while the interrupt thread looks after what is held. */
const ATTENDED = 2;
const SLOTS = 3;
const CAPACITY = 1 << 16;

/** Texts that are written at once in every stretch of time: what a cell says before it crashes is seen. */
const AT_ONCE = 50;
const STRETCH_MS = 5;

export const FRAME_PIPE_BYTES: number = SLOTS * Int32Array.BYTES_PER_ELEMENT + CAPACITY;

export class FramePipe {
  readonly #state: Int32Array;
  readonly #held: Uint8Array;
  #stretch = 0;
  #texts = 0;

  constructor(shared: SharedArrayBuffer) {
    this.#state = new Int32Array(shared, 0, SLOTS);
    this.#held = new Uint8Array(shared, this.#state.byteLength);
  }

  /** Main thread: writes a frame behind all that is held. */
  write(frame: Uint8Array): void {
    this.#locked(() => {
      this.#writeHeld();
      writeFully(FRAMES_FD, frame);
    });
  }

  /** Main thread: writes a text's frame, or holds it in a flood. `attend` has the other thread look after what is held. */
  print(frame: Uint8Array, attend: () => void): void {
    const now = performance.now();
    if (now - this.#stretch > STRETCH_MS) {
      this.#stretch = now;
      this.#texts = 0;
    }
    if (++this.#texts <= AT_ONCE || frame.length > CAPACITY) return this.write(frame);
    this.#locked(() => {
      if (this.#length + frame.length > CAPACITY) this.#writeHeld();
      this.#held.set(frame, this.#length);
      this.#length += frame.length;
    });
    if (Atomics.compareExchange(this.#state, ATTENDED, 0, 1) === 0) attend();
  }

  /** Main thread: writes what is held. */
  flush(): void {
    this.#locked(() => this.#writeHeld());
  }

  /** Interrupt thread: writes what is held. @returns Whether there may be more. */
  attend(): boolean {
    if (!this.#tryLock()) return true; // the main thread is at it, and may be again and again
    try {
      return this.#writeHeld();
    } finally {
      this.#unlock();
    }
  }

  /** Interrupt thread: it looks after what is held no more. */
  leave(): void {
    Atomics.store(this.#state, ATTENDED, 0);
    this.attend(); // what came since it looked last
  }

  #locked(body: () => void): void {
    while (!this.#tryLock()) Atomics.wait(this.#state, LOCK, 1);
    try {
      body();
    } finally {
      this.#unlock();
    }
  }

  #writeHeld(): boolean {
    const length = this.#length;
    if (length === 0) return false;
    this.#length = 0;
    writeFully(FRAMES_FD, this.#held.subarray(0, length));
    return true;
  }

  get #length(): number {
    return Atomics.load(this.#state, LENGTH);
  }

  set #length(length: number) {
    Atomics.store(this.#state, LENGTH, length);
  }

  #tryLock(): boolean {
    return Atomics.compareExchange(this.#state, LOCK, 0, 1) === 0;
  }

  #unlock(): void {
    Atomics.store(this.#state, LOCK, 0);
    Atomics.notify(this.#state, LOCK, 1);
  }
}

/** Bytes that a request brings, as long as they keep coming: who sends nothing must not hold what others wait for. */

import { RefusedError } from "./answers";

/** Bytes in which a sender makes progress: fewer in all its time are none. */
const PROGRESS = 65536;

/**
 * The bytes of `body`. The sender has `patienceMs` for each 64 kB; time in which they lie here unread is not counted.
 *
 * @throws RefusedError `E_IMPORT_STALLED`
 */
export async function* arriving(
  body: AsyncIterable<Uint8Array>,
  patienceMs: number,
): AsyncGenerator<Uint8Array, undefined> {
  // Never ended by us: that would close the connection before the sender is told why.
  const pieces = body[Symbol.asyncIterator]();
  let waited = 0;
  let bytes = 0;
  for (;;) {
    const begin = performance.now();
    const piece: IteratorResult<Uint8Array, undefined> = await within(pieces.next(), patienceMs - waited, patienceMs);
    if (piece.done) return;
    waited += performance.now() - begin;
    bytes += piece.value.length;
    if (bytes >= PROGRESS) [waited, bytes] = [0, 0];
    yield piece.value;
  }
}

async function within<T>(piece: Promise<T>, ms: number, patienceMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      piece.catch(() => undefined); // it breaks off when the connection closes
      const message = `The upload stood still for ${patienceMs / 1000} s and was ended, so that others can import; send it again.`;
      reject(new RefusedError(408, "E_IMPORT_STALLED", message, { patienceMs }));
    }, ms);
  });
  try {
    return await Promise.race([piece, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How long a page may take to show what it must; a busy machine is slow, not wrong. */
const LONGEST_MS = 10_000;

/** Repeats a check of a page until it holds; what it threw last if it never does. */
export async function eventually(check: () => Promise<void>): Promise<void> {
  const end = Date.now() + LONGEST_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

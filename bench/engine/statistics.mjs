/** Median, extremes and a text of a list of figures. */
export function spread(figures) {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  const [min, max] = [sorted[0], sorted[sorted.length - 1]];
  const digits = Math.abs(median) < 10 ? 2 : 1;
  const [middling, least, most] = [median, min, max].map((one) => one.toFixed(digits));
  return { median, min, max, text: `${middling} (${least}-${most})` };
}

/** A number of initiators, each with one transaction after another, for a while. */

/** Runs `once` from `concurrency` initiators at a time; gives the latencies, in ms, of what began and ended in `forMs` after a warm-up. */
export async function load(concurrency, warmUpMs, forMs, once) {
  const latencies = [];
  const from = performance.now() + warmUpMs;
  const until = from + forMs;
  const initiator = async (index) => {
    for (let count = 0; ; count += 1) {
      const start = performance.now();
      if (start >= until) return;
      await once(`${index}-${count}`);
      const end = performance.now();
      if (start >= from && end <= until) latencies.push(end - start);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, index) => initiator(index)));
  return latencies;
}

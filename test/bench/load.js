/** A number of initiators, each with one transaction after another, for a while. */

const WARM_UP_MS = 1000;

/** Runs `once` from `concurrency` initiators at a time; gives what was done in `forMs` after a warm-up. */
export async function load(concurrency, forMs, once) {
  const latencies = [];
  const from = performance.now() + WARM_UP_MS;
  const until = from + forMs;
  let count = 0;
  const initiator = async (index) => {
    for (let round = 0; ; round += 1) {
      const start = performance.now();
      if (start >= until) return;
      await once(`${index}-${round}`);
      const end = performance.now();
      if (start < from || end > until) continue;
      count += 1;
      latencies.push(end - start);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, index) => initiator(index)));
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? NaN;
  return { perSecond: (count / forMs) * 1000, p50: at(0.5), p99: at(0.99) };
}

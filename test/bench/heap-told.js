/** Preloaded by a coordinator whose memory is measured: at SIGUSR2 it collects its garbage and says what is left. */
process.on('SIGUSR2', () => {
  globalThis.gc();
  process.stdout.write(`heap ${process.memoryUsage().heapUsed}\n`);
});

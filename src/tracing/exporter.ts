/** Sends spans to an OpenTelemetry collector; the standard OTEL_… variables say where and how. */
import { diag, DiagLogLevel } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Clock, Logger } from '../engine/ports.js';
import { GivenId } from './given-id.js';
import { Traces } from './traces.js';

/** A collector that does not answer does not keep the process from ending. */
const STOP_MS = 3000;

export interface RunningTraces {
  readonly traces: Traces;
  /** Sends what is left. */
  stop(): Promise<void>;
}

/** @param node names this node in its spans */
export function startTraces(node: string, clock: Clock, logger: Logger): RunningTraces {
  const warn = (message: string): void => logger.warn({ detail: message }, 'traces');
  const nothing = (): void => undefined;
  diag.setLogger({ error: warn, warn, info: nothing, debug: nothing, verbose: nothing }, DiagLogLevel.WARN);
  const own = resourceFromAttributes({ 'service.name': 'tercet', 'service.instance.id': node });
  const resource = own.merge(detectResources({ detectors: [envDetector] }));
  const given = new GivenId();
  const processor = new BatchSpanProcessor(new OTLPTraceExporter());
  const recording = new BasicTracerProvider({
    resource,
    sampler: new AlwaysOnSampler(),
    idGenerator: given,
    spanProcessors: [processor],
  });
  // Its sampler is that of OTEL_TRACES_SAMPLER. What it starts is never ended, and goes nowhere.
  const deciding = new BasicTracerProvider();
  const traces = new Traces(deciding.getTracer('tercet'), recording.getTracer('tercet'), given, clock);
  const stop = async (): Promise<void> => {
    let cancel = nothing;
    const late = new Promise<void>((resolve) => (cancel = clock.after(STOP_MS, resolve)));
    await Promise.race([recording.shutdown().catch((error: unknown) => warn(String(error))), late]);
    cancel();
  };
  return { traces, stop };
}

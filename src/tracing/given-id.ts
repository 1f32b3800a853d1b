/** Gives the next span the ids that were kept for it, where OpenTelemetry would make some up. */
import type { IdGenerator } from '@opentelemetry/sdk-trace-base';

export class GivenId implements IdGenerator {
  private traceId = '';
  private spanId = '';

  /** For the span that is started next. */
  set(traceId: string, spanId: string): void {
    this.traceId = traceId;
    this.spanId = spanId;
  }

  generateTraceId(): string {
    return this.traceId;
  }

  generateSpanId(): string {
    return this.spanId;
  }
}

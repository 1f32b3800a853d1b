/**
 * What may be changed while the service runs: the namespace `order` of the configuration center. Where nothing is released,
 * or no center is there, the defaults hold.
 */
import type { ConfigContent, TercetConfig, TercetConfigOptions } from '@tercet/client/config';
import { z } from 'zod';

const Limits = z.object({
  /** An order that is not decided by then is refused. */
  deadlineMs: z.int().min(100).max(600_000).default(10_000),
  /** Pieces in one order. */
  mostItems: z.int().min(1).max(1000).default(1000),
});

interface Released {
  order: z.infer<typeof Limits>;
}
export type OrderConfig = TercetConfig<Released>;

export const CONFIG: TercetConfigOptions<Released> = {
  environment: process.env['TERCET_ENVIRONMENT'] ?? 'production',
  namespaces: ['order'],
  parse: { order: (content: ConfigContent) => Limits.parse(content) },
  whenUnavailable: 'defaults',
};

/** What may be changed while the service runs: the namespace `account` of the configuration center. */
import type { ConfigContent, TercetConfig, TercetConfigOptions } from '@tercet/client/config';
import { z } from 'zod';

const Limits = z.object({
  /** The most that one order may cost, in cents; null: whatever the account has. */
  mostPerOrder: z.int().min(1).nullable().default(null),
});

interface Released {
  account: z.infer<typeof Limits>;
}
export type AccountConfig = TercetConfig<Released>;

export const CONFIG: TercetConfigOptions<Released> = {
  environment: process.env['TERCET_ENVIRONMENT'] ?? 'production',
  namespaces: ['account'],
  parse: { account: (content: ConfigContent) => Limits.parse(content) },
  whenUnavailable: 'defaults',
};

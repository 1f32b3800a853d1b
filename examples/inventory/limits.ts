/** What may be changed while the service runs: the namespace `inventory` of the configuration center. */
import type { ConfigContent, TercetConfig, TercetConfigOptions } from '@tercet/client/config';
import { z } from 'zod';

const Limits = z.object({
  /** The most pieces of one item that an order gets; null: as many as there are. */
  mostPerOrder: z.int().min(1).nullable().default(null),
});

interface Released {
  inventory: z.infer<typeof Limits>;
}
export type InventoryConfig = TercetConfig<Released>;

export const CONFIG: TercetConfigOptions<Released> = {
  environment: process.env['TERCET_ENVIRONMENT'] ?? 'production',
  namespaces: ['inventory'],
  parse: { inventory: (content: ConfigContent) => Limits.parse(content) },
  whenUnavailable: 'defaults',
};

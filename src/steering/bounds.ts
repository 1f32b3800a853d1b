/** What a value may be that both a setting of the process and a release can give, and what it is when neither does. */

export interface Bounds {
  readonly from: number;
  readonly to: number;
  readonly default: number;
}

export const LOG_LEVELS = ['info', 'warn', 'error'] as const;
export const POLICIES = ['block', 'skip'] as const;
export const MAX_UNFINISHED: Bounds = { from: 1, to: 1_000_000, default: 20_000 };
export const MAX_REQUESTS: Bounds = { from: 1, to: 1_000_000, default: 10_000 };
export const RETENTION_DAYS: Bounds = { from: 1, to: 3650, default: 30 };
export const ALERT_AGE_MS: Bounds = { from: 1000, to: 2_592_000_000, default: 300_000 };

/** What a snowflake is made of: 41 bits of ms since 2026, 10 of the worker id, 12 of a sequence within the ms. */

/** 2026-01-01T00:00:00Z. */
export const EPOCH_MS = 1_767_225_600_000;
export const WORKERS = 1024;
export const MAX_SEQUENCE = 4095;
/** The last ms that 41 bits can say: in September 2095. */
export const LAST_MS = EPOCH_MS + 2 ** 41 - 1;

export interface Snowflake {
  /** ms since 1970. */
  readonly at: number;
  readonly worker: number;
  readonly sequence: number;
}

/** @param at from EPOCH_MS to LAST_MS */
export function encode({ at, worker, sequence }: Snowflake): string {
  return String((BigInt(at - EPOCH_MS) << 22n) | BigInt((worker << 12) | sequence));
}

/** Of a number from 0 to 2^63 - 1. */
export function decodeNumber(id: bigint): Snowflake {
  return {
    at: EPOCH_MS + Number(id >> 22n),
    worker: Number((id >> 12n) & 0x3ffn),
    sequence: Number(id & 0xfffn),
  };
}

/** Which partition a record goes to: where Kafka's own producers would put its key. */
import type { PartitionerArgs } from 'kafkajs';

const SEED = 0x9747b28c;
const MIX = 0x5bd1e995;

/** Murmur2, 32 bits. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  const at = (index: number): number => bytes[index] ?? 0;
  let hash = SEED ^ length;
  let index = 0;
  for (; index + 4 <= length; index += 4) {
    let word = at(index) | (at(index + 1) << 8) | (at(index + 2) << 16) | (at(index + 3) << 24);
    word = Math.imul(word, MIX);
    word = Math.imul(word ^ (word >>> 24), MIX);
    hash = Math.imul(hash, MIX) ^ word;
  }
  if (index < length) {
    hash ^= at(index) | (at(index + 1) << 8) | (at(index + 2) << 16);
    hash = Math.imul(hash, MIX);
  }
  hash = Math.imul(hash ^ (hash >>> 13), MIX);
  return hash ^ (hash >>> 15);
}

/** The partition of a key, of so many: numbered from 0. */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

/**
 * For the producers of kafkajs, which ask anew for each attempt: a record stays in the partition that was chosen first.
 * Else the number of what was stored in one, its answer lost, would come to stand on the next record there, and the broker
 * would drop that one as a repeat. Records without a key take turns.
 */
export function lastingPartitioner(): (asked: Pick<PartitionerArgs, 'message' | 'partitionMetadata'>) => number {
  let next = Math.floor(Math.random() * 0x7fffffff);
  return ({ message, partitionMetadata: { length } }) => {
    const key = message.key as Buffer | null;
    return (message.partition ??= key === null ? next++ % length : partitionOf(key, length));
  };
}

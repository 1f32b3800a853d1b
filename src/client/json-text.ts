/**
 * A value as JSON, refusing the numbers that JSON would silently turn into null.
 *
 * @param what names the value in the error
 * @param look sees each part of it, as JSON will have it, and throws for one that must not be there
 * @returns undefined for what is no data: a function, for instance
 * @throws RangeError for NaN and infinite numbers; TypeError, by JSON itself, for a BigInt or a cycle
 */
export function jsonText(value: unknown, what: string, look?: (part: unknown) => void): string | undefined {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'number' && !Number.isFinite(part)) throw new RangeError(`${what} holds ${part}`);
    look?.(part);
    return part;
  });
}

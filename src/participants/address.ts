/** Addresses as they are routed, not as they are written: one that carries another is both. */
import ipaddr from 'ipaddr.js';

export type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type Network = readonly [Address, bits: number];

/** Where clouds hand out credentials, beside 169.254.169.254: Amazon's and Google's by IPv6, Alibaba's. */
const CLOUDS: ReadonlySet<string> = new Set(['fd00:ec2::254', 'fd20:ce::254', '100.100.100.200']);

interface Carrier {
  readonly network: Network;
  /** Of its first byte. */
  readonly at: number;
  readonly isInverted?: true;
}

/** Networks of IPv6 whose addresses lead to the IPv4 address within them, wherever somebody translates or tunnels. */
const CARRIERS: readonly Carrier[] = [
  // NAT64: the prefix for all, and the one for each network.
  { network: ipaddr.parseCIDR('64:ff9b::/96'), at: 12 },
  { network: ipaddr.parseCIDR('64:ff9b:1::/48'), at: 12 },
  { network: ipaddr.parseCIDR('::ffff:0:0:0/96'), at: 12 },
  { network: ipaddr.parseCIDR('::/96'), at: 12 },
  // 6to4
  { network: ipaddr.parseCIDR('2002::/16'), at: 2 },
  // Teredo
  { network: ipaddr.parseCIDR('2001::/32'), at: 12, isInverted: true },
];

/** The address and the one that it carries; `::ffff:127.0.0.1` is nothing but 127.0.0.1, to the kernel too. */
export function facesOf(text: string): readonly Address[] {
  const address = ipaddr.process(text.split('%')[0] ?? text);
  // `::` and `::1` lie among those that carry one, and do not.
  if (address.range() === 'loopback' || address.range() === 'unspecified') return [address];
  const carrier = CARRIERS.find(({ network }) => isWithin(address, network));
  if (!carrier) return [address];
  const bytes = address.toByteArray().slice(carrier.at, carrier.at + 4);
  return [address, new ipaddr.IPv4(carrier.isInverted ? bytes.map((byte) => 255 - byte) : bytes)];
}

/** Whether a listed name alone does not lead there: link-local, or where clouds hand out credentials. */
export function isGuarded(address: Address): boolean {
  return address.range() === 'linkLocal' || CLOUDS.has(address.toString());
}

export function isWithin(address: Address, [network, bits]: Network): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}

/** One address is the smallest network. Null: it is neither, or not written in full, as `10.1/16` and `010.0.0.1`. */
export function networkOf(text: string): Network | null {
  const [address = '', bits, ...rest] = text.split('/');
  if (!isAddress(address) || address.includes('%') || rest.length > 0) return null;
  const parsed = ipaddr.parse(address);
  const most = parsed.kind() === 'ipv4' ? 32 : 128;
  const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Infinity;
  if (length > most) return null;
  const isMapped = parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress() && length >= 96;
  return isMapped ? [parsed.toIPv4Address(), length - 96] : [parsed, length];
}

export function isAddress(host: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(host) || ipaddr.IPv6.isValid(host);
}

/** Which hosts components may point to, so that nobody makes the coordinator call what only it can reach. */
import { lookup } from 'node:dns';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { promisify } from 'node:util';
import ipaddr from 'ipaddr.js';
import { TercetError } from '../protocol/errors.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Network = [Address, number];
type Callback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

const resolve = promisify(lookup);

export class AllowList {
  private readonly names = new Set<string>();
  private readonly suffixes: string[] = [];
  private readonly networks: Network[] = [];

  /**
   * @param entries host names, suffixes (`.svc.local`), addresses and networks, separated by commas
   * @throws Error naming the entry that is none of these
   */
  constructor(entries: string) {
    for (const entry of entries.split(',').map((part) => part.trim().toLowerCase())) if (entry !== '') this.add(entry);
  }

  private add(entry: string): void {
    const bare = entry.replace(/^\[(.*)\](\/\d+)?$/, '$1$2');
    if (ipaddr.isValidCIDR(bare)) this.networks.push(ipaddr.parseCIDR(bare));
    else if (isAddress(bare)) {
      const address = ipaddr.parse(bare);
      this.networks.push([address, address.kind() === 'ipv4' ? 32 : 128]);
    } else if (/^\.?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/.test(entry) && !/^[\d.]+$/.test(entry)) {
      if (entry.startsWith('.')) this.suffixes.push(entry);
      else this.names.add(entry);
    } else throw new Error(`'${entry}' is no host name, suffix, address or network`);
  }

  /** Checks a component's URL when it is registered. @throws TercetError naming `path` */
  async check(text: string, path: string): Promise<void> {
    const refuse = (message: string): never => {
      throw new TercetError('TERCET_TARGET_FORBIDDEN', `${path}: ${message}`, [{ path, message }]);
    };
    const host = hostOf(new URL(text));
    const permitted = 'add it to TERCET_ALLOWED_TARGETS if calls may go there';
    if (isAddress(host)) {
      if (!this.permits(host, host)) refuse(`${host} is on no network of the allow-list; ${permitted}`);
      return;
    }
    const isListed = this.isListed(host);
    const addresses = await resolve(host, { all: true }).catch(() => []);
    if (addresses.length === 0) {
      // A listed name need not resolve today; where it leads is checked with each connection.
      if (isListed) return;
      refuse(`${host} is not on the allow-list, and does not resolve; ${permitted}`);
    }
    const stranger = addresses.find(({ address }) => !this.permits(host, address))?.address;
    if (stranger === undefined) return;
    if (isListed) refuse(`${host} resolves to the link-local address ${stranger}, on no network of the allow-list`);
    refuse(`${host} is not on the allow-list, nor is its address ${stranger}; ${permitted}`);
  }

  /** Whether a call to `host` may connect to `address`, which it resolved to, or which it is. */
  permits(host: string, address: string): boolean {
    const parsed = ipaddr.process(address.split('%')[0] ?? address);
    if (this.networks.some((network) => isWithin(parsed, network))) return true;
    return this.isListed(host) && parsed.range() !== 'linkLocal';
  }

  /** For the connections themselves: resolves as usual and leaves out what is not permitted. */
  readonly lookup = (host: string, options: LookupOptions, callback: Callback): void => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const permitted = addresses.filter(({ address }) => this.permits(host, address));
      const [first] = permitted;
      if (!first) {
        const seen = addresses.map(({ address }) => address).join(', ');
        return callback(new Error(`${host} resolves to ${seen}, which the allow-list does not permit`), []);
      }
      if (options.all) callback(null, permitted);
      else callback(null, first.address, first.family);
    });
  };

  private isListed(host: string): boolean {
    const name = withoutRoot(host);
    return this.names.has(name) || this.suffixes.some((suffix) => name.endsWith(suffix));
  }
}

/** The host as it is connected to: odd spellings of addresses are read by URL itself; brackets are taken off. */
export function hostOf(url: URL): string {
  return withoutRoot(url.hostname.replace(/^\[(.*)\]$/, '$1'));
}

/** A name may end in the dot of the root, and means the same. */
function withoutRoot(host: string): string {
  return host.replace(/\.$/, '');
}

export function isAddress(host: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(host) || ipaddr.IPv6.isValid(host);
}

function isWithin(address: Address, [network, bits]: Network): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}

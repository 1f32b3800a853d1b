/** Which hosts components may point to, so that nobody makes the coordinator call what only it can reach. */
import { lookup } from 'node:dns';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { promisify } from 'node:util';
import { TercetError } from '../protocol/errors.js';
import { facesOf, isAddress, isGuarded, isWithin, networkOf } from './address.js';
import type { Address, Network } from './address.js';

type Callback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;
/** As `lookup` of node:dns does it. */
export type Resolver = (
  host: string,
  options: LookupOptions & { all: true },
  done: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void;

export class AllowList {
  private readonly names = new Set<string>();
  private readonly suffixes: string[] = [];
  private readonly networks: Network[] = [];

  /**
   * @param entries host names, suffixes (`.svc.local`), addresses and networks, separated by commas
   * @param resolver says where names lead
   * @throws Error naming the entry that is none of these
   */
  constructor(
    readonly entries: string,
    private readonly resolver: Resolver = lookup,
  ) {
    for (const entry of entries.split(',').map((part) => part.trim().toLowerCase())) if (entry !== '') this.add(entry);
  }

  private add(entry: string): void {
    const network = networkOf(entry.replace(/^\[(.*)\](\/\d+)?$/, '$1$2'));
    if (network) this.networks.push(network);
    else if (/^\.?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/.test(entry) && !/(^|\.)(\d+|0x[\da-f]*)$/.test(entry)) {
      if (entry.startsWith('.')) this.suffixes.push(entry);
      else this.names.add(entry);
    } else throw new Error(`'${entry}' is no host name, no suffix, and no address or network in full`);
  }

  /** Checks a component's URL when it is registered. @throws TercetError naming `path` */
  async check(text: string, path: string): Promise<void> {
    const refuse = (message: string): never => {
      throw new TercetError('TERCET_TARGET_FORBIDDEN', `${path}: ${message}`, [{ path, message }]);
    };
    const host = hostOf(new URL(text));
    const permitted = 'add it to TERCET_ALLOWED_TARGETS if calls may go there';
    if (isAddress(host)) {
      const stranger = this.strangerIn(host, host);
      if (stranger !== null) refuse(`${stranger} is on no network of the allow-list; ${permitted}`);
      return;
    }
    const isListed = this.isListed(host);
    const addresses = await promisify(this.resolver)(host, { all: true }).catch(() => []);
    if (addresses.length === 0) {
      // A listed name need not resolve today; where it leads is checked with each connection.
      if (isListed) return;
      refuse(`${host} is not on the allow-list, and does not resolve; ${permitted}`);
    }
    const stranger = addresses.map(({ address }) => this.strangerIn(host, address)).find((found) => found !== null);
    if (stranger === undefined) return;
    if (isListed) {
      refuse(`${host} resolves to ${stranger}, link-local or a cloud's own, which is on no network of the allow-list`);
    }
    refuse(`${host} is not on the allow-list, nor is its address ${stranger}; ${permitted}`);
  }

  /** Whether a call to `host` may connect to `address`, which it resolved to, or which it is. */
  permits(host: string, address: string): boolean {
    return this.strangerIn(host, address) === null;
  }

  /** What it is about `address` that is not permitted; null: nothing. */
  private strangerIn(host: string, address: string): string | null {
    const stranger = facesOf(address)
      .find((face) => !this.permitsFace(host, face))
      ?.toString();
    if (stranger === undefined) return null;
    return stranger === address ? address : `${address} (${stranger})`;
  }

  private permitsFace(host: string, face: Address): boolean {
    if (this.networks.some((network) => isWithin(face, network))) return true;
    return this.isListed(host) && !isGuarded(face);
  }

  /** For the connections themselves: resolves as usual and leaves out what is not permitted. */
  readonly lookup = (host: string, options: LookupOptions, callback: Callback): void => {
    this.resolver(host, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const permitted = addresses.filter(({ address }) => this.permits(withoutRoot(host), address));
      const [first] = permitted;
      if (!first) {
        const seen = addresses.map(({ address }) => address).join(', ');
        return callback(new Error(`${host} resolves to ${seen}, which the allow-list does not permit`), []);
      }
      if (options.all) callback(null, permitted);
      else callback(null, first.address, first.family);
    });
  };

  private isListed(name: string): boolean {
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

/** Certificates for tests, signed here: Node reads X.509, but does not write it. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BITS = 0x03;
const OCTETS = 0x04;
const UTF8 = 0x0c;
const UTC_TIME = 0x17;
const TRUE = Buffer.from([0x01, 0x01, 0xff]);
const VERSION_3 = Buffer.from([0xa0, 0x03, 0x02, 0x01, 0x02]);
const LOOPBACK = Buffer.from([127, 0, 0, 1]);

const ECDSA_SHA256 = der(SEQUENCE, oid('2a8648ce3d040302'));
const VALID = der(SEQUENCE, der(UTC_TIME, Buffer.from('200101000000Z')), der(UTC_TIME, Buffer.from('491231235959Z')));

/** One value of ASN.1 in DER. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function nameOf(common: string): Buffer {
  return der(SEQUENCE, der(SET, der(SEQUENCE, oid('550403'), der(UTF8, Buffer.from(common)))));
}

export interface Pem {
  readonly cert: string;
  readonly key: string;
}

/** An authority that makes certificates for 127.0.0.1 and `localhost`, of servers and of clients. */
export class Authority {
  private readonly privateKey: KeyObject;
  private readonly name: Buffer;
  readonly cert: string;

  constructor(name: string) {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.privateKey = pair.privateKey;
    this.name = nameOf(name);
    this.cert = this.signed(
      this.name,
      pair.publicKey,
      der(SEQUENCE, oid('551d13'), TRUE, der(OCTETS, der(SEQUENCE, TRUE))),
    );
  }

  issue(common = '127.0.0.1'): Pem {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const names = der(SEQUENCE, der(0x82, Buffer.from('localhost')), der(0x87, LOOPBACK));
    const extension = der(SEQUENCE, oid('551d11'), der(OCTETS, names));
    return {
      cert: this.signed(nameOf(common), publicKey, extension),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  }

  private signed(subject: Buffer, publicKey: KeyObject, extension: Buffer): string {
    const serial = der(INTEGER, Buffer.from([1]), randomBytes(8));
    const content = der(
      SEQUENCE,
      VERSION_3,
      serial,
      ECDSA_SHA256,
      this.name,
      VALID,
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      der(0xa3, der(SEQUENCE, extension)),
    );
    const signature = der(BITS, Buffer.from([0]), sign('sha256', content, this.privateKey));
    const lines = der(SEQUENCE, content, ECDSA_SHA256, signature)
      .toString('base64')
      .replace(/.{1,64}/g, '$&\n');
    return `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`;
  }
}

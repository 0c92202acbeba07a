// RFC 6238, as any authenticator app does it: SHA-1, 30 s, six digits.
import { createHmac, randomBytes } from 'node:crypto';

export const period = 30;
export const stepAt = (ms = Date.now()) => Math.floor(ms / 1000 / period);

export function base32(text) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...text.replace(/[= ]/g, '')].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

// RFC 4226, of which the other is a special case.
export function hotp(key, counter) {
  const block = Buffer.alloc(8);
  block.writeBigUInt64BE(BigInt(counter));
  const mac = createHmac('sha1', key).update(block).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0');
}
export const codeOf = (secret, step = stepAt()) => hotp(base32(secret), step);

// A hardware token that counts how often it was pressed.
export class Counter {
  constructor(key = randomBytes(20)) {
    this.key = key;
    this.pressed = 0;
  }
  next() { return hotp(this.key, this.pressed++); }
}

// Hands out each step's code once, as the gateway takes it once. The step before and the one after
// the present one are taken too, so three codes can follow each other without waiting.
export class Token {
  constructor(secret) {
    this.secret = secret;
    this.last = 0;
  }
  async next() {
    for (;;) {
      // Towards the end of a step the one before may be too old by the time it arrives: browsers take their time.
      const inStep = (Date.now() / 1000) % period;
      const now = stepAt();
      const step = Math.max(inStep > period - 8 ? now : now - 1, this.last + 1);
      if (step <= now + 1) {
        this.last = step;
        return codeOf(this.secret, step);
      }
      await new Promise((done) => setTimeout(done, (period - inStep) * 1000 + 50));
    }
  }
}

/** What is wrong with a receipt: a code of docs/receipts.md. */
export type ReceiptCode =
  | 'too_large' | 'malformed' | 'unconfirmed' | 'action' | 'tool' | 'access_point' | 'arguments' | 'log' | 'record' | 'statement' | 'list'
  | 'binding' | 'client_data' | 'type' | 'challenge' | 'origin' | 'cross_origin' | 'authenticator_data' | 'rp_id' | 'user_presence'
  | 'backup_state' | 'signature' | 'account' | 'unbound' | 'expired' | 'twice' | 'dispatch' | 'not_dispatched' | 'not_yet' | 'too_old' | 'replayed';

export class ReceiptError extends Error {
  readonly code: ReceiptCode;
}

/** Where calls that were made are remembered: `claim` is atomic, and false where the name is taken. */
export interface SeenStore {
  claim(name: string, expires: Date): boolean | Promise<boolean>;
}

export interface Expectations {
  /** Verifier keys of the logs that are trusted, "NAME+HASH+KEY", as `vestibule audit verify` shows it. */
  logKeys: string[];
  /** As the action has it, or as it says that the call may be made besides (`also`). */
  tool?: string;
  accessPoint?: string;
  /** A value is compared in canonical form (RFC 8785); text or bytes with the very bytes that were confirmed. */
  arguments?: unknown;
  /** Seconds since the earliest confirmation. */
  maxAge?: number;
  relyingPartyId?: string;
  origins?: string[];
  /** Each call is good once. */
  seen?: Set<string> | SeenStore;
  /** Milliseconds since 1970 (default: the clock); null looks at no clock, for receipts kept as evidence. */
  now?: number | Date | null;
  /** Take a code for a confirmation too, which signs nothing: then it is the gateway's word alone. */
  allowUnbound?: boolean;
  /** Take one that the gateway has not let out: too few may have confirmed it, or taken it back. */
  allowUndispatched?: boolean;
}

export interface Confirmation {
  user: string;
  account: string;
  time: Date;
  kind: string;
  factor: string;
  /** Its number in the log, and the log's name. */
  record: number;
  log: string;
  /** The factor signed this very call; the rest only where it did. */
  bound: boolean;
  credential?: string;
  publicKey?: string;
  relyingPartyId?: string;
  origin?: string;
  userVerified?: boolean;
  deviceBound?: boolean;
}

export interface Receipt {
  id: string;
  accessPoint: string;
  tool: string;
  arguments: unknown;
  user: string;
  via: string;
  source: string;
  client: string;
  model: string;
  expires: Date;
  /** Where the call may be made once more, after it was let out. */
  also?: { accessPoint: string; tool: string };
  confirmed: Confirmation[];
  dispatched?: { time: Date; record: number };
}

/** Who confirmed what, when and with which key; rejects with a ReceiptError. */
export function verifyReceipt(receipt: string | Uint8Array, expectations: Expectations): Promise<Receipt>;
/** The receipt in the value of the header Vestibule-Receipt. */
export function fromHeader(value: string | undefined): string;

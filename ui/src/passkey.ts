// Passkeys and security keys, where gateway and browser have them.
import {
  browserSupportsWebAuthn, startAuthentication, startRegistration,
  type PublicKeyCredentialCreationOptionsJSON, type PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/browser';
import { Refusal, plain } from './api';

export interface Answer { kind: 'webauthn'; challenge: string; answer: string }
interface Asked { challenge: string; options: string; expires: string }

export const supported = () => browserSupportsWebAuthn();

async function asked<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof Refusal) throw error;
    // The browser does not say more, on purpose: closed, timed out, no such key.
    throw new Refusal('aborted', 0, error instanceof Error ? error.message : '');
  }
}

/// An answer for one act: `operation` and `object` are what it is bound to.
export async function answerFor(operation: string, object = ''): Promise<Answer> {
  const begun = await plain<Asked>('/v1/challenges', { kind: 'webauthn', operation, ...(object ? { object } : {}) });
  const options = JSON.parse(begun.options) as PublicKeyCredentialRequestOptionsJSON;
  const answer = await asked(() => startAuthentication({ optionsJSON: options }));
  return { kind: 'webauthn', challenge: begun.challenge, answer: JSON.stringify(answer) };
}

export async function signInWithPasskey(): Promise<void> {
  const begun = await plain<Asked>('/v1/sign-in/passkey/begin');
  const options = JSON.parse(begun.options) as PublicKeyCredentialRequestOptionsJSON;
  const answer = await asked(() => startAuthentication({ optionsJSON: options }));
  await plain('/v1/sign-in/passkey', { challenge: begun.challenge, answer: JSON.stringify(answer) });
}

/// The browser's side of an enrolment: what goes to /v1/factors/ID/confirm.
export async function register(options: string): Promise<string> {
  const json = JSON.parse(options) as PublicKeyCredentialCreationOptionsJSON;
  return JSON.stringify(await asked(() => startRegistration({ optionsJSON: json })));
}

/// Does this gateway know passkeys? It says not_found where it does not.
let known: Promise<boolean> | undefined;
export function offered(): Promise<boolean> {
  if (!supported()) return Promise.resolve(false);
  known ??= plain('/v1/sign-in/passkey/begin').then(() => true, (error: unknown) => !(error instanceof Refusal && (error.status === 404 || error.status === 405 || error.status === 0)));
  return known;
}

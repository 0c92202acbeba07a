// Proving a factor: for the session (step-up), or for one very act.
import { useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { plain, type Factor } from '../api';
import { answerFor, supported } from '../passkey';
import { t } from '../strings';
import { CodeField, Dialog, Form, Problem, Select } from './basics';

const has = (factors: Factor[], kind: string) => factors.some((f) => f.kind === kind && !f.disabled);

/// A code, and of which kind of device where there are several.
export function useCode(factors: Factor[]) {
  const kinds = ['totp', 'hotp'].filter((kind) => has(factors, kind));
  const [chosen, setKind] = useState('');
  const [code, setCode] = useState('');
  const kind = kinds.includes(chosen) ? chosen : (kinds[0] ?? 'totp');
  const field = (label: string, more: { hint?: string; required?: boolean; autoFocus?: boolean } = {}) => (
    <>
      {kinds.length > 1 && <Select label={t.act.by} value={kind} change={setKind} options={kinds.map((k) => [k, t.devices.kinds[k]!])} />}
      <CodeField label={label} value={code} change={setCode} {...more} />
    </>
  );
  return { kinds, code, field, of: kind === 'totp' ? {} : { kind } };
}

function KeyButton(props: { run: () => Promise<unknown>; primary?: boolean }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const go = async () => {
    setBusy(true);
    setError(null);
    try {
      await props.run();
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Problem error={error} />
      <button type="button" class={props.primary ? 'primary wide' : 'wide'} disabled={busy} onClick={go}>
        {busy ? `${t.stepUp.waiting} …` : t.second.key}
      </button>
    </>
  );
}

/// Proves a factor for the session.
export function Prove(props: { factors: Factor[]; submit: string; done: () => void; aside?: ComponentChildren }) {
  const { kinds, code, field, of } = useCode(props.factors);
  const keys = supported() && has(props.factors, 'webauthn');
  const totp = kinds.length > 0 || !keys;
  const byCode = async () => {
    await plain('/v1/prove', { answer: code, ...of });
    props.done();
  };
  const byKey = async () => {
    const { kind, challenge, answer } = await answerFor('prove');
    await plain('/v1/prove', { kind, challenge, answer });
    props.done();
  };
  return (
    <>
      {keys && <KeyButton run={byKey} primary />}
      {keys && totp && <p class="or"><span>{t.or}</span></p>}
      {totp && (
        <Form run={byCode} submit={props.submit} aside={props.aside}>
          {field(t.second.code, { hint: t.second.codeHint, autoFocus: true })}
        </Form>
      )}
    </>
  );
}

export function StepUp(props: { reason: string; factors: Factor[]; done: (proved: boolean) => void }) {
  return (
    <Dialog title={t.stepUp.title} close={() => props.done(false)}>
      <p class="dialog-text">{props.reason === 'mfa_lapsed' ? t.stepUp.lapsed : t.stepUp.required}</p>
      <Prove factors={props.factors} submit={t.stepUp.submit} done={() => props.done(true)}
        aside={<button type="button" onClick={() => props.done(false)}>{t.cancel}</button>} />
    </Dialog>
  );
}

/// What a person's code is given for: the fields that go into the request's body.
export type Confirmation = { code: string; kind?: string; challenge?: string };

/// A dialog for an act that takes a factor proved for that very act.
export function Act(props: {
  title: string; text?: string; submit: string; tone?: string; factors: Factor[]; children?: ComponentChildren;
  operation: string; object?: string; run: (by: Confirmation) => Promise<unknown>; close: () => void;
}) {
  const { kinds, code, field, of } = useCode(props.factors);
  const keys = supported() && has(props.factors, 'webauthn');
  const totp = kinds.length > 0 || !keys;
  const byKey = async () => {
    const { kind, challenge, answer } = await answerFor(props.operation, props.object);
    await props.run({ kind, challenge, code: answer });
  };
  return (
    <Dialog title={props.title} close={props.close}>
      {props.text && <p class="dialog-text">{props.text}</p>}
      {totp ? (
        <Form run={() => props.run({ code, ...of })} submit={props.submit} tone={props.tone}
          aside={<button type="button" onClick={props.close}>{t.cancel}</button>}>
          {props.children}
          {field(t.act.code)}
        </Form>
      ) : <div class="act-fields">{props.children}</div>}
      {keys && totp && <p class="or"><span>{t.or}</span></p>}
      {keys && <KeyButton run={byKey} primary={!totp} />}
    </Dialog>
  );
}

/// A dialog for an act that takes no code.
export function Ask(props: { title: string; text?: string; submit: string; tone?: string; children?: ComponentChildren; run: () => Promise<unknown>; close: () => void }) {
  return (
    <Dialog title={props.title} close={props.close}>
      {props.text && <p class="dialog-text">{props.text}</p>}
      <Form run={props.run} submit={props.submit} tone={props.tone} aside={<button type="button" onClick={props.close}>{t.cancel}</button>}>
        {props.children}
      </Form>
    </Dialog>
  );
}

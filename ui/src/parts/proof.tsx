// Proving a factor: for the session (step-up), or for one very act.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { plain, type Factor } from '../api';
import { answered, ask, type Asked, type Kind as AskKind } from '../device';
import { ends } from '../format';
import { answerFor, supported } from '../passkey';
import { t } from '../strings';
import { CodeField, Dialog, Field, Form, Problem, Select } from './basics';

/// What a person has given for an act: the fields that go into the request's body.
export type Given = { code: string; kind?: string; challenge?: string };
type Object_ = string | (() => Promise<string>);
type Way = 'code' | 'webauthn' | 'push' | 'external';
const ofWay: Record<string, Way> = { totp: 'code', hotp: 'code', webauthn: 'webauthn', push: 'push', push_choice: 'push', external: 'external' };

/// The kinds that this person could use here, in the order in which the gateway wants them offered.
function kindsOf(factors: Factor[], order: string[] | undefined): string[] {
  const own = Object.keys(ofWay).filter((kind) => factors.some((f) => f.kind === (kind === 'push_choice' ? 'push' : kind) && !f.disabled)
    && (kind !== 'webauthn' || supported()) && (kind !== 'push_choice' || order?.includes(kind)));
  const first = order && order.length > 0 ? order : ['webauthn', 'push', 'totp', 'hotp', 'external'];
  return [...first.filter((kind) => own.includes(kind)), ...own.filter((kind) => !first.includes(kind))];
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

/// Asks the person's own device: shows a number here, which is typed there.
function DeviceButton(props: { begin: () => Promise<Asked | null>; done: (asked: Asked) => Promise<unknown>; primary?: boolean }) {
  const [asked, setAsked] = useState<Asked | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const abort = useRef<AbortController | null>(null);
  const [, tick] = useState(0);
  useEffect(() => () => abort.current?.abort(), []);
  useEffect(() => {
    if (!asked) return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [asked]);
  const go = async () => {
    setBusy(true);
    setError(null);
    const control = new AbortController();
    abort.current = control;
    try {
      const begun = await props.begin();
      if (!begun) return;
      setAsked(begun);
      await answered(begun, control.signal);
      await props.done(begun);
    } catch (e) {
      if (!control.signal.aborted) setError(e);
    } finally {
      setAsked(null);
      setBusy(false);
    }
  };
  return (
    <>
      <Problem error={error} />
      {asked ? (
        <div class="asked" role="status">
          <p>{!asked.digits ? t.device.lookThere : asked.kind === 'push_choice' ? t.device.pickThere : t.device.typeThere}</p>
          {asked.digits && <output class="digits" aria-label={asked.kind === 'push_choice' ? t.device.pick : t.device.number}>{asked.digits.replace(/^(...)(...)$/, '$1 $2')}</output>}
          <p class="hint"><span class="spinner" aria-hidden="true" /> {t.device.waiting(ends(asked.expires))}</p>
          <button type="button" onClick={() => abort.current?.abort()}>{t.cancel}</button>
        </div>
      ) : (
        <button type="button" class={props.primary ? 'primary wide' : 'wide'} disabled={busy} onClick={go}>{busy ? `${t.loading} …` : t.device.ask}</button>
      )}
    </>
  );
}

/// A factor that a plug-in judges: it says what it wants to know.
function PluginButton(props: { factor: Factor; begin: () => Promise<{ challenge: string; text: string } | null>; done: (by: Given) => Promise<unknown>; primary?: boolean; submit: string }) {
  const [asked, setAsked] = useState<{ challenge: string; text: string } | null>(null);
  const [answer, setAnswer] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const go = async () => {
    setBusy(true);
    setError(null);
    try {
      setAsked(await props.begin());
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  const run = async () => {
    const { challenge } = asked!;
    try {
      await props.done({ kind: 'external', challenge, code: answer });
    } catch (e) {
      setAsked(null);  // a question is answered once
      setAnswer('');
      setError(e);
    }
  };
  return (
    <>
      <Problem error={error} />
      {asked ? (
        <Form run={run} submit={props.submit}>
          {asked.text && <p class="said">{asked.text}</p>}
          <Field label={t.act.answer(props.factor.label || t.devices.kinds.external!)} value={answer} change={setAnswer} required autoFocus autoComplete="off" autoCapitalize="none" spellcheck={false} />
        </Form>
      ) : (
        <button type="button" class={props.primary ? 'primary wide' : 'wide'} disabled={busy} onClick={go}>
          {busy ? `${t.loading} …` : t.act.use(props.factor.label || t.devices.kinds.external!)}
        </button>
      )}
    </>
  );
}

/// All the ways to prove a factor for one act; the first that the gateway offers comes first.
export function Ways(props: {
  factors: Factor[]; order?: string[]; operation: string; object?: Object_; run: (by: Given) => Promise<unknown>;
  submit: string; tone?: string; label: string; hint?: string; autoFocus?: boolean; aside?: ComponentChildren; children?: ComponentChildren;
}) {
  const [code, setCode] = useState('');
  const [chosen, setChosen] = useState('');
  const box = useRef<HTMLDivElement>(null);
  const kinds = kindsOf(props.factors, props.order);
  const codes = kinds.filter((kind) => ofWay[kind] === 'code');
  const ways = [...new Set(kinds.map((kind) => ofWay[kind]!))];
  if (ways.length === 0) ways.push('code');
  const kind = codes.includes(chosen) ? chosen : (codes[0] ?? 'totp');
  const object = async () => (typeof props.object === 'function' ? props.object() : props.object);
  // The other fields belong to the act whichever way it is confirmed.
  const filled = () => [...(box.current?.querySelectorAll<HTMLInputElement>('input, select, textarea') ?? [])]
    .every((field) => field.closest('.code') !== null || field.reportValidity());
  const byKey = async () => {
    if (!filled()) return;
    const given = await answerFor(props.operation, await object());
    await props.run({ kind: given.kind, challenge: given.challenge, code: given.answer });
  };
  const askDevice = async () => (filled() ? ask(kinds.find((k) => ofWay[k] === 'push') as AskKind, props.operation, await object()) : null);
  const byDevice = (asked: Asked) => props.run({ kind: asked.kind, challenge: asked.challenge, code: '' });
  const form = (
    <Form run={() => props.run({ code, ...(kind === 'totp' ? {} : { kind }) })} submit={props.submit} tone={props.tone} aside={props.aside}>
      {props.children}
      {codes.length > 1 && <Select label={t.act.by} value={kind} change={setChosen} options={codes.map((k) => [k, t.devices.kinds[k] ?? k])} />}
      <CodeField label={props.label} value={code} change={setCode} hint={props.hint} autoFocus={props.autoFocus && ways[0] === 'code'} />
    </Form>
  );
  const askPlugin = async (factor: Factor) => {
    if (!filled()) return null;
    const about = await object();
    const several = props.factors.filter((f) => f.kind === 'external' && !f.disabled).length > 1;
    const begun = await plain<{ challenge: string; options: string }>('/v1/challenges', {
      kind: 'external', operation: props.operation, ...(about ? { object: about } : {}), ...(several ? { factor: factor.id } : {}),
    });
    return { challenge: begun.challenge, text: (JSON.parse(begun.options) as { text?: string }).text ?? '' };
  };
  const plugins = (primary: boolean) => props.factors.filter((f) => f.kind === 'external' && !f.disabled).map((f, n) => (
    <PluginButton key={f.id} factor={f} begin={() => askPlugin(f)} done={props.run} primary={primary && n === 0} submit={props.submit} />
  ));
  const draw = (way: Way, primary: boolean) => (way === 'external' ? plugins(primary) : way === 'code' ? form : way === 'webauthn' ? <KeyButton run={byKey} primary={primary} />
    : <DeviceButton begin={askDevice} done={byDevice} primary={primary} />);
  // Fields of the act come before whatever confirms it.
  const order = props.children && ways.includes('code') ? ['code' as Way, ...ways.filter((way) => way !== 'code')] : ways;
  return (
    <div ref={box} class="ways">
      {props.children && !ways.includes('code') && <div class="act-fields">{props.children}</div>}
      {order.map((way, n) => (
        <div key={way}>
          {n > 0 && <p class="or"><span>{t.or}</span></p>}
          {draw(way, n === 0 && way !== 'code')}
        </div>
      ))}
    </div>
  );
}

/// Proves a factor for the session.
export function Prove(props: { factors: Factor[]; order?: string[]; submit: string; done: () => void; aside?: ComponentChildren }) {
  const run = async ({ code, ...by }: Given) => {
    await plain('/v1/prove', { answer: code, ...by });
    props.done();
  };
  return <Ways factors={props.factors} order={props.order} operation="prove" submit={props.submit} aside={props.aside} run={run}
    label={t.second.code} hint={t.second.codeHint} autoFocus />;
}

export function StepUp(props: { reason: string; factors: Factor[]; order?: string[]; done: (proved: boolean) => void }) {
  return (
    <Dialog title={t.stepUp.title} close={() => props.done(false)}>
      <p class="dialog-text">{props.reason === 'mfa_lapsed' ? t.stepUp.lapsed : t.stepUp.required}</p>
      <Prove factors={props.factors} order={props.order} submit={t.stepUp.submit} done={() => props.done(true)}
        aside={<button type="button" onClick={() => props.done(false)}>{t.cancel}</button>} />
    </Dialog>
  );
}

/// A dialog for an act that takes a factor proved for that very act.
export function Act(props: {
  title: string; text?: string; submit: string; tone?: string; factors: Factor[]; children?: ComponentChildren;
  operation: string; object?: Object_; run: (by: Given) => Promise<unknown>; close: () => void;
}) {
  return (
    <Dialog title={props.title} close={props.close}>
      {props.text && <p class="dialog-text">{props.text}</p>}
      <Ways factors={props.factors} operation={props.operation} object={props.object} run={props.run} submit={props.submit} tone={props.tone}
        label={t.act.code} aside={<button type="button" onClick={props.close}>{t.cancel}</button>}>
        {props.children}
      </Ways>
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

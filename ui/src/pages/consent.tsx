// What a program asks for, and the person's answer. A page of its own: nobody says yes in passing.
import { useState } from 'preact/hooks';
import { plain, post, withProof, type Me } from '../api';
import { ends } from '../format';
import { Field, Form, Heading, Loading, Notice, Problem, useLoad } from '../parts/basics';
import { Ways, type Given } from '../parts/proof';
import { t } from '../strings';

interface Asked {
  client: string; client_id: string; origin: string; redirect: string; access_point: string; scope: string; level: number; enough: boolean;
  until: string | null; source: string; program: string;
}

/// Who asks for what, and where the answer goes: what a person needs to see through a stranger's name.
function Facts({ asked }: { asked: Asked }) {
  const rows: [string, string][] = [
    [t.consent.program, asked.client],
    [t.consent.what, asked.access_point ? t.consent.use(asked.access_point) : t.consent.who],
    ...(asked.scope.split(' ').includes('profile') ? [[t.consent.sees, t.consent.profile] as [string, string]] : []),
    ...(asked.redirect ? [[t.consent.goes, asked.redirect] as [string, string]] : []),
    ...(asked.source ? [[t.consent.from, asked.source] as [string, string], [t.consent.agent, asked.program || t.never] as [string, string]] : []),
    ...(asked.until ? [[t.consent.until, ends(asked.until)] as [string, string]] : []),
  ];
  return (
    <>
      <dl class="facts-list">{rows.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      {asked.origin === 'registered' && <p class="hint">{t.consent.registered}</p>}
      {asked.origin === 'document' && <p class="hint">{t.consent.document(asked.client_id)}</p>}
    </>
  );
}

export function Consent({ request }: { request: string }) {
  const { value: asked, error } = useLoad(() => post<Asked>('/v1/oauth/consent/look', { request }), [request]);
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const answer = async (way: 'allow' | 'decline') => {
    setBusy(true);
    setFailed(null);
    try {
      // It may take a fresher proof first; then the dialog asks for one.
      const { redirect } = await withProof(() => plain<{ redirect: string }>(`/v1/oauth/consent/${way}`, { request }));
      location.assign(redirect);
    } catch (e) {
      setFailed(e);
      setBusy(false);
    }
  };
  return (
    <>
      <Heading title={t.consent.title} intro={t.consent.intro} />
      <Problem error={failed ?? error} />
      {!asked && !error && <Loading />}
      {asked && (
        <section class="card consent">
          <Facts asked={asked} />
          {!asked.enough && <p class="notice">{t.consent.fresh}</p>}
          <div class="buttons">
            <button type="button" class="primary" disabled={busy} onClick={() => void answer('allow')}>{t.consent.allow(asked.client)}</button>
            <button type="button" disabled={busy} onClick={() => void answer('decline')}>{t.consent.decline}</button>
          </div>
        </section>
      )}
    </>
  );
}

export function DeviceConsent({ code: given, me }: { code: string; me: Me }) {
  const [code, setCode] = useState(given);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [note, setNote] = useState('');
  const [failed, setFailed] = useState<unknown>(null);
  // What was brought along in the address is shown, not sent: the person compares it with the device first.
  const look = async () => setAsked(await post<Asked>('/v1/oauth/device/look', { user_code: code }));
  const allow = async (by: Given) => {
    await withProof(() => plain('/v1/oauth/device/allow', { user_code: code, ...by }));
    setAsked(null);
    setNote(t.consent.deviceAllowed);
  };
  const decline = async () => {
    setFailed(null);
    try {
      await post('/v1/oauth/device/decline', { user_code: code });
      setAsked(null);
      setNote(t.consent.deviceDeclined);
    } catch (e) {
      setFailed(e);
    }
  };
  return (
    <>
      <Heading title={t.consent.deviceTitle} intro={t.consent.deviceIntro} />
      <Notice text={note} />
      <Problem error={failed} />
      {!asked && !note && (
        <section class="card"><Form run={look} submit={t.goOn}>
          <Field label={t.consent.deviceCode} value={code} change={setCode} hint={t.consent.deviceHint} required maxLength={16} autoComplete="off" spellcheck={false} autoFocus />
        </Form></section>
      )}
      {asked && (
        <section class="card consent">
          <p class="problem">{t.consent.deviceWarning}</p>
          <Facts asked={asked} />
          {!asked.enough && <p class="notice">{t.consent.fresh}</p>}
          <Ways factors={me.factors} order={me.second} operation="device.allow" object={code} run={allow} submit={t.consent.allow(asked.client)}
            label={t.second.code} aside={<button type="button" onClick={() => void decline()}>{t.consent.decline}</button>} />
        </section>
      )}
    </>
  );
}

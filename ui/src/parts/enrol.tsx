// Enrolling a second factor: the QR code is drawn here, from what the gateway says, by nobody else.
import { useEffect, useState } from 'preact/hooks';
import { encode } from 'uqr';
import { look, plain, type Factor } from '../api';
import { duration } from '../format';
import * as device from '../device';
import * as passkey from '../passkey';
import { t } from '../strings';
import { CodeField, Copy, Field, Form } from './basics';
import { Ways } from './proof';

interface Begun { id: string; secret?: string; uri?: string; text?: string; expires: string }
interface Confirmed { recovery_codes: string[] }

export function Qr({ text }: { text: string }) {
  const { data, size } = encode(text, { ecc: 'M', border: 4 });
  let path = '';
  data.forEach((row, y) => row.forEach((dark, x) => { if (dark) path += `M${x} ${y}h1v1h-1z`; }));
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={t.enrol.qr} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}

export function RecoveryCodes({ codes, done }: { codes: string[]; done: () => void }) {
  const [stored, setStored] = useState(false);
  const text = `${codes.join('\n')}\n`;
  const download = () => {
    const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = t.codes.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  return (
    <section aria-labelledby="codes-title">
      <h2 id="codes-title">{t.codes.title}</h2>
      <p>{t.codes.intro}</p>
      <ol class="recovery-codes">{codes.map((code) => <li key={code}><code>{code}</code></li>)}</ol>
      <div class="buttons">
        <button type="button" onClick={download}>{t.codes.download}</button>
        <Copy text={text} />
      </div>
      <label class="check">
        <input type="checkbox" checked={stored} onChange={(e) => setStored(e.currentTarget.checked)} />
        <span>{t.codes.stored}</span>
      </label>
      <div class="buttons"><button type="button" class="primary" disabled={!stored} onClick={done}>{t.codes.done}</button></div>
    </section>
  );
}

type Kind = 'totp' | 'webauthn' | 'push' | 'hotp' | 'external';
interface Plugin { name: string; label: string }
const needs: Record<Kind, () => Promise<boolean>> = {
  totp: async () => true, webauthn: passkey.offered, push: async () => device.able(), hotp: async () => true, external: async () => false,
};

/// `factors` are those that exist: one of them must say yes to another. The first one needs nobody's word.
export function Enrol({ factors = [], done }: { factors?: Factor[]; done: () => void }) {
  const strong = factors.filter((f) => f.kind !== 'recovery_code' && !f.disabled);
  const [kind, setKind] = useState<Kind>('totp');
  const [kinds, setKinds] = useState<Kind[]>(['totp', 'hotp']);
  const [plugins, setPlugins] = useState<Plugin[]>([]);
  const [plugin, setPlugin] = useState('');
  const [label, setLabel] = useState('');
  const [serial, setSerial] = useState('');
  const [bell, setBell] = useState<'ring' | 'inbox'>('ring');
  const [ringing, setRinging] = useState(false);
  const [begun, setBegun] = useState<Begun | null>(null);
  const [code, setCode] = useState('');
  const [codes, setCodes] = useState<string[] | null>(null);
  useEffect(() => {
    const all = Object.keys(needs) as Kind[];
    void Promise.all(all.map((k) => needs[k]())).then((has) => setKinds(all.filter((_, n) => has[n])));
    void look<{ plugins?: Plugin[] }>('/v1/factors').then((f) => setPlugins(f.plugins ?? []), () => {});
  }, []);
  const placeholder = kind === 'external' ? (plugins.find((p) => p.name === plugin)?.label ?? '') : t.enrol.kinds[kind].name;

  const finish = (confirmed: Confirmed) => {
    if (confirmed.recovery_codes.length > 0) setCodes(confirmed.recovery_codes);
    else done();
  };
  const begin = async (entitled: object) => {
    const name = label.trim() || placeholder;
    switch (kind) {
      case 'totp': return setBegun(await plain<Begun>('/v1/factors/totp', { label: name, ...entitled }));
      case 'hotp': return setBegun(await plain<Begun>('/v1/factors/hotp', { serial: serial.trim(), label: name, ...entitled }));
      case 'external': return setBegun(await plain<Begun>('/v1/factors/external', { plugin, label: name, ...entitled }));
      case 'webauthn': {
        const offer = await plain<{ id: string; options: string }>('/v1/factors/webauthn', { label: name, ...entitled });
        return finish(await plain<Confirmed>(`/v1/factors/${offer.id}/confirm`, { code: await passkey.register(offer.options) }));
      }
      case 'push':
        try {
          return finish(await device.enrol<Confirmed>(name, entitled, bell, () => setRinging(true)));
        } finally {
          setRinging(false);
        }
    }
  };
  const confirm = async () => finish(await plain<Confirmed>(`/v1/factors/${begun!.id}/confirm`, { code }));

  if (codes) return <RecoveryCodes codes={codes} done={done} />;
  if (begun) {
    return (
      <div class="enrol">
        {begun.uri && begun.secret && (
          <div class="enrol-scan">
            <p class="step">{t.enrol.scan}</p>
            <Qr text={begun.uri} />
            <p class="hint">{t.enrol.manual}</p>
            <p class="secret"><code>{begun.secret.replace(/(.{4})(?=.)/g, '$1 ')}</code> <Copy text={begun.secret} /></p>
          </div>
        )}
        <Form run={confirm} submit={t.enrol.submit}>
          {begun.text && <p class="said">{begun.text}</p>}
          {kind === 'external'
            ? <Field label={t.act.answer(placeholder)} value={code} change={setCode} required autoComplete="off" autoCapitalize="none" spellcheck={false} />
            : <CodeField label={begun.uri ? t.enrol.confirm : t.enrol.press} value={code} change={setCode} hint={t.enrol.expires(duration((Date.parse(begun.expires) - Date.now()) / 1000))} />}
        </Form>
      </div>
    );
  }
  const fields = (
    <>
      <fieldset class="choices">
        <legend>{t.enrol.kind}</legend>
        {[...kinds.map((k) => ({ k, of: '', ...t.enrol.kinds[k as keyof typeof t.enrol.kinds] })),
          ...plugins.map((p) => ({ k: 'external' as Kind, of: p.name, title: p.label, hint: t.enrol.pluginHint }))].map(({ k, of, title, hint }) => (
          <label class="choice" key={k + of}>
            <input type="radio" name="kind" value={k + of} checked={kind === k && plugin === of} onChange={() => { setKind(k); setPlugin(of); }} />
            <span><strong>{title}</strong><span class="hint">{hint}</span></span>
          </label>
        ))}
      </fieldset>
      {kind === 'hotp' && <Field label={t.enrol.serial} value={serial} change={setSerial} hint={t.enrol.serialHint} required autoComplete="off" spellcheck={false} maxLength={64} />}
      <Field label={t.enrol.label} value={label} change={setLabel} maxLength={64} placeholder={placeholder} />
      {kind === 'push' && (
        <label class="check">
          <input type="checkbox" checked={bell === 'inbox'} onChange={(e) => setBell(e.currentTarget.checked ? 'inbox' : 'ring')} />
          <span>{t.enrol.inboxOnly}</span>
        </label>
      )}
      {ringing && <p class="notice" role="status">{t.enrol.ringing}</p>}
    </>
  );
  if (strong.length === 0) return <Form run={() => begin({})} submit={t.goOn}>{fields}</Form>;
  return <Ways factors={factors} operation="factor.add" object={kind} run={begin} submit={t.goOn} label={t.act.code} hint={t.devices.addIntro}>{fields}</Ways>;
}

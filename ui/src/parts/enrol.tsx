// Enrolling a second factor: the QR code is drawn here, from what the gateway says, by nobody else.
import { useEffect, useState } from 'preact/hooks';
import { encode } from 'uqr';
import { plain, type Factor } from '../api';
import { duration } from '../format';
import { answerFor, offered, register, supported } from '../passkey';
import { t } from '../strings';
import { useCode } from './proof';
import { CodeField, Copy, Field, Form } from './basics';

interface Begun { id: string; secret: string; uri: string; expires: string }
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

/// `factors` are those that exist: one of them must say yes to another. The first one needs nobody's word.
export function Enrol({ factors = [], done }: { factors?: Factor[]; done: () => void }) {
  const strong = factors.filter((f) => f.kind !== 'recovery_code' && !f.disabled);
  const byKey = supported() && strong.some((f) => f.kind === 'webauthn');
  const { kinds, code: existing, field, of } = useCode(factors);
  const byCode = kinds.length > 0;
  const [kind, setKind] = useState<'totp' | 'webauthn'>('totp');
  const [keys, setKeys] = useState(false);
  const [label, setLabel] = useState('');
  const [begun, setBegun] = useState<Begun | null>(null);
  const [code, setCode] = useState('');
  const [codes, setCodes] = useState<string[] | null>(null);
  useEffect(() => { void offered().then(setKeys); }, []);

  const finish = (confirmed: Confirmed) => {
    if (confirmed.recovery_codes.length > 0) setCodes(confirmed.recovery_codes);
    else done();
  };
  const begin = async () => {
    let entitled = {};
    if (byCode && (existing || !byKey)) entitled = { code: existing, ...of };
    else if (byKey) {
      const { kind: by, challenge, answer } = await answerFor('factor.add', kind);
      entitled = { kind: by, challenge, code: answer };
    }
    const name = label.trim() || (kind === 'totp' ? t.enrol.labelTotp : t.enrol.labelKey);
    if (kind === 'totp') {
      setBegun(await plain<Begun>('/v1/factors/totp', { label: name, ...entitled }));
      return;
    }
    const offer = await plain<{ id: string; options: string }>('/v1/factors/webauthn', { label: name, ...entitled });
    const answer = await register(offer.options);
    finish(await plain<Confirmed>(`/v1/factors/${offer.id}/confirm`, { code: answer }));
  };
  const confirm = async () => finish(await plain<Confirmed>(`/v1/factors/${begun!.id}/confirm`, { code }));

  if (codes) return <RecoveryCodes codes={codes} done={done} />;
  if (begun) {
    return (
      <div class="enrol">
        <div class="enrol-scan">
          <p class="step">{t.enrol.scan}</p>
          <Qr text={begun.uri} />
          <p class="hint">{t.enrol.manual}</p>
          <p class="secret"><code>{begun.secret.replace(/(.{4})(?=.)/g, '$1 ')}</code> <Copy text={begun.secret} /></p>
        </div>
        <Form run={confirm} submit={t.enrol.submit}>
          <CodeField label={t.enrol.confirm} value={code} change={setCode} hint={t.enrol.expires(duration((Date.parse(begun.expires) - Date.now()) / 1000))} />
        </Form>
      </div>
    );
  }
  return (
    <Form run={begin} submit={t.goOn}>
      {keys && (
        <fieldset class="choices">
          <legend>{t.enrol.kind}</legend>
          {([['totp', t.enrol.totp, t.enrol.totpHint], ['webauthn', t.enrol.key, t.enrol.keyHint]] as const).map(([value, name, hint]) => (
            <label class="choice" key={value}>
              <input type="radio" name="kind" value={value} checked={kind === value} onChange={() => setKind(value)} />
              <span><strong>{name}</strong><span class="hint">{hint}</span></span>
            </label>
          ))}
        </fieldset>
      )}
      <Field label={t.enrol.label} value={label} change={setLabel} maxLength={64} placeholder={kind === 'totp' ? t.enrol.labelTotp : t.enrol.labelKey}
        hint={keys ? undefined : t.enrol.totpHint} />
      {byCode && field(t.act.code, { required: !byKey, hint: t.devices.addIntro })}
    </Form>
  );
}

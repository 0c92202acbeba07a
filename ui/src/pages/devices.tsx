// One's own second factors, recovery codes and password.
import { useEffect, useState } from 'preact/hooks';
import { plain, post, type Factor, type Me } from '../api';
import { devices, forget } from '../device';
import { at, from } from '../format';
import { install, installed, offered, onOffer } from '../install';
import { Dialog, Field, Heading, Notice } from '../parts/basics';
import { Enrol, RecoveryCodes } from '../parts/enrol';
import { Act } from '../parts/proof';
import { t } from '../strings';

type Open = { what: 'add' } | { what: 'remove'; factor: Factor } | { what: 'codes' } | { what: 'password' } | { what: 'shown'; codes: string[] } | null;

function Install() {
  const [, look] = useState(0);
  useEffect(() => onOffer(() => look((n) => n + 1)), []);
  if (installed()) return null;
  return (
    <div class="card row install">
      <div>
        <h2>{t.devices.install}</h2>
        <p class="hint">{t.devices.installText} {!offered() && t.devices.installHow}</p>
      </div>
      {offered() && <button type="button" onClick={() => void install()}>{t.devices.install}</button>}
    </div>
  );
}

export function Devices({ me, refresh }: { me: Me; refresh: () => Promise<void> }) {
  const [open, setOpen] = useState<Open>(null);
  const [note, setNote] = useState('');
  const [here, setHere] = useState<string[]>([]);  // those that this very browser is
  useEffect(() => void devices().then((all) => setHere(all.map((one) => one.id))), [me]);
  const close = () => setOpen(null);
  const strong = me.factors.filter((f) => f.kind !== 'recovery_code');
  const recovery = me.factors.find((f) => f.kind === 'recovery_code');
  // Where the gateway says in which order it offers kinds, a person may wish another to come first.
  const kinds = [...new Set(strong.map((f) => f.kind))];
  const first = me.second && kinds.length > 1 ? me.second[0] : undefined;
  const prefer = async (kind: string) => {
    await post('/v1/preference', { kind }).then(() => after(t.devices.preferred), () => {});
  };
  const after = async (text: string) => {
    await refresh();
    setNote(text);
    close();
  };
  return (
    <>
      <Heading title={t.devices.title} intro={t.devices.intro}>
        <button type="button" class="primary" onClick={() => setOpen({ what: 'add' })}>{t.devices.add}</button>
      </Heading>
      <Notice text={note} />
      <ul class="cards">
        {strong.map((f) => (
          <li class="card row" key={f.id}>
            <div>
              <h2>{f.label || t.devices.kinds[f.kind] || f.kind} {here.includes(f.id) && <span class="tag good">{t.devices.thisOne}</span>}</h2>
              <p class="hint">
                {t.devices.kinds[f.kind] ?? f.kind}
                {first === f.kind && ` · ${t.devices.first}`}
                {first && first !== f.kind && !f.disabled && <> · <button type="button" class="link" onClick={() => void prefer(f.kind)}>{t.devices.prefer}</button></>}
              </p>
              <p class="facts">
                <span>{t.devices.created} {at(f.created)}</span>
                <span>{t.devices.used} {f.last_used ? from(f.last_used) : t.never}</span>
              </p>
              {f.locked_until && Date.parse(f.locked_until) > Date.now() && <p class="warn">{t.devices.locked(at(f.locked_until))}</p>}
              {f.disabled && <p class="warn">{t.devices.disabled}</p>}
              {f.rings === false && <p class="warn">{t.devices.silent}</p>}
            </div>
            {strong.length > 1 && <button type="button" onClick={() => setOpen({ what: 'remove', factor: f })}>{t.devices.remove}<span class="unseen"> {f.label}</span></button>}
          </li>
        ))}
        <li class="card row">
          <div>
            <h2>{t.devices.recovery}</h2>
            <p class="facts"><span>{t.devices.left(recovery?.codes_left ?? 0)}</span></p>
            {(recovery?.codes_left ?? 0) < 4 && <p class="warn">{t.devices.few}</p>}
          </div>
          <button type="button" onClick={() => setOpen({ what: 'codes' })}>{t.devices.fresh}</button>
        </li>
        <li class="card row">
          <h2>{t.devices.password}</h2>
          <button type="button" onClick={() => setOpen({ what: 'password' })}>{t.devices.change}</button>
        </li>
      </ul>
      <Install />
      {open?.what === 'add' && (
        <Dialog title={t.devices.addTitle} close={close}>
          <Enrol factors={me.factors} done={() => void after(t.enrol.done)} />
        </Dialog>
      )}
      {open?.what === 'remove' && (
        <Act title={t.devices.removeTitle(open.factor.label || t.devices.kinds[open.factor.kind]!)} text={t.devices.removeText} submit={t.devices.remove} tone="danger"
          factors={me.factors} operation="factor.remove" object={open.factor.id} close={close}
          run={async (by) => {
            await plain(`/v1/factors/${open.factor.id}/remove`, by);
            if (here.includes(open.factor.id)) await forget(open.factor.id).catch(() => {});
            await after(t.devices.removed);
          }} />
      )}
      {open?.what === 'codes' && (
        <Act title={t.devices.freshTitle} text={t.devices.freshText} submit={t.devices.fresh} factors={me.factors} operation="factor.recovery_codes" close={close}
          run={async (by) => {
            const made = await plain<{ recovery_codes: string[] }>('/v1/recovery-codes', by);
            setOpen({ what: 'shown', codes: made.recovery_codes });
          }} />
      )}
      {open?.what === 'shown' && (
        <Dialog title={t.devices.recovery} close={() => void after('')}>
          <RecoveryCodes codes={open.codes} done={() => void after('')} />
        </Dialog>
      )}
      {open?.what === 'password' && <Password factors={me.factors} close={close} done={() => void after(t.devices.changed)} />}
    </>
  );
}

function Password({ factors, close, done }: { factors: Factor[]; close: () => void; done: () => void }) {
  const [before, setBefore] = useState('');
  const [next, setNext] = useState('');
  return (
    <Act title={t.devices.changeTitle} submit={t.devices.change} factors={factors} operation="password.change" close={close}
      run={async (by) => {
        await plain('/v1/password', { old: before, new: next, ...by });
        done();
      }}>
      <Field label={t.devices.old} value={before} change={setBefore} type="password" required autoComplete="current-password" />
      <Field label={t.devices.new} value={next} change={setNext} type="password" required minLength={12} hint={t.setup.passwordHint} autoComplete="new-password" />
    </Act>
  );
}

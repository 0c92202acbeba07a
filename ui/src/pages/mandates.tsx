// What my API keys may do while nobody attends: signing a text that is shown whole, and ending it.
import { useState } from 'preact/hooks';
import { get, plain, post, type Key, type Mandate, type Me, type Service } from '../api';
import { changed } from '../events/tab';
import { at } from '../format';
import { Dialog, Field, Form, Heading, Loading, Notice, Problem, Select, useLive, useLoad } from '../parts/basics';
import { Ways } from '../parts/proof';
import { t } from '../strings';

type Draft = { text: string; operation: string; object: string };
type Wish = Record<string, unknown>;
/// One's own key, or that of a service whose sponsor one is.
type Bound = { name: string; service?: string };

const shown = (key: Bound) => (key.service ? `${key.service}/${key.name}` : key.name);

async function bound(me: Me): Promise<Bound[]> {
  const of = async (service?: string) => (await get<{ keys: Key[] }>(service ? `/v1/keys?user=${encodeURIComponent(service)}` : '/v1/keys')).keys.map((k) => ({ name: k.name, service }));
  const mine = (await get<{ services: Service[] }>('/v1/services')).services.filter((s) => s.sponsor === me.name);
  return (await Promise.all([of(), ...mine.map((s) => of(s.name))])).flat();
}

const words = (text: string) => text.split(/[\s,]+/).filter(Boolean);
const soon = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().replace(/\.\d+Z$/, 'Z');

/// First what is wanted, then the whole of it as it is signed, then the factor.
function Sign({ me, keys, close, done }: { me: Me; keys: Bound[]; close: () => void; done: () => void }) {
  const [name, setName] = useState('');
  const [key, setKey] = useState('0');
  const [points, setPoints] = useState('');
  const [operations, setOperations] = useState('chat');
  const [models, setModels] = useState('');
  const [networks, setNetworks] = useState('');
  const [calls, setCalls] = useState('100');
  const [tokens, setTokens] = useState('');
  const [hours, setHours] = useState('8');
  const [drafted, setDrafted] = useState<{ wish: Wish; draft: Draft } | null>(null);
  const draft = async () => {
    const wish: Wish = {
      name, key: keys[Number(key)]!.name, ...(keys[Number(key)]!.service ? { service: keys[Number(key)]!.service } : {}), access_points: words(points), operations: words(operations), networks: words(networks), calls: Number(calls),
      ...(words(models).length > 0 ? { models: words(models) } : {}), ...(tokens ? { tokens: Number(tokens) } : {}),
      starts: soon(0), ends: soon(Number(hours)),
    };
    setDrafted({ wish, draft: await post<Draft>('/v1/mandates/draft', wish) });
  };
  if (drafted) {
    return (
      <Dialog title={t.mandates.signTitle} close={close}>
        <p class="dialog-text">{t.mandates.signText}</p>
        <pre class="said" tabIndex={0} aria-label={t.mandates.text}>{drafted.draft.text}</pre>
        <Ways factors={me.factors} operation={drafted.draft.operation} object={drafted.draft.object} submit={t.mandates.sign} label={t.act.code}
          aside={<button type="button" onClick={() => setDrafted(null)}>{t.mandates.back}</button>}
          run={async (by) => {
            await plain('/v1/mandates', { ...drafted.wish, ...by });
            done();
          }} />
      </Dialog>
    );
  }
  return (
    <Dialog title={t.mandates.make} close={close}>
      <p class="dialog-text">{t.mandates.makeText}</p>
      <Form run={draft} submit={t.mandates.next} aside={<button type="button" onClick={close}>{t.cancel}</button>}>
        <Field label={t.mandates.name} value={name} change={setName} required maxLength={38} autoFocus />
        <Select label={t.mandates.key} value={key} change={setKey} options={keys.map((k, n) => [String(n), shown(k)])} />
        <Field label={t.mandates.points} hint={t.mandates.listHint} value={points} change={setPoints} required spellcheck={false} />
        <Field label={t.mandates.operations} value={operations} change={setOperations} required spellcheck={false} />
        <Field label={t.mandates.models} hint={t.mandates.modelsHint} value={models} change={setModels} spellcheck={false} />
        <Field label={t.mandates.networks} hint={t.mandates.networksHint} value={networks} change={setNetworks} required spellcheck={false} />
        <Field label={t.mandates.calls} type="number" min={1} max={100000} value={calls} change={setCalls} required />
        <Field label={t.mandates.tokens} hint={t.mandates.tokensHint} type="number" min={1} value={tokens} change={setTokens} />
        <Field label={t.mandates.hours} type="number" min={1} max={24} value={hours} change={setHours} required />
      </Form>
    </Dialog>
  );
}

export function Mandates({ me }: { me: Me }) {
  const { value, error, again } = useLoad(async () => ({
    mandates: (await get<{ mandates: Mandate[] }>('/v1/mandates')).mandates, keys: await bound(me),
  }));
  useLive(() => changed(['keys', 'mandates'], again));
  const [open, setOpen] = useState(false);
  const [note, setNote] = useState('');
  const [failed, setFailed] = useState<unknown>(null);
  const revoke = async (m: Mandate) => {
    setFailed(null);
    try {
      await post(`/v1/mandates/${m.id}/revoke`);
      setNote(t.mandates.revoked(m.name));
    } catch (e) {
      setFailed(e);
    }
    again();
  };
  const live = (m: Mandate) => m.state === 'open' || m.state === 'waits';
  return (
    <>
      <Heading title={t.mandates.title} intro={t.mandates.intro}>
        {value && value.keys.length > 0 && <button type="button" class="primary" onClick={() => { setNote(''); setOpen(true); }}>{t.mandates.make}</button>}
      </Heading>
      <Notice text={note} />
      <Problem error={failed ?? error} />
      {!value && !error && <Loading />}
      {value?.keys.length === 0 && <p class="notice">{t.mandates.noKeys}</p>}
      {value?.mandates.length === 0 && <p class="calm"><span class="dot" aria-hidden="true" />{t.mandates.none}</p>}
      <ul class="cards">
        {value?.mandates.map((m) => (
          <li class="card row" key={m.id}>
            <div>
              <h2>{m.name} <span class={`tag ${m.state === 'open' ? 'good' : ''}`}>{t.mandates.states[m.state] ?? m.state}</span></h2>
              <p class="facts">
                <span>{t.mandates.for(m.credential)}</span>
                <span>{m.operations.join(', ')} @ {m.access_points.join(', ')}</span>
                <span>{t.mandates.left(m.calls_left, m.calls)}</span>
                {m.tokens !== null && <span>{t.mandates.tokensLeft(m.tokens_left ?? 0, m.tokens)}</span>}
                <span>{t.mandates.until} {at(m.ends)}</span>
              </p>
            </div>
            {live(m) && <button type="button" class="danger" onClick={() => void revoke(m)}>{t.mandates.revoke}<span class="unseen"> {m.name}</span></button>}
          </li>
        ))}
      </ul>
      {open && value && <Sign me={me} keys={value.keys} close={() => setOpen(false)} done={() => { setOpen(false); setNote(t.mandates.signed); again(); }} />}
    </>
  );
}

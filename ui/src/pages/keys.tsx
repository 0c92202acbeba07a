// API keys, one's own or of a service that one answers for: made, woken for a source, put to sleep, revoked.
import { useState } from 'preact/hooks';
import { get, plain, post, type Key, type Me } from '../api';
import { changed } from '../events/tab';
import { at, from } from '../format';
import { Copy, Dialog, Field, Heading, Loading, Notice, Problem, Select, useLive, useLoad } from '../parts/basics';
import { Act, Ask } from '../parts/proof';
import { t } from '../strings';

const day = 86400;
const hour = 3600;
const entries = (text: string) => text.split(',').map((e) => e.trim()).filter((e) => e !== '');

/// A scope as the gateway reads it: no list, no limit.
function scopeOf(lists: Record<string, string>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(lists).map(([name, text]) => [name, entries(text)] as const).filter(([, list]) => list.length > 0)));
}

function limits(key: Key): string {
  return Object.values(key.scope).flat().join(', ');
}

const unlimited = { access_points: '', models: '', operations: '', networks: '' };

export function Keys({ me, service }: { me: Me; service?: string }) {
  const { value, error, again } = useLoad(() => get<{ keys: Key[] }>(service ? `/v1/keys?user=${encodeURIComponent(service)}` : '/v1/keys'));
  useLive(() => changed(['keys'], again));
  const [open, setOpen] = useState<'create' | null>(null);
  const [waking, setWaking] = useState<Key | null>(null);
  const [ending, setEnding] = useState<Key | null>(null);
  const [made, setMade] = useState('');
  const [note, setNote] = useState('');
  const [failed, setFailed] = useState<unknown>(null);
  const [name, setName] = useState('');
  const [ttl, setTtl] = useState(String(90 * day));
  const [lists, setLists] = useState(unlimited);
  const [source, setSource] = useState('');
  const [lasts, setLasts] = useState(String(8 * hour));
  const [point, setPoint] = useState('');
  const scope = scopeOf(lists);
  const list = (which: keyof typeof unlimited, label: string) => (
    <Field label={label} value={lists[which]} change={(v) => setLists({ ...lists, [which]: v })} hint={t.keys.listHint} spellcheck={false} />
  );
  const wake = (key: Key) => {
    setNote('');
    setSource('');  // never the last one by itself: whoever has stolen the key and tries it would choose
    setWaking(key);
  };
  const sleep = async (key: Key) => {
    setFailed(null);
    try {
      await post(`/v1/keys/${key.id}/sleep`);
      setNote(t.keys.slept);
    } catch (e) {
      setFailed(e);
    }
    again();
  };
  return (
    <>
      {service && <p><a href="#/services">{t.services.back}</a></p>}
      <Heading title={service ? t.services.keysOf(service) : t.keys.title} intro={service ? t.services.keysIntro : t.keys.intro}>
        <button type="button" class="primary" onClick={() => { setNote(''); setOpen('create'); }}>{t.keys.create}</button>
      </Heading>
      <Notice text={note} />
      <Problem error={failed ?? error} />
      {!value && !error && <Loading />}
      {value?.keys.length === 0 && <p class="calm"><span class="dot" aria-hidden="true" />{t.keys.none}</p>}
      <ul class="cards">
        {value?.keys.map((key) => (
          <li class="card row" key={key.id}>
            <div>
              <h2>{key.name} <span class={`tag ${key.unlocks.length > 0 ? 'good' : ''}`}>{key.unlocks.length > 0 ? t.keys.awake : t.keys.asleep}</span></h2>
              <p class="facts">
                <span>{t.keys.used} {key.last_use ? `${from(key.last_use)} ${t.keys.from} ${key.last_source}` : t.keys.never}</span>
                <span>{t.keys.ends} {at(key.ends)}</span>
                {limits(key) !== '' && <span>{t.keys.limited} {limits(key)}</span>}
              </p>
              {key.unlocks.map((u) => (
                <p class="hint" key={`${u.source} ${u.access_point}`}>{t.keys.awakeFor(u.source, u.access_point || t.keys.everywhere, at(u.ends))}</p>
              ))}
            </div>
            <div class="heading-actions">
              <button type="button" onClick={() => wake(key)}>{t.keys.wake}<span class="unseen"> {key.name}</span></button>
              {key.unlocks.length > 0 && <button type="button" onClick={() => void sleep(key)}>{t.keys.sleep}<span class="unseen"> {key.name}</span></button>}
              <button type="button" class="danger" onClick={() => { setNote(''); setEnding(key); }}>{t.keys.revoke}<span class="unseen"> {key.name}</span></button>
            </div>
          </li>
        ))}
      </ul>
      {open === 'create' && (
        <Act title={t.keys.create} text={t.keys.createText} submit={t.keys.create} factors={me.factors} operation={service ? 'services.key' : 'key.create'}
          object={() => Promise.resolve(`${service ? `${service} ` : ''}${name} ${ttl} ${scope}`)} close={() => setOpen(null)} run={async (by) => {
            const { key } = await plain<{ key: string }>('/v1/keys', { name, scope, ttl_s: Number(ttl), ...(service ? { service } : {}), ...by });
            setMade(key);
            setOpen(null);
            setName('');
            setLists(unlimited);
            again();
          }}>
          <Field label={t.keys.name} value={name} change={setName} hint={t.keys.nameHint} required pattern="[A-Za-z0-9._\-]{1,48}" spellcheck={false} />
          <Select label={t.keys.ttl} value={ttl} change={setTtl} options={[1, 7, 30, 90, 365].map((n) => [String(n * day), t.keys.days(n)])} />
          {list('access_points', t.keys.points)}
          {list('models', t.keys.models)}
          {list('operations', t.keys.operations)}
          {list('networks', t.keys.networks)}
        </Act>
      )}
      {made !== '' && (
        <Dialog title={t.keys.madeTitle} close={() => setMade('')}>
          <p class="dialog-text">{t.keys.madeText}</p>
          <Field label={t.keys.key} value={made} change={() => undefined} class="mono" readOnly />
          <p><Copy text={made} /></p>
          <button type="button" class="primary" onClick={() => setMade('')}>{t.keys.done}</button>
        </Dialog>
      )}
      {waking && (
        <Act title={t.keys.wakeTitle(waking.name)} text={t.keys.wakeText} submit={t.keys.wake} factors={me.factors} operation="key.unlock"
          object={() => Promise.resolve(`${waking.id} ${source.trim()} ${lasts} ${point || '*'}`)} close={() => setWaking(null)} run={async (by) => {
            await plain(`/v1/keys/${waking.id}/unlock`, { source: source.trim(), lasts_s: Number(lasts), ...(point ? { access_point: point } : {}), ...by });
            setNote(t.keys.woken);
            setWaking(null);
            again();
          }}>
          <Field label={t.keys.source} value={source} change={setSource} hint={t.keys.sourceHint} required spellcheck={false} />
          <Select label={t.keys.lasts} value={lasts} change={setLasts} options={[1, 4, 8, 12].map((n) => [String(n * hour), t.keys.hours(n)])} />
          <Select label={t.keys.point} value={point} change={setPoint}
            options={[['', t.keys.everywhere], ...me.access_points.map((p) => [p.name, p.name] as [string, string])]} />
        </Act>
      )}
      {ending && (
        <Ask title={t.keys.revokeTitle(ending.name)} text={t.keys.revokeText} submit={t.keys.revoke} tone="danger" close={() => setEnding(null)} run={async () => {
          await post(`/v1/keys/${ending.id}/revoke`);
          setNote(t.keys.revoked);
          setEnding(null);
          again();
        }} />
      )}
    </>
  );
}

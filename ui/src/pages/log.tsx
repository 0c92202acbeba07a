// The audit log, searched.
import { useState } from 'preact/hooks';
import { lines, type Entry } from '../api';
import { at } from '../format';
import { Field, Form, Heading, Select, useLive } from '../parts/basics';
import { t } from '../strings';

const kPage = 50;

export function Log() {
  const [user, setUser] = useState('');
  const [operation, setOperation] = useState('');
  const [reason, setReason] = useState('');
  const [kind, setKind] = useState('');
  const [since, setSince] = useState('');
  const [entries, setEntries] = useState<Entry[] | null>(null);
  const [more, setMore] = useState(false);
  const read = async (before: Entry[]) => {
    const query = new URLSearchParams({ limit: String(kPage), order: 'newest' });
    const given = { user, operation, reason, kind, since: since && new Date(since).toISOString() };
    for (const [name, value] of Object.entries(given)) if (value.trim()) query.set(name, value.trim());
    const last = before.at(-1)?.seq;
    if (last !== undefined) query.set('to_seq', String(last - 1));
    const found = await lines<Entry>(`/v1/audit?${query}`);
    setEntries([...before, ...found]);
    setMore(found.length === kPage && found.at(-1)!.seq > 0);
  };
  useLive(() => { void read([]).catch(() => setEntries([])); });
  const code = { autoComplete: 'off', autoCapitalize: 'none' as const, spellcheck: false };
  const [when, who, what, result, where] = t.log.columns as [string, string, string, string, string];
  return (
    <>
      <Heading title={t.log.title} intro={t.log.intro} />
      <Form run={() => read([])} submit={t.log.search}>
        <div class="filters">
          <Field label={t.decisions.user} value={user} change={setUser} {...code} />
          <Field label={t.log.operation} value={operation} change={setOperation} {...code} />
          <Field label={t.decisions.reason} value={reason} change={setReason} {...code} />
          <Select label={t.log.kind} value={kind} change={setKind} options={Object.entries(t.log.kinds)} />
          <Field label={t.log.since} value={since} change={setSince} type="datetime-local" />
        </div>
      </Form>
      {entries?.length === 0 && <p class="hint">{t.log.none}</p>}
      {entries && entries.length > 0 && (
        <div class="table" role="region" aria-label={t.log.title} tabIndex={0}>
          <table>
            <thead><tr>{[when, who, what, result, where].map((name) => <th scope="col" key={name}>{name}</th>)}</tr></thead>
            <tbody>
              {entries.map((e) => (
                <tr key={e.seq}>
                  <td><time dateTime={e.at}>{at(e.at)}</time></td>
                  <td>{e.user_name || '–'}</td>
                  <td class="wrap">{e.access_point && e.access_point !== 'vestibule' && <span class="hint">{e.access_point} </span>}{e.operation} {e.object && <span class="hint">{e.object} </span>}{e.note && <span class="hint">{e.note}</span>}</td>
                  <td><span class={`tag ${e.outcome === 'allow' ? 'good' : 'bad'}`}>{e.reason === 'ok' ? e.outcome : e.reason}</span></td>
                  <td class="hint">{['local', 'unix'].includes(e.source) ? t.sessions.here : e.source}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {more && <div class="buttons"><button type="button" onClick={() => void read(entries ?? [])}>{t.log.more}</button></div>}
    </>
  );
}

// Where one is signed in.
import { useState } from 'preact/hooks';
import { get, post, type Session } from '../api';
import { changed } from '../events/tab';
import { at, client, from } from '../format';
import { Heading, Loading, Notice, Problem, useLive, useLoad } from '../parts/basics';
import { t } from '../strings';

export function Sessions() {
  const { value, error, again } = useLoad(() => get<{ sessions: Session[] }>('/v1/sessions'));
  useLive(() => changed(['sessions'], again));
  const [note, setNote] = useState('');
  const [failed, setFailed] = useState<unknown>(null);
  const end = async (which: Session[], text: string) => {
    setFailed(null);
    try {
      for (const s of which) await post(`/v1/sessions/${s.id}/revoke`);
      setNote(text);
    } catch (e) {
      setFailed(e);
    }
    again();
  };
  const all = value?.sessions ?? [];
  const others = all.filter((s) => !s.current);
  const order = [...all].sort((a, b) => Number(b.current) - Number(a.current) || b.last_seen.localeCompare(a.last_seen));
  return (
    <>
      <Heading title={t.sessions.title} intro={t.sessions.intro}>
        {others.length > 0 && <button type="button" class="danger" onClick={() => void end(others, t.sessions.endedAll)}>{t.sessions.endAll}</button>}
      </Heading>
      <Notice text={note} />
      <Problem error={failed ?? error} />
      {!value && !error && <Loading />}
      <ul class="cards">
        {order.map((s) => (
          <li class="card row" key={s.id}>
            <div>
              <h2>{client(s.client)} {s.current && <span class="tag good">{t.sessions.current}</span>} {s.pending && <span class="tag">{t.sessions.pending}</span>}</h2>
              <p class="facts">
                <span>{t.sessions.from} {['local', 'unix', ''].includes(s.source) ? t.sessions.here : s.source}</span>
                <span>{t.sessions.seen} {from(s.last_seen)}</span>
                <span>{t.sessions.ends} {at(s.ends)}</span>
                {s.tokens > 0 && <span>{t.sessions.tokens(s.tokens)}</span>}
              </p>
            </div>
            {!s.current && <button type="button" onClick={() => void end([s], t.sessions.ended)}>{t.sessions.end}<span class="unseen"> {client(s.client)}</span></button>}
          </li>
        ))}
      </ul>
    </>
  );
}

// Resets that wait for a second administrator.
import { useState } from 'preact/hooks';
import { get, plain, post, type Me, type Reset } from '../api';
import { changed } from '../events/tab';
import { from } from '../format';
import { Heading, Loading, Notice, Problem, useLive, useLoad } from '../parts/basics';
import { Act } from '../parts/proof';
import { CodeFor } from './users';
import { t } from '../strings';

export function Resets({ me, rules }: { me: Me; rules: boolean }) {
  const { value, error, again } = useLoad(() => get<{ resets: Reset[] }>('/v1/resets'));
  const [open, setOpen] = useState<Reset | null>(null);
  const [made, setMade] = useState<{ name: string; code: string; expires: string } | null>(null);
  const [note, setNote] = useState('');
  const [failed, setFailed] = useState<unknown>(null);
  useLive(() => changed(['notices'], again));
  const decline = async (reset: Reset) => {
    setFailed(null);
    try {
      await post(`/v1/resets/${reset.id}/decline`);
      setNote(t.resets.declined);
    } catch (e) {
      setFailed(e);
    }
    again();
  };
  return (
    <>
      <Heading title={t.resets.title} intro={t.resets.intro} />
      <Notice text={note} />
      <Problem error={failed ?? error} />
      {!value && !error && <Loading />}
      {value?.resets.length === 0 && <p class="calm"><span class="dot good" aria-hidden="true" />{t.resets.none}</p>}
      <ul class="cards">
        {value?.resets.map((reset) => (
          <li class="card row" key={reset.id}>
            <div>
              <h2>{reset.user}</h2>
              <p class="facts"><span>{t.resets.by(reset.requested_by, from(reset.at))}</span><span>{t.resets.ends(from(reset.expires))}</span></p>
              {reset.requested_by === me.name && <p class="hint">{t.resets.yours}</p>}
            </div>
            {rules && (
              <div class="buttons">
                {reset.requested_by !== me.name && reset.user !== me.name &&
                  <button type="button" class="primary" onClick={() => { setNote(''); setOpen(reset); }}>{t.resets.approve}<span class="unseen"> {reset.user}</span></button>}
                <button type="button" onClick={() => void decline(reset)}>{t.resets.decline}<span class="unseen"> {reset.user}</span></button>
              </div>
            )}
          </li>
        ))}
      </ul>
      {open && (
        <Act title={t.resets.approveTitle(open.user)} text={t.resets.approveText} submit={t.resets.approve} factors={me.factors}
          operation="resets.approve" object={open.id} close={() => setOpen(null)} run={async (by) => {
            const done = await plain<{ code?: string; enrolment_code?: string; expires: string }>(`/v1/resets/${open.id}/approve`, by);
            setMade({ name: open.user, code: done.enrolment_code ?? done.code ?? '', expires: done.expires });
            setOpen(null);
            again();
          }} />
      )}
      {made && <CodeFor {...made} close={() => setMade(null)} />}
    </>
  );
}

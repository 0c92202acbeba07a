// What has changed about one's own account.
import { useState } from 'preact/hooks';
import { post, type Notice as Told } from '../api';
import { at, from } from '../format';
import { Heading, Problem } from '../parts/basics';
import { t } from '../strings';

/// `tools`: this person may see the page of tools.
export function Notices({ notices, tools, again }: { notices: Told[]; tools: boolean; again: () => void }) {
  const [failed, setFailed] = useState<unknown>(null);
  const fresh = notices.filter((n) => !n.seen);
  const seen = async () => {
    setFailed(null);
    try {
      for (let i = 0; i < fresh.length; i += 64) await post('/v1/notices/seen', { ids: fresh.slice(i, i + 64).map((n) => n.id) });
    } catch (e) {
      setFailed(e);
    }
    again();
  };
  return (
    <>
      <Heading title={t.notices.title} intro={t.notices.intro}>
        {fresh.length > 0 && <button type="button" class="primary" onClick={() => void seen()}>{t.notices.seen}</button>}
      </Heading>
      <Problem error={failed} />
      {notices.length === 0 && <p class="calm"><span class="dot good" aria-hidden="true" />{t.notices.none}</p>}
      <ul class="cards">
        {notices.map((n) => (
          <li class={`card row ${n.seen ? 'off' : ''}`} key={n.id}>
            <div>
              <h2>{n.text} {!n.seen && <span class="tag bad">{t.notices.fresh}</span>}</h2>
              <p class="facts"><span>{at(n.at)}</span><span>{from(n.at)}</span></p>
            </div>
            {n.kind === 'tool_changed' && tools && <a href="#/tools">{t.tools.look}</a>}
          </li>
        ))}
      </ul>
      {notices.length > 0 && <p class="hint aside">{t.notices.act}</p>}
    </>
  );
}

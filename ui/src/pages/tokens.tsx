// Hardware tokens in stock.
import { useState } from 'preact/hooks';
import { get, plain, type Me, type Token } from '../api';
import { sha256 } from '../digest';
import { at } from '../format';
import { Heading, Loading, Notice, Problem, useLoad } from '../parts/basics';
import { Act } from '../parts/proof';
import { t } from '../strings';

export function Tokens({ me, rules }: { me: Me; rules: boolean }) {
  const { value, error, again } = useLoad(() => get<{ tokens: Token[] }>('/v1/hardware-tokens'));
  const [open, setOpen] = useState<'import' | Token | null>(null);
  const [csv, setCsv] = useState('');
  const [note, setNote] = useState('');
  const done = (text: string) => {
    setNote(text);
    setOpen(null);
    setCsv('');
    again();
  };
  return (
    <>
      <Heading title={t.tokens.title} intro={t.tokens.intro}>
        {rules && <button type="button" class="primary" onClick={() => { setNote(''); setOpen('import'); }}>{t.tokens.import}</button>}
      </Heading>
      <Notice text={note} />
      <Problem error={error} />
      {!value && !error && <Loading />}
      {value?.tokens.length === 0 && <p class="calm"><span class="dot" aria-hidden="true" />{t.tokens.none}</p>}
      <ul class="cards">
        {value?.tokens.map((token) => (
          <li class="card row" key={token.serial}>
            <div>
              <h2>{token.serial} <span class={`tag ${token.holder ? '' : 'good'}`}>{token.holder ? t.tokens.held(token.holder) : t.tokens.free}</span></h2>
              <p class="facts"><span>{t.tokens.digits(token.digits)}</span><span>{t.tokens.since} {at(token.imported)}</span></p>
            </div>
            {rules && !token.holder && <button type="button" onClick={() => { setNote(''); setOpen(token); }}>{t.tokens.remove}<span class="unseen"> {token.serial}</span></button>}
          </li>
        ))}
      </ul>
      {open === 'import' && (
        <Act title={t.tokens.import} text={t.tokens.importText} submit={t.tokens.import} factors={me.factors} operation="hardware_tokens.import" object={() => sha256(csv)}
          close={() => setOpen(null)} run={async (by) => {
            const { imported } = await plain<{ imported: number }>('/v1/hardware-tokens', { csv, ...by });
            done(t.tokens.imported(imported));
          }}>
          <div class="field">
            <label for="tokens-file">{t.tokens.file}</label>
            <input id="tokens-file" type="file" accept=".csv,text/csv,text/plain" onChange={(e) => void e.currentTarget.files?.[0]?.text().then(setCsv)} />
          </div>
          <div class="field">
            <label for="tokens-csv">{t.tokens.csv}</label>
            <textarea id="tokens-csv" class="mono" rows={4} required value={csv} spellcheck={false} onInput={(e) => setCsv(e.currentTarget.value)} />
          </div>
        </Act>
      )}
      {open && open !== 'import' && (
        <Act title={t.tokens.removeTitle(open.serial)} text={t.tokens.removeText} submit={t.tokens.remove} tone="danger" factors={me.factors}
          operation="hardware_tokens.remove" object={open.serial} close={() => setOpen(null)} run={async (by) => {
            await plain(`/v1/hardware-tokens/${encodeURIComponent(open.serial)}/remove`, by);
            done(t.tokens.removed);
          }} />
      )}
    </>
  );
}

// Service accounts that one answers for, or is asked to.
import { useState } from 'preact/hooks';
import { get, plain, post, type Duty, type Me, type Service } from '../api';
import { changed } from '../events/tab';
import { Dialog, Field, Heading, Loading, Notice, Problem, useLive, useLoad } from '../parts/basics';
import { Act, Ask, Ways } from '../parts/proof';
import { t } from '../strings';

const words = (text: string) => text.split(/[\s,]+/).filter(Boolean);
const named = (s: Service, part: string) => s.people.filter((p) => p.part === part).map((p) => (p.accepted ? p.person : t.services.asked(p.person))).join(', ');

/// What is taken on is read whole before the factor is asked for.
function Sign({ me, service, duty, close, done }: { me: Me; service: Service; duty: Duty; close: () => void; done: () => void }) {
  const where = `/v1/services/${encodeURIComponent(service.name)}`;
  return (
    <Dialog title={t.services.dutyTitle(t.services.parts[duty.part] ?? duty.part, service.name)} close={close}>
      <p class="dialog-text">{t.services.dutyText}</p>
      <pre class="said" tabIndex={0} aria-label={t.services.duty}>{duty.text}</pre>
      <Ways factors={me.factors} operation={duty.operation} object={duty.object} submit={t.services.accept} label={t.act.code}
        aside={<button type="button" onClick={close}>{t.cancel}</button>}
        run={async (by) => {
          await (duty === service.take_over ? plain(`${where}/take-over`, { ...by }) : plain(`${where}/accept`, { part: duty.part, ...by }));
          done();
        }} />
    </Dialog>
  );
}

export function Services({ me }: { me: Me }) {
  const { value, error, again } = useLoad(() => get<{ services: Service[] }>('/v1/services'));
  useLive(() => changed(['notices'], again));  // who is asked, or left, is told so
  const [dialog, setDialog] = useState<{ what: 'create' | 'deputy' | 'remove' | 'sign' | 'dismiss'; service?: Service; duty?: Duty; person?: string } | null>(null);
  const [note, setNote] = useState('');
  const [name, setName] = useState('');
  const [display, setDisplay] = useState('');
  const [roles, setRoles] = useState('member');
  const [person, setPerson] = useState('');
  const show = (next: NonNullable<typeof dialog>) => { setNote(''); setDialog(next); };
  const done = (text: string) => {
    setDialog(null);
    setNote(text);
    again();
  };
  const close = () => setDialog(null);
  const about = dialog?.service;
  const where = about ? `/v1/services/${encodeURIComponent(about.name)}` : '';
  return (
    <>
      <Heading title={t.services.title} intro={t.services.intro}>
        <button type="button" class="primary" onClick={() => show({ what: 'create' })}>{t.services.create}</button>
      </Heading>
      <Notice text={note} />
      <Problem error={error} />
      {!value && !error && <Loading />}
      {value?.services.length === 0 && <p class="calm"><span class="dot" aria-hidden="true" />{t.services.none}</p>}
      <ul class="cards">
        {value?.services.map((s) => {
          const mine = s.sponsor === me.name;
          const accepted = s.people.some((p) => p.person === me.name && p.accepted);
          const deputies = named(s, 'deputy');
          return (
            <li class="card row" key={s.id}>
              <div>
                <h2>{s.name} <span class={`tag ${s.state === 'awake' ? 'good' : 'bad'}`}>{t.services.states[s.state] ?? s.state}</span></h2>
                <p class="facts">
                  {s.display && <span>{s.display}</span>}
                  <span>{t.services.sponsor(named(s, 'sponsor') || t.services.nobody)}</span>
                  {deputies && <span>{t.services.deputies(deputies)}</span>}
                  <span>{t.services.withRoles(s.roles.join(', '))}</span>
                </p>
              </div>
              <div class="heading-actions">
                {[s.offered_sponsor, s.offered_deputy].map((duty) => duty && (
                  <button type="button" class="primary" key={duty.part} onClick={() => show({ what: 'sign', service: s, duty })}>{t.services.read}<span class="unseen"> {s.name}</span></button>
                ))}
                {s.take_over && <button type="button" class="primary" onClick={() => show({ what: 'sign', service: s, duty: s.take_over })}>{t.services.takeOver}<span class="unseen"> {s.name}</span></button>}
                {accepted && <button type="button" onClick={() => { location.hash = `#/services/${encodeURIComponent(s.name)}`; }}>{t.services.keys}<span class="unseen"> {s.name}</span></button>}
                {mine && <button type="button" onClick={() => { setPerson(''); show({ what: 'deputy', service: s }); }}>{t.services.deputy}<span class="unseen"> {s.name}</span></button>}
                {mine && s.people.filter((p) => p.part === 'deputy').map((p) => (
                  <button type="button" key={p.person} onClick={() => show({ what: 'dismiss', service: s, person: p.person })}>{t.services.dismiss(p.person)}<span class="unseen"> {s.name}</span></button>
                ))}
                {!mine && <button type="button" onClick={() => show({ what: 'dismiss', service: s, person: me.name })}>{t.services.leave}<span class="unseen"> {s.name}</span></button>}
                {mine && <button type="button" class="danger" onClick={() => show({ what: 'remove', service: s })}>{t.services.remove}<span class="unseen"> {s.name}</span></button>}
              </div>
            </li>
          );
        })}
      </ul>
      {dialog?.what === 'create' && (
        <Act title={t.services.create} text={t.services.createText} submit={t.services.create} factors={me.factors} operation="services.create"
          object={() => Promise.resolve(`${name} sponsor ${me.name} roles ${words(roles).join(',')}`)} close={close} run={async (by) => {
            await plain('/v1/services', { name, roles: words(roles), ...(display ? { display } : {}), ...by });
            setName('');
            done('');
          }}>
          <Field label={t.services.name} value={name} change={setName} hint={t.services.nameHint} required pattern="[a-z0-9._@+\-]{1,64}" autoCapitalize="none" spellcheck={false} />
          <Field label={t.services.display} value={display} change={setDisplay} maxLength={128} />
          <Field label={t.services.roles} value={roles} change={setRoles} hint={t.services.rolesHint} required spellcheck={false} />
        </Act>
      )}
      {dialog?.what === 'sign' && about && dialog.duty && (
        <Sign me={me} service={about} duty={dialog.duty} close={close} done={() => done(t.services.accepted(about.name))} />
      )}
      {dialog?.what === 'deputy' && about && (
        <Act title={t.services.deputyTitle(about.name)} text={t.services.deputyText} submit={t.services.ask} factors={me.factors} operation="services.offer"
          object={() => Promise.resolve(`${about.name} ${person}`)} close={close} run={async (by) => {
            await plain(`${where}/deputies`, { person, ...by });
            done(t.services.offered(person));
          }}>
          <Field label={t.services.person} value={person} change={setPerson} required autoComplete="off" autoCapitalize="none" spellcheck={false} />
        </Act>
      )}
      {dialog?.what === 'dismiss' && about && dialog.person && (
        <Ask title={t.services.dismissTitle(dialog.person, about.name)} text={t.services.dismissText} submit={t.goOn} tone="danger" close={close} run={async () => {
          await post(`${where}/dismiss`, { person: dialog.person });
          done(t.services.dismissed);
        }} />
      )}
      {dialog?.what === 'remove' && about && (
        <Act title={t.services.removeTitle(about.name)} text={t.services.removeText} submit={t.services.remove} tone="danger" factors={me.factors}
          operation="services.remove" object={about.name} close={close} run={async (by) => {
            await plain(`${where}/remove`, { ...by });
            done(t.services.removed);
          }} />
      )}
    </>
  );
}

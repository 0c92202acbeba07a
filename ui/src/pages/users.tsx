// Users, their roles and ways in, for administrators; auditors look.
import { useState } from 'preact/hooks';
import { get, post, plain, type Me, type User } from '../api';
import { at, from } from '../format';
import { Copy, Dialog, Field, Heading, Loading, Notice, Problem, useLoad } from '../parts/basics';
import { Act, Ask } from '../parts/proof';
import { t } from '../strings';

type What = 'create' | 'roles' | 'groups' | 'disable' | 'enable' | 'reset' | 'remove' | 'revoke';
type Open = { what: What; user?: User } | { what: 'code'; name: string; code: string; expires: string } | null;

function Roles({ value, change }: { value: string[]; change: (roles: string[]) => void }) {
  return (
    <fieldset class="choices">
      <legend>{t.users.roles}</legend>
      {Object.entries(t.users.role).map(([role, [name, hint]]) => (
        <label class="choice" key={role}>
          <input type="checkbox" checked={value.includes(role)} onChange={(e) => change(e.currentTarget.checked ? [...value, role] : value.filter((r) => r !== role))} />
          <span><strong>{name}</strong><span class="hint">{hint}</span></span>
        </label>
      ))}
    </fieldset>
  );
}

const names = (text: string) => text.split(/[\s,]+/).filter(Boolean);

/// An enrolment code, shown once.
export function CodeFor(props: { name: string; code: string; expires: string; close: () => void }) {
  return (
    <Dialog title={t.users.made(props.name)} close={props.close}>
      <p class="dialog-text">{t.users.codeIntro} {t.users.codeEnds(from(props.expires))}</p>
      <p class="secret"><code>{props.code}</code> <Copy text={props.code} /></p>
      <p class="hint">{t.users.where} <code>{`${location.origin}/#/enrol`}</code></p>
      <div class="buttons"><button type="button" class="primary" onClick={props.close}>{t.codes.done}</button></div>
    </Dialog>
  );
}

/// As the gateway writes it into the record of the act.
const named = (name: string, roles: string[]) => (roles.length > 0 ? `${name} ${roles.join(',')}` : name);

export function Users({ me, rules }: { me: Me; rules: boolean }) {
  const { value, error, again } = useLoad(() => get<{ users: User[] }>('/v1/users'));
  const [open, setOpen] = useState<Open>(null);
  const [note, setNote] = useState('');
  const [failed, setFailed] = useState<unknown>(null);
  const [name, setName] = useState('');
  const [display, setDisplay] = useState('');
  const [roles, setRoles] = useState<string[]>(['member']);
  const [groups, setGroups] = useState('');
  const close = () => setOpen(null);
  const done = (text: string) => {
    setNote(text);
    close();
    again();
  };
  const show = (what: What, user?: User) => {
    setName('');
    setDisplay('');
    setRoles(user ? user.roles : ['member']);
    setGroups(user ? user.groups.join(', ') : '');
    setFailed(null);
    setNote('');
    setOpen({ what, user });
  };
  const revoke = async (user: User) => {
    setFailed(null);
    try {
      await post(`/v1/users/${user.name}/revoke-sessions`);
      done(t.users.revoked(user.name));
    } catch (e) {
      setFailed(e);
    }
  };
  const target = open && 'user' in open ? open.user : undefined;
  const act = (what: What, title: string, text: string, submit: string, tone: string, path: string) => open?.what === what && target && (
    <Act title={title} text={text} submit={submit} tone={tone} factors={me.factors} operation={`users.${what === 'reset' ? 'reset' : what}`} object={target.name} close={close}
      run={async (by) => {
        const made = await plain<{ enrolment_code?: string; expires?: string; request?: string }>(`/v1/users/${target.name}/${path}`, by);
        if (made.request) done(t.resets.waits(target.name, at(made.expires)));
        else if (made.enrolment_code) {
          again();
          setOpen({ what: 'code', name: target.name, code: made.enrolment_code, expires: made.expires! });
        } else done(t.users.done);
      }} />
  );
  return (
    <>
      <Heading title={t.users.title} intro={t.users.intro}>
        {rules && <button type="button" class="primary" onClick={() => show('create')}>{t.users.create}</button>}
      </Heading>
      <Notice text={note} />
      <Problem error={failed ?? error} />
      {!value && !error && <Loading />}
      <ul class="cards">
        {value?.users.map((u) => (
          <li class={`card row ${u.disabled ? 'off' : ''}`} key={u.id}>
            <div>
              <h2>
                {u.display || u.name} {u.display && <span class="hint">{u.name}</span>} {u.name === me.name && <span class="tag good">{t.users.you}</span>}{' '}
                {u.disabled && <span class="tag bad">{t.users.disabled}</span>}{' '}
                {u.service && <span class="tag">{t.users.service}</span>}{' '}
                {!u.disabled && !u.has_password && !u.service && <span class="tag">{t.users.noPassword}</span>}{' '}
                {u.has_password && u.factors === 0 && <span class="tag bad">{t.users.noFactor}</span>}
              </h2>
              <p class="facts">
                <span>{u.roles.map((r) => t.users.role[r]?.[0] ?? r).join(', ') || t.nothing}</span>
                {u.groups.length > 0 && <span>{t.users.groups}: {u.groups.join(', ')}</span>}
                {u.factors > 0 && <span>{t.users.factors(u.factors)}</span>}
                <span>{t.users.since} {at(u.created)}</span>
              </p>
            </div>
            {rules && u.name !== me.name && (
              <details class="actions">
                <summary aria-label={t.users.actions(u.name)}>⋯</summary>
                <div>
                  {!u.service && (
                    <>
                      <button type="button" onClick={() => show('roles', u)}>{t.users.changeRoles}</button>
                      <button type="button" onClick={() => show('groups', u)}>{t.users.changeGroups}</button>
                      <button type="button" onClick={() => show('reset', u)}>{t.users.reset}</button>
                      <button type="button" onClick={() => void revoke(u)}>{t.users.revoke}</button>
                    </>
                  )}
                  {u.disabled ? <button type="button" onClick={() => show('enable', u)}>{t.users.enable}</button>
                    : <button type="button" class="danger" onClick={() => show('disable', u)}>{t.users.disable}</button>}
                  <button type="button" class="danger" onClick={() => show('remove', u)}>{t.users.remove}</button>
                </div>
              </details>
            )}
          </li>
        ))}
      </ul>
      {open?.what === 'create' && (
        <Act title={t.users.create} submit={t.users.createSubmit} factors={me.factors} operation="users.create" object={named(name.trim(), roles.length > 0 ? roles : ['member'])} close={close}
          run={async (by) => {
            const made = await plain<{ enrolment_code: string; expires: string }>('/v1/users', { name: name.trim(), ...(display.trim() ? { display: display.trim() } : {}), roles, ...by });
            again();
            setOpen({ what: 'code', name: name.trim(), code: made.enrolment_code, expires: made.expires });
          }}>
          <Field label={t.users.name} value={name} change={setName} hint={t.setup.nameHint} required autoComplete="off" autoCapitalize="none" spellcheck={false} />
          <Field label={t.users.display} value={display} change={setDisplay} hint={t.users.displayHint} autoComplete="off" />
          <Roles value={roles} change={setRoles} />
        </Act>
      )}
      {open?.what === 'roles' && target && (
        <Act title={t.users.rolesTitle(target.name)} submit={t.users.changeRoles} factors={me.factors} operation="users.roles" object={named(target.name, roles)} close={close}
          run={async (by) => {
            await plain(`/v1/users/${target.name}/roles`, { roles, ...by });
            done(t.users.done);
          }}>
          <Roles value={roles} change={setRoles} />
        </Act>
      )}
      {open?.what === 'groups' && target && (
        <Act title={t.users.groupsTitle(target.name)} submit={t.users.changeGroups} factors={me.factors} operation="users.groups" object={named(target.name, names(groups))} close={close}
          run={async (by) => {
            await plain(`/v1/users/${target.name}/groups`, { groups: names(groups), ...by });
            done(t.users.done);
          }}>
          <Field label={t.users.groups} value={groups} change={setGroups} hint={t.users.groupsHint} autoComplete="off" autoCapitalize="none" spellcheck={false} />
        </Act>
      )}
      {open?.what === 'disable' && target && (
        <Ask title={t.users.disableTitle(target.name)} text={t.users.disableText} submit={t.users.disable} tone="danger" close={close}
          run={async () => {
            await post(`/v1/users/${target.name}/disable`);
            done(t.users.done);
          }} />
      )}
      {act('enable', t.users.enableTitle(target?.name ?? ''), t.users.enableText, t.users.enable, '', 'enable')}
      {act('reset', t.users.resetTitle(target?.name ?? ''), t.users.resetText, t.users.reset, '', 'enrolment-code')}
      {act('remove', t.users.removeTitle(target?.name ?? ''), t.users.removeText, t.users.remove, 'danger', 'remove')}
      {open?.what === 'code' && <CodeFor name={open.name} code={open.code} expires={open.expires} close={close} />}
    </>
  );
}

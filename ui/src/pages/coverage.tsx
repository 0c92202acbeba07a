// Who has the factors that the rules ask for.
import { get, type Rule } from '../api';
import { day } from '../format';
import { Heading, Loading, Problem, useLoad } from '../parts/basics';
import { t } from '../strings';

export function Coverage() {
  const { value, error } = useLoad(() => get<{ rules: Rule[] }>('/v1/coverage'));
  return (
    <>
      <Heading title={t.coverage.title} intro={t.coverage.intro} />
      <Problem error={error} />
      {!value && !error && <Loading />}
      {value?.rules.length === 0 && <p class="calm"><span class="dot" aria-hidden="true" />{t.coverage.none}</p>}
      <ul class="cards">
        {value?.rules.map((rule) => (
          <li class="card coverage" key={`${rule.role} ${rule.needs}`}>
            <div class="row">
              <div>
                <h2>{t.coverage.rule(t.users.role[rule.role]?.[0] ?? rule.role, t.needs[rule.needs] ?? rule.needs)}</h2>
                {rule.by && <p class="hint">{t.coverage.by(day(rule.by))}</p>}
              </div>
              <strong class="figure">{t.coverage.figure(rule.covered, rule.users)}</strong>
            </div>
            <meter min={0} max={Math.max(1, rule.users)} value={rule.covered} aria-label={t.coverage.figure(rule.covered, rule.users)} />
            <p class="hint">{rule.missing.length === 0 ? t.coverage.all : `${t.coverage.missing}: ${rule.missing.join(', ')}`}</p>
          </li>
        ))}
      </ul>
    </>
  );
}

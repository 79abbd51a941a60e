/** The page before anybody is logged in. */
import { h } from './dom.js';

/** @param {string} trouble why the last try did not work, or that the session ended */
export function loginPage(trouble) {
  return h(
    'main',
    { class: 'login', 'data-key': 'login' },
    h('h1', {}, 'MessageBus'),
    h(
      'form',
      { id: 'login' },
      h('label', { for: 'code' }, 'Login code'),
      h('input', {
        id: 'code',
        name: 'code',
        autocomplete: 'one-time-code',
        autocapitalize: 'characters',
        spellcheck: 'false',
        required: true,
        placeholder: 'XXXX-XXXX-XXXX-XXXX-XXXX',
        'aria-describedby': 'hint',
      }),
      h('button', { type: 'submit' }, 'Log in'),
      h(
        'p',
        { id: 'hint' },
        'An operator gets one with ',
        h('code', {}, 'mbus console login'),
        '. It works once, for five minutes.',
      ),
      h('p', { class: 'trouble', role: 'alert' }, trouble),
    ),
  );
}

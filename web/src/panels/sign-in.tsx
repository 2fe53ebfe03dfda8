/** Where a token is given, in a city that asks for one. Whether it is good is the server's to say. */
import { useState } from 'preact/hooks';
import { WORDS } from '../words/strings';
import { Say } from './say';

export function SignIn({ why, give }: { readonly why: string | null; readonly give: (token: string) => void }) {
  const [token, setToken] = useState('');
  return (
    <form
      class="sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        give(token);
      }}
    >
      <h1>
        <Say of={WORDS.signIn} />
      </h1>
      <label>
        <Say of={WORDS.token} />
        <input
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          value={token}
          ref={(input) => input?.focus()}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
      </label>
      {why !== null && <p role="alert">{why}</p>}
      <button type="submit" class="act">
        <Say of={WORDS.enter} />
      </button>
    </form>
  );
}

// The page looks at the server every two seconds, while somebody looks at the page.

import { byId, say } from "./dom.js";
import { Imagine } from "./imagine.js";
import { Models } from "./models.js";
import { Server, ServerError } from "./server.js";
import { Traffic } from "./traffic.js";

const PAUSE = 2000; // milliseconds

const server = new Server();
const models = new Models(), traffic = new Traffic(), imagine = new Imagine(server);
let hasToken = false;

async function look() {
  try {
    const versions = await models.update(server);
    await traffic.update(server);
    await imagine.offer(versions);
    allow(true);
    byId("live").textContent = `live · ${new Date().toLocaleTimeString("en-GB")}`;
    byId("live").className = "live";
    say(byId("trouble"), "");
  } catch (error) {
    byId("live").textContent = "no news";
    byId("live").className = "lost";
    if (error.status === 401) allow(false);
    else say(byId("trouble"), error.message);
    if (!(error instanceof ServerError)) throw error;
  }
}

// Let the reader in, or ask for a token.
function allow(known) {
  const form = byId("token-form"), asked = known || !form.hidden;
  byId("content").hidden = !known;
  form.hidden = known;
  byId("token-forget").hidden = !known || !hasToken;
  if (known) return;
  say(byId("trouble"), "");
  byId("token-hint").textContent = hasToken ? "The server refuses this token." : "This server asks for a token.";
  if (!asked) byId("token").focus();
}

function take(token) {
  try {
    server.setToken(token);
  } catch (error) {
    byId("token-hint").textContent = error.message;
    return;
  }
  hasToken = token !== "";
  byId("token").value = "";
  look();
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  take(byId("token").value.trim());
});
byId("token-forget").addEventListener("click", () => location.reload());

for (;;) {
  if (!document.hidden) await look();
  await new Promise((resolve) => setTimeout(resolve, PAUSE));
}

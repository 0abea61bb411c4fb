// A browser in which somebody has signed in, as far as a consent needs one.
const entities = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&amp;": "&" };
const plain = (text) => text.replace(/&(lt|gt|quot|#39|amp);/g, (entity) => entities[entity]);

// Opens a client's request, agrees, and answers with the address at which the client is told.
export async function agree(authorize, cookie) {
  const page = await fetch(authorize, { headers: { cookie }, redirect: "manual" });
  if (page.status === 303) return new URL(page.headers.get("location"));
  if (page.status !== 200) throw new Error(`the page answered ${page.status}: ${await page.text()}`);
  const form = new URLSearchParams({ decision: "allow" });
  for (const [field] of (await page.text()).matchAll(/<input [^>]*type="hidden"[^>]*>/g)) {
    const value = (name) => plain(field.match(new RegExp(` ${name}="([^"]*)"`))[1]);
    form.set(value("name"), value("value"));
  }
  const { origin } = new URL(authorize);
  const answer = await fetch(new URL("/oauth/consent", origin), {
    method: "POST",
    headers: { cookie, origin },
    body: form,
    redirect: "manual",
  });
  if (answer.status !== 303) throw new Error(`the consent answered ${answer.status}: ${await answer.text()}`);
  return new URL(answer.headers.get("location"));
}

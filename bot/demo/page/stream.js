// The line to the server: events in, texts and presses out. It mends itself.

const FIRST_WAIT = 400; // milliseconds; doubles up to the longest
const LONGEST_WAIT = 5000;

/** Calls `on(event)` for whatever happens and `onLine(true|false)` as the line comes and goes. */
export function listen(on, onLine) {
  let wait = FIRST_WAIT;
  let source;
  const open = () => {
    source = new EventSource("/events");
    source.addEventListener("message", ({ data }) => {
      wait = FIRST_WAIT;
      onLine(true);
      on(JSON.parse(data));
    });
    source.addEventListener("error", () => {
      source.close();
      onLine(false);
      setTimeout(open, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    });
  };
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  open();
}

async function post(address, body) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

export const sendText = (person, text, replyTo) => post("/send", { person, text, reply_to: replyTo });
export const press = (person, message, data) => post("/tap", { person, message, data });
